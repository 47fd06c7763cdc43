"""The only writer of a cluster's observations: facts go in, numbered frames go out, in order.

While one append is on its way, events gather in the frames after it; when nothing is on its way, a
fact leaves at once. There is one append in flight over all channels, so the order between channels
is the order of the offers. That is why only neighbours share a frame: to merge with an earlier
frame of the same channel would let a fact overtake another channel's.

On every channel but ``cluster`` (which begins with the join) the first event of an epoch is a
``ResyncStarted``: whoever is the first to use a channel, the publisher sees to that.

A frame is retried byte for byte until the log has answered. It may be stored twice then; the
readers' fold ignores a number that it has taken already, so nothing is counted twice, and nothing
is missing between two numbers.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, cast

import msgspec

from mcs.errors import TooLarge, Unavailable, Uncertain
from mcs.events import codec, subjects
from mcs.events.dialects import as_of
from mcs.events.frames import FRAME_BYTES, SCHEMA, ObservationFrame, digest
from mcs.events.observations import Observation, ResyncStarted
from mcs.ports import Clock
from mcs.services.timestamps import timestamp

BACKOFF_S: Final = 0.05  # first wait after a failed append: a broker's failover takes longer
BACKOFF_MAX_S: Final = 5.0  # an outage that ends is noticed so late at most
BACKLOG_BYTES: Final = 64 * 1024 * 1024  # beyond it a new full account is cheaper than the backlog

Append = Callable[[Sequence[tuple[str, bytes]]], Awaitable[int]]
"""As ``EventLog.append``, without a fence."""

_logger = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()


class Publisher:
    """Appends the observations of one cluster in one epoch.

    ``joined`` is the digest of the frame that holds the epoch's ``ClusterJoined``: number 0 of the
    channel ``cluster``, which is appended before there is a publisher. ``on_open`` is told of each
    channel that began without being asked to: somebody owes it a full account.
    """

    def __init__(
        self,
        append: Append,
        clock: Clock,
        cluster: str,
        epoch: int,
        *,
        joined: str = "",
        backlog_bytes: int = BACKLOG_BYTES,
    ) -> None:
        self.epoch = epoch
        self._append, self._clock, self._cluster = append, clock, cluster
        self._next: dict[str, tuple[int, str]] = {subjects.CLUSTER: (1, joined)}
        self.on_open: Callable[[str], None] = _nobody
        self._opened = {subjects.CLUSTER}
        self._schema = SCHEMA
        self._queue: deque[_Batch] = deque()
        self._in_flight: _Batch | None = None
        self._waiting_bytes, self._backlog_bytes = 0, backlog_bytes
        self._more = asyncio.Event()
        self._failing = self._overflowed = self._stopped = False

    def offer(self, channel: str, *events: Observation) -> None:
        """Have events stored in order, at some time; after the publisher stopped, they are lost
        (the next epoch's full account makes up for them).
        """
        for event in (said for each in events for said in as_of(self._schema, each)):
            starts = isinstance(event, ResyncStarted)
            if channel not in self._opened:
                self._opened.add(channel)
                if not starts:
                    self.offer(channel, ResyncStarted(reason="first use"))
                    self.on_open(channel)
            self._put(channel, msgspec.Raw(_encoder.encode(event)), first=starts)

    def speak(self, schema: int) -> bool:
        """Say what follows in the words of ``schema``; whether that is a change."""
        changed = schema != self._schema
        self._schema = schema
        return changed

    async def publish(self, channel: str, *events: Observation) -> int:
        """Have events stored; returns the sequence of the frame that holds the last of them.

        Raises:
            TooLarge: the server does not take the last event.
            Unavailable: the publisher stopped before they were known to be stored.
        """
        assert events, "there is no sequence for nothing"
        self.offer(channel, *events)
        if self._stopped or self._overflowed:
            raise Unavailable("the publisher has stopped")
        return await self._queue[-1].stored()

    async def flush(self) -> None:
        """Wait until everything offered so far is stored.

        Raises: as ``publish``.
        """
        batch = self._queue[-1] if self._queue else self._in_flight
        if batch is not None:
            await batch.stored()

    async def run(self) -> None:
        """Append what is offered, until cancelled.

        Raises:
            Unavailable: the log was unreachable until the backlog was full; join anew.
            LogLost: as ``append`` does.
        """
        try:
            while True:
                await self._more.wait()
                while self._queue:
                    if self._overflowed:  # facts were lost, although the log is back
                        raise Unavailable("more facts than we keep waited for the log")
                    self._in_flight = self._queue.popleft()
                    self._waiting_bytes -= self._in_flight.size
                    await self._store(self._in_flight)
                    self._in_flight = None
                self._more.clear()
        finally:
            self._stop()

    def _put(self, channel: str, event: msgspec.Raw, *, first: bool) -> None:
        """Queue one event; ``first`` must begin its frame (a resync is taken by its first event,
        whatever the frame's number).
        """
        size = len(event) + 1  # and its comma
        if self._stopped or self._overflowed:
            return
        tail = self._queue[-1] if self._queue else None
        full = tail is not None and tail.size + size > FRAME_BYTES
        if tail is None or (tail.channel, tail.schema) != (channel, self._schema) or full or first:
            tail = _Batch(channel, self._schema)
            self._queue.append(tail)
        tail.events.append(event)
        tail.size += size
        self._waiting_bytes += size
        # A full account of a large cluster may exceed the limit; the log takes it in good time.
        self._overflowed = self._failing and self._waiting_bytes > self._backlog_bytes
        self._more.set()

    async def _store(self, batch: _Batch) -> None:
        """Append one frame, however long it takes."""
        subject = subjects.observation(self._cluster, batch.channel)
        number, previous = self._next.get(batch.channel, (0, ""))
        frame = ObservationFrame(
            schema=batch.schema,
            source=self._cluster,
            epoch=self.epoch,
            channel=batch.channel,
            number=number,
            previous=previous,
            at=timestamp(self._clock.now()),
            # Encoded when offered; the encoder copies Raw as it stands.
            events=cast("tuple[Observation, ...]", tuple(batch.events)),
        )
        data = codec.encode(frame)
        try:
            sequence = await self._insist(subject, data)
        except TooLarge as error:
            self._split(batch, error)
            return
        self._next[batch.channel] = number + 1, digest(subject, data)
        batch.settle(sequence)

    async def _insist(self, subject: str, data: bytes) -> int:
        wait_s = BACKOFF_S
        while True:
            try:
                sequence = await self._append([(subject, data)])
                self._failing = False
                return sequence
            except (Uncertain, Unavailable) as error:
                self._failing = True
                if self._overflowed:
                    raise Unavailable("more facts than we keep wait for the log") from error
                _logger.warning("append to %s failed, trying again: %s", subject, error)
            await self._clock.sleep(wait_s)
            wait_s = min(2 * wait_s, BACKOFF_MAX_S)

    def _split(self, batch: _Batch, error: TooLarge) -> None:
        """Put a refused frame back as two; a single event that is refused is given up, so that it
        holds up nobody else's.
        """
        if len(batch.events) == 1:
            head = bytes(batch.events[0])[:120]
            _logger.error("the log does not take this event (%s): %r…", error, head)
            batch.fail(TooLarge(f"one event of {batch.size} bytes: {error}"))
            return
        half = len(batch.events) // 2
        first, second = (_Batch(batch.channel, batch.schema) for _ in range(2))
        for part, events in (first, batch.events[:half]), (second, batch.events[half:]):
            part.events = events
            part.size = sum(len(event) + 1 for event in events)
            self._waiting_bytes += part.size
        second.waiters = batch.waiters
        self._queue.extendleft((second, first))

    def _stop(self) -> None:
        self._stopped = True
        batches = [self._in_flight] if self._in_flight else []
        for batch in [*batches, *self._queue]:
            batch.fail(Unavailable("the publisher has stopped"))
        self._queue.clear()


def _nobody(_: object) -> None:
    """Nobody listens."""


class _Batch:
    """Events that will share a frame, and who waits for it."""

    __slots__ = ("channel", "events", "schema", "size", "waiters")

    def __init__(self, channel: str, schema: int) -> None:
        self.channel, self.schema = channel, schema
        self.events: list[msgspec.Raw] = []
        self.size = 0
        self.waiters: list[asyncio.Future[int]] = []

    async def stored(self) -> int:
        """The sequence it got."""
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        return await waiter

    def settle(self, sequence: int) -> None:
        """Wake who waits for it."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(sequence)

    def fail(self, error: Exception) -> None:
        """Tell who waits for it that it will not be stored."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_exception(error)
