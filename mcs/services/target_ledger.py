"""What the log says of the delegates of this cluster: who an observer must speak to, and of what.

It reads the decisions for this cluster and the cluster's own words about its delegates. The two
streams have no common order here; the ledger's folds commute. Manifests are left out: an observer
creates nothing.
"""

from __future__ import annotations

import asyncio

import msgspec

from mcs.events import subjects
from mcs.events.decisions import PlacementWithdrawn, PodPlaced, ProxyReleased
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.events.observations import DelegateGone, DelegateObserved, DelegateRejected
from mcs.ports import EventLog, Stored, Stream
from mcs.projections.ledger import Intent, Ledger, Placement
from mcs.services.follower import Follower


class TargetLedger:
    """The ledger of ``cluster`` as a target; ``run`` keeps it.

    ``sources``: all sources that ever had a placement here. ``spoken_to``: which source a delegate
    was observed for, of placements whose decision was not read (yet).
    """

    def __init__(
        self, log: EventLog, cluster: str, *, identities: dict[Stream, str] | None = None
    ) -> None:
        self.ledger = Ledger()
        self.sources: set[str] = set()
        self.spoken_to: dict[str, str] = {}
        known = identities or {}
        self.decisions = Follower(
            log,
            Stream.DECISIONS,
            subjects.decision(cluster, "*"),
            identity=known.get(Stream.DECISIONS, ""),
        )
        self.observations = Follower(
            log,
            Stream.OBSERVATIONS,
            subjects.observation(cluster, subjects.delegate_channel("*")),
            identity=known.get(Stream.OBSERVATIONS, ""),
        )

    async def caught_up(self) -> None:
        """Wait until both reads have reached what the log held when they began."""
        await self.decisions.caught_up.wait()
        await self.observations.caught_up.wait()

    async def run(self) -> None:
        """Read and fold, until cancelled.

        Raises (in an exception group): as ``Follower.run``.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.decisions.run(self._decide))
            tasks.create_task(self.observations.run(self._observe))

    def _decide(self, stored: Stored, frame: DecisionFrame) -> None:
        for event in frame.events:
            match event:
                case PodPlaced():
                    slim = msgspec.structs.replace(event, manifest="")
                    placement = self.ledger.apply(slim, sequence=stored.sequence)
                case PlacementWithdrawn() | ProxyReleased():
                    placement = self.ledger.apply(event)
                case _:
                    continue  # concerns sources, or nobody's delegates
            self.sources.add(event.source)
            self.spoken_to.pop(event.placement, None)
            self._forget(placement)

    def _observe(self, _: Stored, frame: ObservationFrame) -> None:
        source = subjects.delegate_source(frame.channel) or ""
        self.sources.add(source)
        for event in frame.events:
            match event:
                case DelegateObserved() | DelegateRejected() | DelegateGone():
                    placement = self.ledger.apply(event)
                case _:
                    continue  # a resync's marks
            if placement is not None and not placement.source:
                self.spoken_to[placement.id] = source
            self._forget(placement)

    def _forget(self, placement: Placement | None) -> None:
        """Drop what is over and let go: nothing will be said of it again."""
        if placement is None or placement.intent is not Intent.RELEASED:
            return
        if all(each.stage.over for each in self.ledger.of(placement.uid)):
            self.ledger.forget(placement.uid)
