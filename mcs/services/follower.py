"""Reads one stream through one subject filter and hands each frame to a synchronous handler.

A frame that cannot be read is parked: counted, reported, passed over. On OBSERVATIONS a writer that
got no answer sends a frame again; what was handed over already, or belongs to an epoch that is
over, is passed over too. On DECISIONS each frame
names the one before it on its subject, so a filtered reader finds by itself that a decision was
removed, changed or slipped in; it stops then, and so does its agent: acting on a wrong log is how
running pods get deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final, Generic, Literal, TypeVar, cast, overload

from mcs.errors import BadFrame, LogLost, Unavailable
from mcs.events import codec
from mcs.events.event import Last
from mcs.events.frames import DecisionFrame, ObservationFrame, digest
from mcs.events.observations import ResyncStarted, Unknown
from mcs.ports import EventLog, Reader, Stored, Stream

F = TypeVar("F", bound=ObservationFrame | DecisionFrame)

READ_LIMIT: Final = 64  # frames between two turns of the event loop: some 10 ms of decoding
LOOK_AGAIN_S: Final = 1.0  # while catching up: the frame we wait for may have been trimmed

_Decode = Callable[[str, bytes], tuple[F, tuple[Unknown, ...]]]
_logger = logging.getLogger(__name__)


class Follower(Generic[F]):
    """A position on ``subject`` (wildcards allowed) of ``stream`` that ``run`` moves forward, from
    the message after ``after``; 0 is the stream's head, wherever that is by now.

    ``position``: sequence of the last frame handed over; ``last``: the same with its digest
    (DECISIONS only). ``parked`` counts frames and events that could not be read, ``gaps`` numbers
    that were missing. ``caught_up`` is set once all that the filter held when ``run`` began was
    handed over.
    """

    @overload
    def __init__(
        self: Follower[ObservationFrame],
        log: EventLog,
        stream: Literal[Stream.OBSERVATIONS],
        subject: str,
        *,
        after: int = ...,
        identity: str = ...,
    ) -> None: ...

    @overload
    def __init__(
        self: Follower[DecisionFrame],
        log: EventLog,
        stream: Literal[Stream.DECISIONS],
        subject: str,
        *,
        after: int = ...,
        identity: str = ...,
    ) -> None: ...

    def __init__(
        self, log: EventLog, stream: Stream, subject: str, *, after: int = 0, identity: str = ""
    ) -> None:
        self.stream, self.subject = stream, subject
        self.position, self.last = after, Last()
        self.parked = self.gaps = 0
        self.caught_up = asyncio.Event()
        self._log, self._identity = log, identity
        decode = codec.decode_decision if stream is Stream.DECISIONS else codec.decode_observation
        # The overloads say which frames a stream holds.
        self._decode: _Decode[F] = cast("_Decode[F]", decode)
        self._floor = 0  # frames before this sequence are out of our sight
        self._chain: dict[str, Last] = {}
        self._numbers: dict[str, tuple[int, int]] = {}  # epoch and number, by subject
        self._beyond: dict[str, tuple[int, str]] = {}  # number and digest of a frame after a gap
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def reached(self, sequence: int) -> None:
        """Wait until the frame with that sequence, or a later one, was handed over."""
        if self.position < sequence:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((sequence, waiter))
            await waiter

    async def run(self, handler: Callable[[Stored, F], None]) -> None:
        """Hand over what comes, until cancelled. The position moves after the handler returned.

        Raises:
            LogLost: the stream is not ``identity``, ends before our position, or its chain breaks.
            Unavailable: the log could not be reached at the start.
        """
        info = await self._log.info(self.stream)
        if self._identity and info.identity != self._identity:
            raise LogLost(
                f"{self.stream} is {info.identity!r}, not {self._identity!r} as known: another log"
            )
        if info.last < self.position:
            raise LogLost(f"{self.stream} ends at {info.last}, but {self.position} was read before")
        self._floor = max(info.first, self.position + 1)
        after = self.position or max(info.first - 1, 0)  # from the beginning is from the head
        reader = await self._log.read(self.stream, after=after, subject=self.subject)
        try:
            await self._catch_up(reader, handler)
            self.caught_up.set()
            while True:
                self._hand_over(await reader.next(limit=READ_LIMIT), handler)
                await asyncio.sleep(0)
        finally:
            await reader.close()

    async def _catch_up(self, reader: Reader, handler: Callable[[Stored, F], None]) -> None:
        goal = await self._end()
        while self.position < goal:
            messages = await reader.next(limit=READ_LIMIT, timeout_s=LOOK_AGAIN_S)
            self._hand_over(messages, handler)
            await asyncio.sleep(0)
            if not messages:
                with contextlib.suppress(Unavailable):  # the reader waits for the log's return
                    goal = min(goal, await self._end())

    async def _end(self) -> int:
        last = await self._log.last(self.stream, self.subject)
        return last.sequence if last else 0

    def _hand_over(self, messages: list[Stored], handler: Callable[[Stored, F], None]) -> None:
        for stored in messages:
            frame = self._read(stored)
            if self.stream is Stream.DECISIONS:
                self._check(stored, frame if isinstance(frame, DecisionFrame) else None)
            if frame is not None and not self._old(stored, frame):
                handler(stored, frame)
            self.position = stored.sequence
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for sequence, waiter in waiting:
            if sequence > self.position:
                self._waiting.append((sequence, waiter))
            elif not waiter.done():
                waiter.set_result(None)

    def _read(self, stored: Stored) -> F | None:
        try:
            frame, unknown = self._decode(stored.subject, stored.data)
        except BadFrame as error:
            self._park(stored, str(error))
            return None
        for event in unknown:
            self._park(stored, f"unreadable event {event.named}: {event.error}")
        return frame

    def _old(self, stored: Stored, frame: ObservationFrame | DecisionFrame) -> bool:
        """Whether an observation was handed over before. Joins have no epoch yet, nor have people's
        commands and ticks: they always count.
        """
        if isinstance(frame, DecisionFrame) or frame.epoch == 0:
            return False
        if frame.epoch > stored.sequence:
            self._park(stored, f"epoch {frame.epoch} has not begun")
            return True
        now = frame.epoch, frame.number
        epoch, number = self._numbers.get(stored.subject, (0, 0))
        if now <= (epoch, number):
            return True
        if epoch == frame.epoch and frame.number > number + 1:
            return self._skips(stored, frame, number)
        self._numbers[stored.subject] = now
        return False

    def _skips(self, stored: Stored, frame: ObservationFrame, number: int) -> bool:
        """Whether a frame that does not follow ``number`` was handed over before. It counts, but
        the count goes on from it only if a resync begins with it, or the next frame names it: else
        one wrong number would make all that follow look old.
        """
        subject, mark = stored.subject, digest(stored.subject, stored.data)
        before = self._beyond.get(subject)
        if before == (frame.number, mark):
            return True
        resync = bool(frame.events) and isinstance(frame.events[0], ResyncStarted)
        if resync or before == (frame.number - 1, frame.previous):
            self._numbers[subject] = frame.epoch, frame.number
            self._beyond.pop(subject, None)
        else:
            self._beyond[subject] = frame.number, mark
        if before != (frame.number - 1, frame.previous):
            self.gaps += 1
            first, last = number + 1, frame.number - 1
            _logger.error("%s: frames %d to %d are missing", subject, first, last)
        return False

    def _check(self, stored: Stored, frame: DecisionFrame | None) -> None:
        """Follow the chain of a decision's subject; an unreadable frame is a link all the same."""
        known = self._chain.get(stored.subject)
        if frame is not None:
            if known is None and frame.last.sequence >= self._floor:
                raise LogLost(f"{stored.subject}: decision {frame.last.sequence} is missing")
            if known is not None and frame.last != known:
                raise LogLost(
                    f"{stored.subject}: decision {stored.sequence} follows {frame.last.sequence} "
                    f"({frame.last.digest}), the log has {known.sequence} ({known.digest})"
                )
        self.last = Last(sequence=stored.sequence, digest=digest(stored.subject, stored.data))
        self._chain[stored.subject] = self.last

    def _park(self, stored: Stored, why: str) -> None:
        self.parked += 1
        _logger.error("parked %s %s (%s): %s", self.stream, stored.sequence, stored.subject, why)
