"""A position in a stream that moves forward, whatever happens to connections and servers.

The reader owns the position; deliveries come and go (``jetstream_delivery``). A keeper task makes
one, watches it, and makes the next from the position when it breaks. Each new delivery is checked
against the stream's leader before anything is asked of it: the same identity, not ended before the
position, not begun after it, and what was read last is still what it was (a stream that lost its
end may have grown again meanwhile). Such a finding is believed when it is made twice, half a second
apart, since it stops its owner for good and a server that has just started may not know everything.

A filtered reader cannot see by itself that messages were trimmed which it had not read yet. So when
messages waited (it was behind), it asks where the stream begins before it hands them out: a stream
that still begins at its position now did so all the while. While it cannot ask, it keeps them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from itertools import islice
from typing import Final

from mcs.adapters.jetstream_api import REMEDY, hole, message, stream_answer
from mcs.adapters.jetstream_connection import Connection
from mcs.adapters.jetstream_delivery import HEARTBEAT_S, Delivery
from mcs.errors import LogError, LogLost, Unavailable
from mcs.ports import Stored, Stream

logger = logging.getLogger(__name__)

_SILENT_LOOKS: Final = 3
"""Looks, a heartbeat apart, that find silence; not seconds, since a busy process looks late."""
_SECOND_LOOK_S: Final = 0.5
_FIRST_BACKOFF_S: Final = 0.05
_MOST_BACKOFF_S: Final = 2.0


class JetStreamReader:
    """See ``mcs.ports.Reader``; one caller of ``next`` at a time."""

    def __init__(self, connection: Connection, stream: Stream, *, after: int, subject: str) -> None:
        self._connection = connection
        self._stream = stream
        self._subject = subject
        self._held: deque[Stored] = deque()
        self._held_bytes = 0
        self._position = after
        self._floor = after
        self._identity: str | None = None
        self._newest: Stored | None = None
        self._gap_at: int | None = None
        self._delivery: Delivery | None = None
        self._arrived = asyncio.Event()
        self._news = asyncio.Event()
        self._failure: BaseException | None = None
        self._connection.on_change.append(self._news.set)
        self._keeper = asyncio.create_task(self._keep())
        self._keeper.add_done_callback(self._kept)

    async def next(self, *, limit: int = 1000, timeout_s: float | None = None) -> list[Stored]:
        """See ``mcs.ports.Reader.next``."""
        while True:
            self._arrived.clear()
            if count := await self._known(limit):
                break
            if self._failure is not None:
                raise self._failure
            try:
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        if (delivery := self._delivery) is not None:
            going = sum(len(message.data) for message in islice(self._held, count))
            await delivery.pull(len(self._held) - count, self._held_bytes - going)
        # No await from here on: whoever is cancelled before has taken nothing.
        if not self._held:  # closed meanwhile
            assert self._failure is not None
            raise self._failure
        taken = [self._held.popleft() for _ in range(count)]
        self._held_bytes -= sum(len(message.data) for message in taken)
        return taken

    @property
    def closed(self) -> bool:
        """Whether it has ended: closed, or the log is lost."""
        return self._keeper.done()

    async def close(self) -> None:
        """See ``mcs.ports.Reader.close``."""
        self._fail(Unavailable("the reader was closed"))
        self._held.clear()
        if self._news.set in self._connection.on_change:
            self._connection.on_change.remove(self._news.set)
        self._keeper.cancel()
        await asyncio.wait([self._keeper])

    async def _known(self, limit: int) -> int:
        """How many of the messages held may be handed out: nothing is missing before them."""
        delivery = self._delivery
        if not self._subject:
            return min(limit, len(self._held))
        if self._held and delivery is not None and delivery.behind and not delivery.broken:
            await self._check_nothing_was_trimmed(delivery)
        floor = self._floor if self._delivery is None else self._delivery.floor
        return sum(message.sequence <= floor for message in islice(self._held, limit))

    def _take(self, message: Stored) -> None:
        self._position = message.sequence
        self._newest = message
        self._held.append(message)
        self._held_bytes += len(message.data)
        self._arrived.set()

    def _kept(self, keeper: asyncio.Task[None]) -> None:
        if not keeper.cancelled() and (error := keeper.exception()) is not None:
            self._fail(error)  # a bug: it belongs to whoever reads, not to a forgotten task

    def _fail(self, failure: BaseException) -> None:
        self._failure = self._failure or failure
        self._arrived.set()

    async def _keep(self) -> None:
        """Deliveries one after the other, until the reader is closed or the log is lost."""
        backoff_s, finding = _FIRST_BACKOFF_S, ""
        while self._failure is None:
            try:
                if not await self._connected():
                    break
                delivery = await self._open()
                backoff_s, finding = _FIRST_BACKOFF_S, ""
                await self._watch(delivery)
            except LogLost as error:
                if str(error) == finding:
                    self._fail(error)
                finding = str(error)
                await asyncio.sleep(_SECOND_LOOK_S)
            except LogError as error:
                logger.info("reading %s: %s; trying again", self._stream, error)
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, _MOST_BACKOFF_S)
            finally:
                await self._end_delivery()

    async def _connected(self) -> bool:
        """Wait until there is a connection; False when there never will be one."""
        while not self._connection.up.is_set():
            if self._connection.closed:
                self._fail(Unavailable(f"{self._connection.shown_url}: the connection was closed"))
                return False
            self._news.clear()
            await self._news.wait()
        return True

    async def _open(self) -> Delivery:
        """Make a delivery; nothing is asked of it before its stream was looked at."""
        delivery = Delivery(
            self._connection,
            self._stream,
            self._subject,
            after=self._position,
            floor=self._floor,
            take=self._take,
            on_news=self._news.set,
        )
        try:
            await delivery.open()
            await self._look_at_stream(delivery)  # what is there now was there for the consumer
        except BaseException:
            await delivery.close()
            raise
        self._delivery = delivery
        self._arrived.set()  # what is held may be known by now
        await delivery.pull(len(self._held), self._held_bytes)
        return delivery

    async def _look_at_stream(self, delivery: Delivery) -> None:
        answer = await stream_answer(self._connection, self._stream)
        identity = answer.config.identity
        if self._identity is not None and identity != self._identity:
            raise LogLost(f"{self._stream} is another stream now: {identity}, not {self._identity}")
        if answer.state.last_seq < self._position:
            last = answer.state.last_seq
            raise LogLost(
                f"{self._stream} ends at {last}, before position {self._position}; {REMEDY}"
            )
        self._check_beginning(answer.state.first_seq, self._floor)
        await self._check_newest(answer.state.first_seq)
        self._identity = identity
        self._floor = delivery.floor = self._position
        delivery.counted = answer.state.last_seq if hole(answer.state, self._stream) else 0

    async def _watch(self, delivery: Delivery) -> None:
        """Keep pulls outstanding; return when the delivery is broken."""
        heard, silent = -1, 0
        while not delivery.broken:
            self._news.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._news.wait()
            except TimeoutError:
                silent = silent + 1 if delivery.heard == heard and delivery.pulls.open > 0 else 0
                heard = delivery.heard
                if silent >= _SILENT_LOOKS:
                    delivery.stop("silence")
            if not self._connection.up.is_set():
                delivery.stop("the connection broke")
            await delivery.pull(len(self._held), self._held_bytes)
        logger.info("reading %s after %d: %s", self._stream, self._position, delivery.broken)
        if delivery.gap:
            self._check_gap()

    def _check_gap(self) -> None:
        """A gap may be ours (lost on the way) once; seen again, it is the stream's."""
        if self._gap_at == self._position:
            self._fail(LogLost(f"{self._stream} has a hole after {self._position}; {REMEDY}"))
        self._gap_at = self._position

    async def _check_nothing_was_trimmed(self, delivery: Delivery) -> None:
        seen, delivery.behind = delivery.position, not delivery.caught_up
        delivery.looking = True
        try:
            answer = await stream_answer(self._connection, self._stream)
            self._check_beginning(answer.state.first_seq, delivery.floor)
        except LogError as error:
            delivery.stop(str(error))  # the next one, if there is one, begins by looking
            if isinstance(error, LogLost):
                self._fail(error)
        else:
            delivery.floor = seen if delivery.behind else delivery.position
        finally:
            delivery.looking = False

    async def _check_newest(self, first: int) -> None:
        newest = self._newest
        if newest is None or newest.sequence < first:
            return
        found = await message(self._connection, self._stream, {"seq": newest.sequence})
        if found != newest:
            raise LogLost(
                f"{self._stream} {newest.sequence} is not what was read, or not there; {REMEDY}"
            )

    def _check_beginning(self, first: int, position: int) -> None:
        if first > position + 1:
            raise LogLost(f"{self._stream} begins at {first}, after position {position} + 1")

    async def _end_delivery(self) -> None:
        delivery, self._delivery = self._delivery, None
        if delivery is None:
            return
        # A filtered reader knows more than its last message: nothing matched up to here.
        self._position = max(self._position, delivery.position)
        self._floor = delivery.floor if self._subject else self._position
        await delivery.close()
