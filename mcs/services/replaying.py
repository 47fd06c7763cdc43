"""Plays history as it happened: every message at its own time, faster or slower.

Events are told in the order of the server's time, and the state is folded in the order of history:
an observation is folded when it comes, unless the next cycle was decided without it; then it waits
for that cycle. So at any moment of the play the state is one that the scheduler had.

    wind    fold what lies before the beginning, as fast as it goes
    play    one beat for each message, paced; a long time without news is shortened, and said
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

import msgspec

from mcs.errors import BadFrame
from mcs.events import codec
from mcs.ports import Clock, EventLog, Reader, Stored, Stream
from mcs.projections.state import State
from mcs.services.history import History
from mcs.services.reading import Ends, Told, chronicle
from mcs.views.lines import Line, Teller

_LOOK_S: Final = 1.0
_PAGE: Final = 100
_HELD_MOST: Final = 10_000  # messages without news that are looked through for the next news
_BREATH_S: Final = 0.05  # so often others may run, also when the play is late


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How to play. ``speed``: seconds of history in a real one; ``pause_s``: the most real seconds
    that pass without news.
    """

    speed: float = 1.0
    pause_s: float = 2.0
    since_ns: int = 0


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """One message at its time, and its lines. ``shortened_s``: seconds of history without news
    before it that took only ``pause_s``.
    """

    stored: Stored
    lines: tuple[Line, ...]
    shortened_s: float = 0.0


class Player:
    """Plays a log between two moments: from ``pace.since_ns``, where ``start`` lies, to ``ends``.

    ``state`` may be read between beats.
    """

    def __init__(self, log: EventLog, clock: Clock, pace: Pace, *, start: Ends, ends: Ends) -> None:
        self.state = State()
        self.now_ns = pace.since_ns
        self._log, self._clock, self._pace = log, clock, pace
        self._start, self._ends = start, ends
        self._history = History(log, self.state)
        self._due_s = self._rested_s = 0.0
        self._played = 0
        self._ahead: deque[tuple[int, int]] = (
            deque()
        )  # decisions to come, and what each is based on

    async def wind(self, told: Told) -> None:
        """Fold what lies before the beginning. Raises LogLost, Unavailable."""
        await self._history.open()
        state, start = self.state, self._start
        while state.decided.sequence < start.decisions:
            await self._history.follow(timeout_s=_LOOK_S, upto=start.decisions)
            told(state.decided.sequence + state.observed.sequence, start.total)

    async def play(self) -> AsyncGenerator[Beat, None]:
        """The messages, one beat each, to the end; then the rest is folded.

        Raises:
            LogLost, Unavailable.
        """
        teller = Teller()
        held: list[Beat] = []
        self._due_s = self._rested_s = self._clock.monotonic()
        decisions = await self._log.read(Stream.DECISIONS, after=self.state.decided.sequence)
        try:
            messages = chronicle(self._log, self._ends, since_ns=self._pace.since_ns)
            async with aclosing(messages):
                async for stored in messages:
                    lines = tuple(teller.lines(stored))
                    if stored.time_ns < self._pace.since_ns:
                        continue  # read for its names
                    held.append(Beat(stored=stored, lines=lines))
                    if any(not line.quiet for line in lines) or len(held) >= _HELD_MOST:
                        async for beat in self._release(held, decisions):
                            yield beat
                        held.clear()
            async for beat in self._release(held, decisions):
                yield beat
            await self._history.observe_to(self._ends.observations)
        finally:
            await decisions.close()
            await self._history.close()

    async def _release(self, held: Sequence[Beat], decisions: Reader) -> AsyncGenerator[Beat, None]:
        """Let messages pass, the last of which is news, in the time that is due to them."""
        if not held:
            return
        begun_ns = self.now_ns or held[0].stored.time_ns
        whole_s = max(0, held[-1].stored.time_ns - begun_ns) / 1e9
        real_s = min(whole_s / self._pace.speed, self._pace.pause_s)
        shortened = whole_s / self._pace.speed > self._pace.pause_s
        scale = real_s / whole_s if whole_s else 0.0
        begun_s = self._due_s
        for number, beat in enumerate(held):
            passed_s = max(0, beat.stored.time_ns - begun_ns) / 1e9
            await self._wait(begun_s + passed_s * scale)
            self.now_ns = max(self.now_ns, beat.stored.time_ns)
            await self._fold(beat.stored, decisions)
            if shortened and number == len(held) - 1:
                yield msgspec.structs.replace(beat, shortened_s=whole_s)
            else:
                yield beat

    async def _wait(self, due_s: float) -> None:
        """Wait for a moment; when it has passed, take a breath now and then."""
        self._due_s = due_s
        now_s = self._clock.monotonic()
        if due_s > now_s or now_s - self._rested_s > _BREATH_S:
            await self._clock.sleep(max(0.0, due_s - now_s))
            self._rested_s = self._clock.monotonic()

    async def _fold(self, stored: Stored, decisions: Reader) -> None:
        """Bring the state to a message, as far as history has come by then."""
        if stored.subject.startswith("mcs.dec."):
            while self.state.decided.sequence < stored.sequence:
                await self._history.follow(timeout_s=_LOOK_S, upto=stored.sequence)
        upto = min(self._seen(stored), await self._horizon(decisions))
        if upto > self.state.observed.sequence:
            await self._history.observe_to(upto)

    def _seen(self, stored: Stored) -> int:
        """The last observation that was played."""
        if not stored.subject.startswith("mcs.dec."):
            self._played = stored.sequence
        return self._played

    async def _horizon(self, decisions: Reader) -> int:
        """The last observation that may be folded before the next cycle."""
        while self._ahead and self._ahead[0][0] <= self.state.decided.sequence:
            self._ahead.popleft()
        if not self._ahead and self.state.decided.sequence < self._ends.decisions:
            for stored in await decisions.next(limit=_PAGE):
                if stored.sequence <= self._ends.decisions:
                    self._ahead.append((stored.sequence, _based_on(stored)))
        return self._ahead[0][1] if self._ahead else self._ends.observations


def _based_on(stored: Stored) -> int:
    try:
        return codec.decode_decision(stored.subject, stored.data)[0].based_on
    except BadFrame:
        return 0  # nothing is folded before it any more: whoever folds it will say so
