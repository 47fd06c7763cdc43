"""Reads the logs for people: both streams merged by the server's time, and states as they were.

A reader for people is bounded: it goes to the end of the logs as it was when it began (``follow``
goes on from there), so a busy log cannot keep a command from ending.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from mcs.errors import LogLost
from mcs.events.frames import DecisionFrame
from mcs.ports import EventLog, Reader, Stored, Stream
from mcs.projections.state import State
from mcs.services.history import History

_PAGE: Final = 1000
_HOLD_S: Final = 0.1  # messages of the two streams that arrive so close are put in order
_LOOK_S: Final = 1.0
_LEARN_FROM: Final = 20_000  # messages before the asked moment that are read for their names


class Ends:
    """Where both logs ended when a command began."""

    def __init__(self, decisions: int, observations: int) -> None:
        self.decisions, self.observations = decisions, observations

    @classmethod
    async def of(cls, log: EventLog) -> Ends:
        """Look now. Raises LogLost when there are no streams, Unavailable."""
        decisions = await log.info(Stream.DECISIONS)  # first: it names observations, not vice versa
        observations = await log.info(Stream.OBSERVATIONS)
        return cls(decisions.last, observations.last)

    def last(self, stream: Stream) -> int:
        """The last sequence of a stream."""
        return self.decisions if stream is Stream.DECISIONS else self.observations

    @property
    def total(self) -> int:
        """Messages of both streams up to here, if their heads are there."""
        return self.decisions + self.observations


class Witness(State):
    """A state that tells ``before_cycle`` of each cycle while it is as the cycle was decided in."""

    def __init__(self, before_cycle: Callable[[State, DecisionFrame], None] | None = None) -> None:
        super().__init__()
        self._before_cycle = before_cycle

    def decide(self, sequence: int, subject: str, data: bytes, frame: DecisionFrame) -> None:
        """See ``State.decide``."""
        if frame.index == 0 and self._before_cycle is not None:
            self._before_cycle(self, frame)
        super().decide(sequence, subject, data, frame)


Told = Callable[[int, int], None]
"""Is told how many messages were folded, of how many."""


async def fold(log: EventLog, state: State, ends: Ends, *, told: Told | None = None) -> None:
    """Bring a state to these ends of both logs, and not beyond; ``told`` learns how far it is.

    Raises:
        LogLost: the logs do not fit together.
        Unavailable: they cannot be read.
    """
    history = History(log, state)
    await history.open()
    try:
        while state.decided.sequence < ends.decisions:
            await history.follow(timeout_s=_LOOK_S, upto=ends.decisions)
            _tell(told, state, ends)
        while (done := state.observed.sequence) < ends.observations:
            await history.observe_to(min(ends.observations, done + _PAGE))
            _tell(told, state, ends)
    finally:
        await history.close()


def _tell(told: Told | None, state: State, ends: Ends) -> None:
    if told is not None:
        told(state.decided.sequence + state.observed.sequence, ends.total)


async def chronicle(
    log: EventLog, ends: Ends, *, since_ns: int = 0, follow: bool = False
) -> AsyncGenerator[Stored, None]:
    """Messages of both streams in the order of the server's time (observations first).

    It begins somewhat before ``since_ns``, so that names are learnt; with ``follow`` it never ends.
    """
    after = {stream: await _start(log, stream, ends, since_ns) for stream in Stream}
    sources = {
        stream: _stretch(await log.read(stream, after=after[stream]), after[stream], ends, stream)
        for stream in Stream
    }
    async with aclosing(sources[Stream.OBSERVATIONS]), aclosing(sources[Stream.DECISIONS]):
        heads = {stream: await anext(source, None) for stream, source in sources.items()}
        while stream := _earliest(heads):
            head = heads[stream]
            assert head is not None
            yield head
            heads[stream] = await anext(sources[stream], None)
    if follow:
        async with aclosing(_news(log, ends)) as news:
            async for stored in news:
                yield stored


async def stored_at(log: EventLog, stream: Stream, sequence: int) -> int:
    """Server time (Unix, nanoseconds) of a message; 0 when it is not there."""
    stored = await log.get(stream, sequence) if sequence else None
    return stored.time_ns if stored is not None else 0


async def newest_ns(log: EventLog, ends: Ends) -> int:
    """Server time (Unix, nanoseconds) of the newest message: "now" of a log that has ended."""
    return max([await stored_at(log, stream, ends.last(stream)) for stream in Stream])


async def _start(log: EventLog, stream: Stream, ends: Ends, since_ns: int) -> int:
    """The sequence after which to read: found by halving, since times only grow."""
    first = (await log.info(stream)).first
    if not since_ns:
        return first - 1
    low, high = first, ends.last(stream) + 1
    while low < high:
        middle = (low + high) // 2
        if await stored_at(log, stream, middle) < since_ns:
            low = middle + 1
        else:
            high = middle
    return max(first - 1, low - 1 - _LEARN_FROM)


async def _stretch(
    reader: Reader, after: int, ends: Ends, stream: Stream
) -> AsyncGenerator[Stored, None]:
    """The messages of one stream up to its end."""
    position = after
    try:
        while position < ends.last(stream):
            page = await reader.next(limit=_PAGE, timeout_s=None)
            for stored in page:
                position = stored.sequence
                if position <= ends.last(stream):
                    yield stored
    finally:
        await reader.close()


def _earliest(heads: dict[Stream, Stored | None]) -> Stream | None:
    here = [(head.time_ns, stream) for stream, head in heads.items() if head is not None]
    return min(here, key=lambda item: (item[0], item[1] is Stream.DECISIONS))[1] if here else None


async def _news(log: EventLog, ends: Ends) -> AsyncGenerator[Stored, None]:
    """What is stored from now on, in order within each short while."""
    arrived: asyncio.Queue[Stored | LogLost] = asyncio.Queue(maxsize=10 * _PAGE)
    readers = [await log.read(stream, after=ends.last(stream)) for stream in Stream]
    pumps = [asyncio.create_task(_pump(reader, arrived)) for reader in readers]
    try:
        while True:
            batch = [await arrived.get()]
            await asyncio.sleep(_HOLD_S)
            while not arrived.empty():
                batch.append(arrived.get_nowait())
            for lost in batch:
                if isinstance(lost, LogLost):
                    raise lost
            messages = [stored for stored in batch if isinstance(stored, Stored)]
            messages.sort(key=lambda stored: (stored.time_ns, stored.subject.startswith("mcs.d")))
            for stored in messages:
                yield stored
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for reader in readers:
            await reader.close()


async def _pump(reader: Reader, arrived: asyncio.Queue[Stored | LogLost]) -> None:
    while True:
        try:
            page = await reader.next(limit=_PAGE)
        except LogLost as error:
            await arrived.put(error)
            return
        for stored in page:
            await arrived.put(stored)
