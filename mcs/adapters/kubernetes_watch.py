"""A watch's byte stream as events: one JSON object per line, of any length.

A line may be larger than any buffer (an object may hold 1.5 MB), and one chunk may hold many. The
server ends a watch cleanly after ``WATCH_TIMEOUT_S``; it sends a bookmark about every minute, so
long silence means that nobody is there any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, TypeVar

import aiohttp

from mcs.adapters.kubernetes_decoding import Decoding
from mcs.adapters.kubernetes_errors import Status, from_status, unreachable
from mcs.errors import Expired, Unreachable
from mcs.objects.kinds import Object
from mcs.ports import Watched

T = TypeVar("T", bound=Object)

WATCH_TIMEOUT_S: Final = 290
WATCH_SILENCE_S: Final = 150.0


async def events(
    content: aiohttp.StreamReader, decoding: Decoding[T], where: str
) -> AsyncIterator[Watched[T]]:
    """The events of a watch until its server ends it.

    Raises:
        Expired: the server says that it cannot go on from here.
        Unreachable: the connection broke, or any other error of the server.
    """
    lines = Lines()
    while True:
        try:
            chunk = await content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(error, where) from error
        if not chunk:  # the end; a line without its end was never sent whole
            return
        for line in lines.feed(chunk):
            event = decoding.event(line)
            if isinstance(event, Status):
                raise _ended(event, where)
            yield event


class Lines:
    """Cuts chunks into lines, at a cost linear in their size."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that ``chunk`` completes, without their ends; empty ones are dropped."""
        *ends, rest = chunk.split(b"\n")
        if not ends:
            self._begun.append(chunk)
            return []
        ends[0] = b"".join((*self._begun, ends[0]))
        self._begun = [rest] if rest else []
        return [line for line in ends if line]


def _ended(status: Status, where: str) -> Expired | Unreachable:
    error = from_status(status, where)
    if isinstance(error, Expired | Unreachable):
        return error
    return Unreachable(error.message, code=error.code, reason=error.reason, where=where)
