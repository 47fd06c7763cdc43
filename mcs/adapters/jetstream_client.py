"""nats-py's client, for a world in which others write what they like.

A server takes subjects and headers of any bytes. nats-py 2.16 decodes both while it reads from the
socket, and what it cannot decode ends its reading for good, silently: one message on a subject that
is no UTF-8 would stop everybody who reads that stream, and again after each restart. Here such
bytes are replaced, and such headers left out; what the message says is judged by its reader.
"""

from __future__ import annotations

from typing import Any  # nats-py's own signatures

from nats.aio.client import Client
from nats.aio.msg import Msg


class PatientClient(Client):
    """Reads on, whatever comes."""

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        try:
            return await super()._process_headers(headers)
        except Exception:  # noqa: BLE001 (an error here ends all reading)
            return None

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Any:
        return Msg(
            subject=subject.decode(errors="replace"),
            reply=reply.decode(errors="replace"),
            data=data,
            headers=headers,
            _client=self,
            _sid=sid,
        )
