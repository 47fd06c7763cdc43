"""A member's ledger, for acting: the placements that concern it, folded from two filtered reads.

A target reads the decisions for it and its own delegate observations, a source the decisions about
its proxies and what all targets say of their delegates. The two streams have no common order here;
the ledger's folds commute. Listeners hear of every event after it was folded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from mcs.events import Decision, Observation, subjects
from mcs.events.decisions import PlacementWithdrawn, PodPlaced, ProxyReleased
from mcs.events.event import Last
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.events.observations import DelegateGone, DelegateObserved, DelegateRejected
from mcs.ports import EventLog, Stored, Stream
from mcs.projections.ledger import Ledger, Placement
from mcs.services.follower import Follower

Listener = Callable[[Stored, Decision | Observation, Placement | None], None]
"""Called after an event was folded, with the placement it changed, if any. It must not block."""

Identities = dict[Stream, str]
"""Identity of each stream, as known from before; a log of another identity is not acted upon."""


class FollowedLedger:
    """One side's ledger, kept by ``run``."""

    def __init__(
        self,
        decisions: Follower[DecisionFrame],
        observations: Follower[ObservationFrame],
        *,
        manifests: bool,
    ) -> None:
        self.ledger = Ledger()
        self._manifests = manifests  # only who creates keeps them: they are most of the log
        self.decisions, self.observations = decisions, observations
        self._listeners: list[Listener] = []

    @classmethod
    def of_target(
        cls, log: EventLog, cluster: str, *, identities: Identities | None = None
    ) -> FollowedLedger:
        """What ``cluster`` is to run."""
        spoken = subjects.observation(cluster, subjects.delegate_channel("*"))
        decided = subjects.decision(cluster, "*")
        return cls._over(log, decided, spoken, identities or {}, manifests=True)

    @classmethod
    def of_source(
        cls, log: EventLog, cluster: str, *, identities: Identities | None = None
    ) -> FollowedLedger:
        """What becomes of the proxies of ``cluster``."""
        spoken = subjects.observation("*", subjects.delegate_channel(cluster))
        decided = subjects.decision("*", cluster)
        return cls._over(log, decided, spoken, identities or {}, manifests=False)

    @classmethod
    def _over(
        cls, log: EventLog, decided: str, spoken: str, known: Identities, *, manifests: bool
    ) -> FollowedLedger:
        decisions = Follower(
            log, Stream.DECISIONS, decided, identity=known.get(Stream.DECISIONS, "")
        )
        observations = Follower(
            log, Stream.OBSERVATIONS, spoken, identity=known.get(Stream.OBSERVATIONS, "")
        )
        return cls(decisions, observations, manifests=manifests)

    @property
    def last(self) -> Last:
        """The last decision read."""
        return self.decisions.last

    @property
    def whole(self) -> bool:
        """Whether both reads have reached what the log held when they began."""
        return self.decisions.caught_up.is_set() and self.observations.caught_up.is_set()

    def subscribe(self, listener: Listener) -> None:
        """Tell ``listener`` of every event from now on, placements' and others."""
        self._listeners.append(listener)

    async def caught_up(self) -> None:
        """Wait until the ledger is ``whole``."""
        await self.decisions.caught_up.wait()
        await self.observations.caught_up.wait()

    async def run(self) -> None:
        """Read and fold, until cancelled.

        Raises (in an exception group):
            LogLost: as ``Follower.run``.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.decisions.run(self._decide))
            tasks.create_task(self.observations.run(self._observe))

    def _decide(self, stored: Stored, frame: DecisionFrame) -> None:
        for event in frame.events:
            match event:
                case PodPlaced() if not self._manifests:
                    slim = msgspec.structs.replace(event, manifest="")
                    placement = self.ledger.apply(slim, sequence=stored.sequence)
                case PodPlaced() | PlacementWithdrawn() | ProxyReleased():
                    placement = self.ledger.apply(event, sequence=stored.sequence)
                case _:
                    placement = None
            self._tell(stored, event, placement)

    def _observe(self, stored: Stored, frame: ObservationFrame) -> None:
        for event in frame.events:
            match event:
                case DelegateObserved() | DelegateRejected() | DelegateGone():
                    placement = self.ledger.apply(event)
                case _:
                    placement = None  # a resync's marks
            self._tell(stored, event, placement)

    def _tell(
        self, stored: Stored, event: Decision | Observation, placement: Placement | None
    ) -> None:
        for listener in self._listeners:
            listener(stored, event, placement)
