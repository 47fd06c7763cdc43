"""A member's ledger: the placements that concern it, folded from two filtered reads of the log.

A target reads the decisions for it and its own delegate observations, a source the decisions about
its proxies and what all targets say of their delegates. The two streams have no common order here;
the ledger's folds commute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mcs.events import subjects
from mcs.events.decisions import (
    Decision,
    PlacementWithdrawn,
    PodPlaced,
    ProxyReleased,
)
from mcs.events.event import Last
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.events.observations import DelegateGone, DelegateObserved, DelegateRejected, Observation
from mcs.ports import EventLog, Stored, Stream
from mcs.projections.ledger import Ledger, Placement
from mcs.services.follower import Follower

Listener = Callable[[Stored, Decision | Observation, Placement | None], None]
"""Called after an event was folded, with the placement it changed, if any. It must not block."""

_DECISIONS = (PodPlaced, PlacementWithdrawn, ProxyReleased)
_OBSERVATIONS = (DelegateObserved, DelegateRejected, DelegateGone)


class Ledgers:
    """One side's ledger, kept by ``run``.

    ``sources``: which source a delegate was observed for, of placements whose decision was not
    read (yet).
    """

    def __init__(
        self,
        decisions: Follower[DecisionFrame],
        observations: Follower[ObservationFrame],
    ) -> None:
        self.ledger = Ledger()
        self.sources: dict[str, str] = {}
        self.decisions, self.observations = decisions, observations
        self._listeners: list[Listener] = []

    @classmethod
    def of_target(
        cls, log: EventLog, cluster: str, *, observations: str = "", decisions: str = ""
    ) -> Ledgers:
        """What ``cluster`` is to run; ``observations`` and ``decisions`` are stream identities."""
        return cls(
            Follower(log, Stream.DECISIONS, f"mcs.dec.{cluster}.*", identity=decisions),
            Follower(
                log,
                Stream.OBSERVATIONS,
                subjects.observation(cluster, subjects.delegate_channel("*")),
                identity=observations,
            ),
        )

    @classmethod
    def of_source(
        cls, log: EventLog, cluster: str, *, observations: str = "", decisions: str = ""
    ) -> Ledgers:
        """What becomes of the proxies of ``cluster``; arguments as in ``of_target``."""
        return cls(
            Follower(log, Stream.DECISIONS, f"mcs.dec.*.{cluster}", identity=decisions),
            Follower(
                log,
                Stream.OBSERVATIONS,
                subjects.observation("*", subjects.delegate_channel(cluster)),
                identity=observations,
            ),
        )

    @property
    def last(self) -> Last:
        """The last decision read."""
        return self.decisions.last

    def subscribe(self, listener: Listener) -> None:
        """Tell ``listener`` of every event from now on, placements' and others."""
        self._listeners.append(listener)

    async def caught_up(self) -> None:
        """Wait until both reads have reached what the log held when they began."""
        await self.decisions.caught_up.wait()
        await self.observations.caught_up.wait()

    async def run(self) -> None:
        """Read and fold, until cancelled.

        Raises:
            LogLost: as ``Follower.run``.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.decisions.run(self._decide))
            tasks.create_task(self.observations.run(self._observe))

    def _decide(self, stored: Stored, frame: DecisionFrame) -> None:
        for event in frame.events:
            placement = None
            if isinstance(event, _DECISIONS):
                placement = self.ledger.apply(event, sequence=stored.sequence)
                self.sources.pop(event.placement, None)
            self._tell(stored, event, placement)

    def _observe(self, stored: Stored, frame: ObservationFrame) -> None:
        for event in frame.events:
            placement = None
            if isinstance(event, _OBSERVATIONS):
                placement = self.ledger.apply(event)
                if placement is not None and not placement.source:
                    self.sources[placement.id] = subjects.delegate_source(frame.channel) or ""
            self._tell(stored, event, placement)

    def _tell(
        self, stored: Stored, event: Decision | Observation, placement: Placement | None
    ) -> None:
        for listener in self._listeners:
            listener(stored, event, placement)
