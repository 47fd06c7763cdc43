"""A scheduler's state without its log and its loop: fold, decide, frame, fold what was decided.

Each part is timed by itself, by the clock that the bench gives: the processor's where only work
counts, the wall's where pauses do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from mcs.decisions.framing import frame_cycle
from mcs.decisions.scheduling import schedule
from mcs.events.decisions import (
    CycleMarked,
    Decision,
    PodDeferred,
    PodPlaced,
    Policy,
    PolicyActivated,
    SchedulerClaimed,
)
from mcs.events.frames import SCHEMA, DecisionFrame
from mcs.names import Keys
from mcs.ports import Stored
from mcs.projections.state import RULES, State


class Cycle(NamedTuple):
    """What one cycle decided, and seconds of each part."""

    events: tuple[Decision, ...]
    schedule_s: float
    frame_s: float
    fold_s: float

    @property
    def whole_s(self) -> float:
        """All of it."""
        return self.schedule_s + self.frame_s + self.fold_s

    @property
    def placed(self) -> list[PodPlaced]:
        """The placements among the events."""
        return [event for event in self.events if isinstance(event, PodPlaced)]

    @property
    def deferred(self) -> int:
        """How many pods were told why they wait."""
        return sum(isinstance(event, PodDeferred) for event in self.events)


class Core:
    """A state with a policy, as the active scheduler has it."""

    def __init__(
        self, policy: Policy | None = None, *, clock: Callable[[], float] = time.process_time
    ) -> None:
        self.state, self.keys = State(), Keys()
        self._clock = clock
        self.written: list[tuple[Stored, DecisionFrame]] = []
        activated = PolicyActivated(
            rules=RULES, schema=SCHEMA, version="bench", policy=policy or Policy()
        )
        self._append((SchedulerClaimed(reign=1, id="bench"), activated))

    def take(self, stored: Stored) -> None:
        """Fold a message of OBSERVATIONS."""
        self.state.observe(stored.sequence, stored.subject, stored.time_ns, stored.data)

    def cycle(self) -> Cycle:
        """One cycle, folded. ``written``: its messages, until the next one."""
        began = self._clock()
        events = schedule(self.state, self.keys)
        scheduled_s = self._clock() - began
        return Cycle(events, scheduled_s, *self._append(events or (CycleMarked(),)))

    def settle(self) -> list[Cycle]:
        """Cycles until nothing is decided any more; the last one is not among them."""
        cycles = []
        while (cycle := self.cycle()).events:
            cycles.append(cycle)
        return cycles

    def _append(self, events: tuple[Decision, ...]) -> tuple[float, float]:
        began = self._clock()
        cycle = frame_cycle(self.state, max(1, self.state.reign), events)
        framed = self._clock()
        self.written = []
        pairs = zip(cycle.frames, cycle.messages, strict=True)
        for sequence, (frame, (subject, data)) in enumerate(pairs, cycle.after + 1):
            self.state.decide(sequence, subject, data, frame)
            self.written.append((Stored(sequence, subject, self.state.now_ns, data), frame))
        return framed - began, self._clock() - framed
