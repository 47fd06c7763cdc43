"""Everything that happened to one pod, with the time between steps, and how long each stage took.

The webhook writes nothing to the log: it must answer even when NATS does not. So a pod's history
begins with its creationTimestamp, which is the API server's clock and counts whole seconds; all
other times are those of the server that stored the event.

    gated → waiting → placing → starting → running → ending → ended → ending → over
               ↑_________|_________|  a delegate that was refused, or found no node
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from mcs.errors import BadName
from mcs.events.decisions import (
    PlacementWithdrawn,
    PodPlaced,
    ProxyEvicted,
    ProxyReleased,
)
from mcs.events.observations import (
    DelegateGone,
    DelegateObserved,
    DelegateRejected,
    End,
    Phase,
    ProxyDeleted,
    ProxyGone,
    ProxyObserved,
)
from mcs.names import split_placement
from mcs.views.lines import Line
from mcs.views.naming import Proxied


class Stage(StrEnum):
    """What a pod's time is spent on."""

    GATED = "gated"  # it has not arrived: its scheduling gates are closed
    WAITING = "waiting"  # for a cluster
    PLACING = "placing"  # from the decision to the first sight of the delegate
    STARTING = "starting"  # from there until it runs
    RUNNING = "running"
    ENDING = "ending"  # from the end, or the wish for it, until everybody knows
    ENDED = "ended"  # it shows its end, and is kept until somebody deletes it
    OVER = "over"  # it is gone


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One event; ``after_s`` since the step before it. ``attempt`` 0: of none; ``line`` None: the
    pod's creation, which is no event. ``stage``: that which begins, or goes on, with it.
    """

    time_ns: int
    after_s: float
    attempt: int
    stage: Stage
    line: Line | None = None


class PodHistory(msgspec.Struct, frozen=True, kw_only=True):
    """One pod from its creation to its end, or to the moment ``until_ns``. Seconds by stage in
    ``stages``. ``skew_s``: how much later its API server's clock says that it was created than the
    log's says that it was seen (0 when in order).
    """

    named: Proxied
    uid: str
    steps: tuple[Step, ...]
    stages: dict[Stage, float]
    until_ns: int
    skew_s: float = 0.0

    @property
    def attempts(self) -> int:
        """How many placements it had."""
        return max((step.attempt for step in self.steps), default=0)

    @property
    def over(self) -> bool:
        """Whether it is gone."""
        return bool(self.steps) and self.steps[-1].stage is Stage.OVER

    @property
    def total_s(self) -> float:
        """From the first step to the last, or to the moment asked about."""
        return sum(self.stages.values())


def history_of(uid: str, named: Proxied, lines: Sequence[Line], until_ns: int) -> PodHistory:
    """The history of ``uid``, picked from many lines in the order of time."""
    own = [line for line in lines if line.uid == uid]
    first_ns = own[0].time_ns if own else until_ns
    created_ns = _created_ns(own)
    teller = _Stages()
    steps: list[Step] = []
    if created_ns:
        steps.append(Step(time_ns=created_ns, after_s=0.0, attempt=0, stage=Stage.WAITING))
    stages: dict[Stage, float] = {}
    stage, last_ns = Stage.WAITING, min(created_ns or first_ns, first_ns)
    for line in own:
        after_s = max(0.0, (line.time_ns - last_ns) / 1e9)
        stages[stage] = stages.get(stage, 0.0) + after_s
        stage, last_ns = teller.take(line), max(last_ns, line.time_ns)
        step = Step(
            time_ns=line.time_ns, after_s=after_s, attempt=_attempt(line), stage=stage, line=line
        )
        steps.append(step)
    if stage is not Stage.OVER:
        stages[stage] = stages.get(stage, 0.0) + max(0.0, (until_ns - last_ns) / 1e9)
    return PodHistory(
        named=named,
        uid=uid,
        steps=tuple(steps),
        stages={each: stages[each] for each in Stage if each in stages},
        until_ns=until_ns,
        skew_s=max(0.0, (created_ns - first_ns) / 1e9),
    )


class _Stages:
    """Follows one pod's events; ``attempt`` is its newest placement."""

    def __init__(self) -> None:
        self.stage = Stage.WAITING
        self._attempt = 0
        self._elsewhere = False  # withdrawn only to be tried elsewhere

    def take(self, line: Line) -> Stage:
        """The stage after one more event."""
        event = line.event
        match event:
            case ProxyObserved():
                self._observe(event)
            case PodPlaced():
                self.stage, self._attempt = Stage.PLACING, _attempt(line)
                self._elsewhere = False
            case PlacementWithdrawn(unbound_only=True):
                self._elsewhere = True
            case PlacementWithdrawn() | ProxyDeleted() | ProxyEvicted() | ProxyReleased():
                self.stage = Stage.ENDING
            case DelegateObserved() | DelegateRejected() | DelegateGone():
                if _attempt(line) == self._attempt:
                    self._delegate(event)
            case ProxyGone():
                self.stage = Stage.OVER
            case _:
                pass  # a deferral, or a person's command: it goes on as it is
        return self.stage

    def _observe(self, event: ProxyObserved) -> None:
        if event.ended:
            self.stage = Stage.ENDED if self.stage is not Stage.OVER else self.stage
        elif self.stage in {Stage.WAITING, Stage.GATED}:
            self.stage = Stage.GATED if event.gates else Stage.WAITING

    def _delegate(self, event: DelegateObserved | DelegateRejected | DelegateGone) -> None:
        if self.stage in {Stage.ENDING, Stage.ENDED, Stage.OVER}:
            return
        match event:
            case DelegateRejected():
                self.stage = Stage.WAITING
            case DelegateGone():
                again = self._elsewhere or event.end is End.NEVER_CREATED
                self.stage = Stage.WAITING if again else Stage.ENDING
            case DelegateObserved() if event.phase.ended:
                self.stage = Stage.ENDING
            case DelegateObserved() if event.deleting:
                self.stage = self.stage if self._elsewhere else Stage.ENDING
            case DelegateObserved():
                running = event.phase is Phase.RUNNING
                self.stage = Stage.RUNNING if running else Stage.STARTING


def _attempt(line: Line) -> int:
    placement = getattr(line.event, "placement", "")
    try:
        return split_placement(placement)[1] if placement else 0
    except BadName:
        return 0


def _created_ns(lines: Sequence[Line]) -> int:
    """The pod's creationTimestamp (Unix, nanoseconds), 0 if nobody said it."""
    for line in lines:
        if isinstance(line.event, ProxyObserved) and line.event.created:
            try:
                moment = datetime.fromisoformat(line.event.created)
            except ValueError:
                return 0
            return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * (
                1_000_000_000
            )
    return 0
