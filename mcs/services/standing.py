"""What the scheduler says to everybody: ``mcs.dec._._``, folded. Which clusters are lost, recovered
or removed, and what agents may write.

What it says counts only at the log's end: half a history would take a cluster for lost that came
back long ago. So readers wait for ``caught_up``, and then hear of each change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from mcs.events import subjects
from mcs.events.decisions import ClusterLost, ClusterRecovered, ClusterRemoved, PolicyActivated
from mcs.events.event import Part
from mcs.events.frames import SCHEMA, DecisionFrame
from mcs.ports import EventLog, Stored, Stream
from mcs.services.follower import Follower

_logger = logging.getLogger(__name__)

Listener = Callable[[str], None]
"""Called with the name of a cluster whose standing changed. It must not block."""


class Removal(Part, frozen=True, kw_only=True):
    """A cluster was removed by decision ``sequence``, which had read observations up to
    ``based_on``: a join after that is a new life.
    """

    sequence: int
    based_on: int


class Standing:
    """``lost``: clusters that are lost now. ``removed``: the newest removal of each cluster.
    ``schema``: what agents may write; 0 before any scheduler said so.
    """

    def __init__(self, log: EventLog, *, identity: str = "") -> None:
        self.lost: set[str] = set()
        self.removed: dict[str, Removal] = {}
        self.schema = 0
        self._speak: Callable[[int], None] | None = None
        self._follower = Follower(log, Stream.DECISIONS, subjects.EVERYBODY, identity=identity)
        self._listeners: list[Listener] = []

    @property
    def caught_up(self) -> asyncio.Event:
        """Set once all that the log held at the beginning was folded."""
        return self._follower.caught_up

    def subscribe(self, listener: Listener) -> None:
        """Tell ``listener`` of every change from now on."""
        self._listeners.append(listener)

    def subscribe_schema(self, speak: Callable[[int], None]) -> None:
        """Tell ``speak`` of each schema that is activated, at most of this version's own."""
        self._speak = speak

    async def run(self) -> None:
        """Read and fold, until cancelled. Raises LogLost, as ``Follower.run``."""
        judging = asyncio.create_task(self._judge_at_first())
        try:
            await self._follower.run(self._decide)
        finally:
            judging.cancel()

    async def _judge_at_first(self) -> None:
        await self.caught_up.wait()
        self._judge()

    def _judge(self) -> None:
        """Schedulers are upgraded first; to one that was not, we speak as our predecessors did."""
        if not self.schema:
            return
        if self.schema < SCHEMA:
            _logger.warning(
                "the active scheduler knows events of schema %d, this agent those of schema %d: "
                "it leaves out what is new; upgrade the schedulers",
                self.schema,
                SCHEMA,
            )
        if self._speak is not None:
            self._speak(min(self.schema, SCHEMA))

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
                case PolicyActivated():
                    self.schema = event.schema
                    if self.caught_up.is_set():
                        self._judge()
                    continue
                case _:
                    continue  # claims, marks
            for listener in self._listeners:
                listener(event.cluster)
