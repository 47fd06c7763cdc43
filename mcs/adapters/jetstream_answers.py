"""Questions between members over core NATS: nothing is stored, nobody waits in line.

An answer that fails is answered too, by a header without content (what failed may hold secrets), so
that the asker need not wait for its time limit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from mcs.adapters.jetstream_connection import Connection
from mcs.errors import LogError, Unavailable, Uncertain

logger = logging.getLogger(__name__)

MOST_ANSWERS: Final = 256
"""Questions answered at the same time; more are refused."""
_ERROR: Final = "Nats-Service-Error"


async def ask_member(connection: Connection, subject: str, data: bytes, timeout_s: float) -> bytes:
    """See ``mcs.ports.Requests.ask``."""
    try:
        message = await connection.call(subject, data, timeout_s=timeout_s)
    except Uncertain as error:
        raise Unavailable(str(error)) from error
    if message.headers and _ERROR in message.headers:
        raise Unavailable(f"{subject}: {message.headers[_ERROR]}")
    return message.data


class Answerer:
    """Answers the questions on one subject, side by side."""

    def __init__(
        self, connection: Connection, reply: Callable[[str, bytes], Awaitable[bytes]]
    ) -> None:
        self._connection = connection
        self._reply = reply
        self._subscription: Subscription | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, subject: str) -> None:
        """Begin; questions asked from now on by anybody arrive here. Raises Unavailable."""
        self._subscription = await self._connection.subscribe(subject, self._asked)
        try:
            await self._connection.round_trip()
        except Uncertain as error:
            raise Unavailable(str(error)) from error

    async def stop(self) -> None:
        """Answer nothing more; answers being made are given up."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await self._connection.unsubscribe(subscription)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _asked(self, message: Msg) -> None:
        if not message.reply:
            return
        if len(self._tasks) >= MOST_ANSWERS:
            await self._send(message.reply, b"", {_ERROR: "busy"})
            return
        task = asyncio.create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Msg) -> None:
        try:
            data, headers = await self._reply(message.subject, message.data), None
        except Exception as error:  # noqa: BLE001 (whatever it is, the asker is told and we go on)
            logger.warning("answering %s: %s", message.subject, type(error).__name__)
            data, headers = b"", {_ERROR: f"the answer failed: {type(error).__name__}"}
        await self._send(message.reply, data, headers)

    async def _send(self, reply: str, data: bytes, headers: dict[str, str] | None) -> None:
        try:
            await self._connection.publish(reply, data, headers=headers)
        except LogError as error:
            logger.warning("an answer was not sent: %s", error)
