"""One connection to NATS that tells what happened to what it sent.

nats-py keeps what is published while it is disconnected and sends it after the reconnect, when
nobody waits for it any more: a deposed scheduler's decisions would arrive late. So here nothing is
kept: a publish needs a connection, what a broken connection had not sent is dropped, and a request
whose connection breaks ends at once as ``Uncertain`` instead of after its time limit.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from mcs.errors import TooLarge, Unavailable, Uncertain

logger = logging.getLogger(__name__)

_NO_RESPONDERS: Final = "503"
Headers = dict[str, str]


class Connection:
    """A NATS connection that reconnects for ever, and its requests in flight."""

    def __init__(self, client: Client, shown_url: str, *, answer_timeout_s: float) -> None:
        self.client = client
        self.shown_url = shown_url
        self.answer_timeout_s = answer_timeout_s
        self.up = asyncio.Event()
        self.breaks = 0
        self.on_change: list[Callable[[], None]] = []
        """Called, in this order, when the connection is lost, restored or closed."""
        self._inbox = ""
        self._numbers = itertools.count(1)
        self._answers: dict[str, asyncio.Future[Msg | None]] = {}
        self._complained = ""

    async def listen(self) -> None:
        """Subscribe to the answers; once, when connected."""
        self._inbox = self.client.new_inbox()
        await self.client.subscribe(f"{self._inbox}.*", cb=self._answered)
        self.up.set()

    @property
    def closed(self) -> bool:
        """Whether it is over: closed by us, or by the server for good."""
        return self.client.is_closed

    @property
    def most_bytes(self) -> int:
        """Bytes of headers and data that the server takes in one message."""
        return self.client.max_payload

    async def publish(
        self, subject: str, data: bytes, *, reply: str = "", headers: Headers | None = None
    ) -> None:
        """Send now or not at all.

        Raises:
            Unavailable: not connected; nothing was sent.
            TooLarge: more than the server takes.
        """
        if not self.client.is_connected:
            raise Unavailable(f"not connected to {self.shown_url}")
        try:
            await self.client.publish(subject, data, reply=reply, headers=headers)
        except nats.errors.MaxPayloadError as error:
            raise TooLarge(f"{len(data)} bytes exceed the server's max_payload") from error
        except (
            nats.errors.OutboundBufferLimitError,
            nats.errors.ConnectionClosedError,
            nats.errors.ConnectionDrainingError,
        ) as error:
            raise Unavailable(f"not connected to {self.shown_url}") from error

    @contextmanager
    def expect(self) -> Iterator[tuple[str, asyncio.Future[Msg | None]]]:
        """A reply subject and the answer that comes there; None when the connection is lost."""
        token = str(next(self._numbers))
        future: asyncio.Future[Msg | None] = asyncio.get_running_loop().create_future()
        self._answers[token] = future
        try:
            yield f"{self._inbox}.{token}", future
        finally:
            del self._answers[token]

    async def call(
        self,
        subject: str,
        data: bytes = b"",
        *,
        headers: Headers | None = None,
        timeout_s: float | None = None,
    ) -> Msg:
        """Send a request and return its answer.

        Raises:
            Unavailable: nothing was sent, or nobody listens on ``subject``.
            Uncertain: sent, but no answer came: the time was up or the connection was lost.
            TooLarge: more than the server takes.
        """
        with self.expect() as (reply, future):
            await self.publish(subject, data, reply=reply, headers=headers)
            return await self.answer(future, subject, timeout_s)

    async def round_trip(self) -> None:
        """Return when the server has taken all that was sent before. Raises as ``call`` does."""
        with self.expect() as (reply, future):
            await self.publish(reply, b"")
            await self.answer(future, reply)

    async def answer(
        self, future: asyncio.Future[Msg | None], subject: str, timeout_s: float | None = None
    ) -> Msg:
        """Wait for an expected answer; see ``call``."""
        limit_s = self.answer_timeout_s if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(limit_s):
                message = await future
        except TimeoutError:
            raise Uncertain(f"no answer on {subject} within {limit_s:g} s") from None
        if message is None:
            raise Uncertain(f"the connection to {self.shown_url} broke before the answer")
        if status_of(message) == _NO_RESPONDERS:
            raise Unavailable(f"nobody listens on {subject} at {self.shown_url}")
        return message

    async def subscribe(
        self, subject: str, take: Callable[[Msg], Awaitable[None]], *, queue: str = ""
    ) -> Subscription:
        """Call ``take`` for each message on ``subject``, without a limit on those that wait (a
        limit would drop them). Raises Unavailable.
        """
        if not self.client.is_connected:
            raise Unavailable(f"not connected to {self.shown_url}")
        try:
            return await self.client.subscribe(
                subject, queue=queue, cb=take, pending_msgs_limit=0, pending_bytes_limit=0
            )
        except nats.errors.Error as error:
            raise Unavailable(f"cannot subscribe to {subject}: {error}") from error

    async def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription, if its connection has not ended it already."""
        with suppress(nats.errors.Error):
            await subscription.unsubscribe()

    async def close(self) -> None:
        """Close for good."""
        with suppress(OSError):  # nats-py wants to say goodbye on a broken connection
            await self.client.close()
        self._changed()

    async def complained(self, error: Exception) -> None:
        """The client met an error in the background; said once, since reconnecting repeats it."""
        text = f"{type(error).__name__}: {error}"
        if text != self._complained:
            logger.warning("NATS at %s: %s", self.shown_url, text)
        self._complained = text

    async def disconnected(self) -> None:
        """The connection broke."""
        self.breaks += 1
        # Left alone, nats-py sends after the reconnect what it had not written before the break.
        self.client._pending.clear()  # noqa: SLF001 (no public way; nats-py is pinned, and a test watches)
        self.client._pending_data_size = 0  # noqa: SLF001 (as above)
        self._changed()

    async def reconnected(self) -> None:
        """The connection is there again."""
        logger.warning("NATS at %s: connected again", self.shown_url)
        self._complained = ""
        self.up.set()
        for notify in list(self.on_change):
            notify()

    def _changed(self) -> None:
        self.up.clear()
        for future in self._answers.values():
            if not future.done():
                future.set_result(None)
        for notify in list(self.on_change):
            notify()

    async def _answered(self, message: Msg) -> None:
        future = self._answers.get(message.subject.rpartition(".")[2])
        if future is not None and not future.done():
            future.set_result(message)


def status_of(message: Msg) -> str:
    """The status code that a server puts in the place of a message; empty for a message."""
    if message.headers is None or message.data:
        return ""
    return message.headers.get("Status", "")
