"""Which clusters the scheduler says are lost, recovered or removed: ``mcs.dec._._``, folded.

What it says counts only at the log's end: half a history would take a cluster for lost that came
back long ago. So readers wait for ``caught_up``, and then hear of each change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mcs.events import subjects
from mcs.events.decisions import ClusterLost, ClusterRecovered, ClusterRemoved
from mcs.events.event import Part
from mcs.events.frames import DecisionFrame
from mcs.ports import EventLog, Stored, Stream
from mcs.services.follower import Follower

Listener = Callable[[str], None]
"""Called with the name of a cluster whose standing changed. It must not block."""


class Removal(Part, frozen=True, kw_only=True):
    """A cluster was removed by decision ``sequence``, which had read observations up to
    ``based_on``: a join after that is a new life.
    """

    sequence: int
    based_on: int


class Standing:
    """``lost``: clusters that are lost now. ``removed``: the newest removal of each cluster."""

    def __init__(self, log: EventLog, *, identity: str = "") -> None:
        self.lost: set[str] = set()
        self.removed: dict[str, Removal] = {}
        self._follower = Follower(log, Stream.DECISIONS, subjects.EVERYBODY, identity=identity)
        self._listeners: list[Listener] = []

    @property
    def caught_up(self) -> asyncio.Event:
        """Set once all that the log held at the beginning was folded."""
        return self._follower.caught_up

    def subscribe(self, listener: Listener) -> None:
        """Tell ``listener`` of every change from now on."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Read and fold, until cancelled. Raises LogLost, as ``Follower.run``."""
        await self._follower.run(self._decide)

    def _decide(self, stored: Stored, frame: DecisionFrame) -> None:
        for event in frame.events:
            match event:
                case ClusterLost():
                    self.lost.add(event.cluster)
                case ClusterRecovered():
                    self.lost.discard(event.cluster)
                case ClusterRemoved():
                    self.lost.discard(event.cluster)
                    self.removed[event.cluster] = Removal(
                        sequence=stored.sequence, based_on=frame.based_on
                    )
                case _:
                    continue  # claims, marks, policies
            for listener in self._listeners:
                listener(event.cluster)
