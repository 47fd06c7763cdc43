"""The heartbeat of a cluster: that it lives, and all that others show of it."""

from __future__ import annotations

import asyncio
from typing import Final

from mcs.events import subjects
from mcs.events.event import Last
from mcs.events.frames import DecisionFrame
from mcs.events.observations import ClusterHeartbeat
from mcs.ports import Clock
from mcs.services.follower import Follower
from mcs.services.observer import Observer
from mcs.services.publisher import Publisher

FIRST_WAIT_BEATS: Final = 2  # a cluster not looked at yet would be shown as an empty one


class Heartbeats:
    """Beats with what ``observer`` knows; ``everybody`` and the observer's own ledger tell the last
    decision read. ``kubernetes``: the API server's version.
    """

    def __init__(
        self,
        publisher: Publisher,
        observer: Observer,
        everybody: Follower[DecisionFrame],
        *,
        kubernetes: str,
    ) -> None:
        self._publisher, self._observer, self._everybody = publisher, observer, everybody
        self._kubernetes = kubernetes

    async def run(self, clock: Clock, every_s: float) -> None:
        """Beat every ``every_s`` seconds until cancelled, from when all was observed, or soon after
        if that takes long. The next beat waits until the last one is stored.
        """
        waits = [
            asyncio.create_task(self._observer.complete.wait()),
            asyncio.create_task(clock.sleep(FIRST_WAIT_BEATS * every_s)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        while True:
            await self._publisher.publish(subjects.CLUSTER, self.beat())
            await clock.sleep(every_s)

    def beat(self) -> ClusterHeartbeat:
        """A heartbeat of now."""
        summary = self._observer.summary()
        return ClusterHeartbeat(
            totals=summary.totals,
            free=summary.free,
            labels=summary.labels,
            kubernetes=self._kubernetes,
            nodes=summary.nodes,
            pods=summary.pods,
            resyncs=dict(self._observer.resyncs),
            decision=self._last(),
        )

    def _last(self) -> Last:
        """The last decision read."""
        told = self._observer.told
        read = [self._everybody.last, *([told.decisions.last] if told else [])]
        return max(read, key=lambda last: last.sequence)
