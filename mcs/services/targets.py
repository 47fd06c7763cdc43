"""The clusters of a federation, as ``mcs.obs.*.cluster`` tells of them: who they are, how large.

A cluster that left in good order is a target all the same: its node stays, nobody is evicted
because an agent is being upgraded. A name belongs to the cluster (uid) that joined under it first,
until that one is removed: a join of another one is probably a wrong kubeconfig.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from mcs.events import subjects
from mcs.events.frames import ObservationFrame
from mcs.events.observations import ClusterHeartbeat, ClusterJoined
from mcs.ports import EventLog, Stored, Stream
from mcs.services.follower import Follower
from mcs.settings import TARGET

Listener = Callable[[str], None]
"""Called with the name of a cluster that joined or beat. It must not block."""


class Epoch(msgspec.Struct):
    """One life of a cluster's agent. Of one whose join lies before the log's head we know no uid,
    and assume that it takes delegates.
    """

    number: int
    uid: str = ""
    runs: bool = True
    heartbeat: ClusterHeartbeat | None = None


class Targets:
    """What is known of each cluster; ``run`` keeps it."""

    def __init__(self, log: EventLog, *, identity: str = "") -> None:
        self._epochs: dict[str, list[Epoch]] = {}
        self._listeners: list[Listener] = []
        self._follower = Follower(
            log,
            Stream.OBSERVATIONS,
            subjects.observation("*", subjects.CLUSTER),
            identity=identity,
        )

    @property
    def caught_up(self) -> asyncio.Event:
        """Set once all that the log held at the beginning was folded."""
        return self._follower.caught_up

    def subscribe(self, listener: Listener) -> None:
        """Tell ``listener`` of every change from now on."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Read and fold, until cancelled. Raises LogLost, as ``Follower.run``."""
        await self._follower.run(self._observe)

    def names(self) -> list[str]:
        """All clusters ever heard of."""
        return sorted(self._epochs)

    def heartbeat(self, name: str, *, since: int = 0) -> ClusterHeartbeat | None:
        """The last heartbeat of a cluster that takes delegates; None for one that does not, or of
        which nothing was heard in an epoch that began after sequence ``since``.
        """
        epochs = [epoch for epoch in self._epochs.get(name, ()) if epoch.number > since]
        uid = next((epoch.uid for epoch in epochs if epoch.uid), "")
        own = [epoch for epoch in epochs if epoch.uid in {"", uid}]
        if not own or not own[-1].runs:
            return None
        return next((epoch.heartbeat for epoch in reversed(own) if epoch.heartbeat), None)

    def _observe(self, stored: Stored, frame: ObservationFrame) -> None:
        for event in frame.events:
            match event:
                case ClusterJoined():
                    self._join(frame.source, stored.sequence, event)
                case ClusterHeartbeat():
                    self._epoch(frame.source, frame.epoch).heartbeat = event
                case _:
                    continue  # leaving, and a resync's marks
            for listener in self._listeners:
                listener(frame.source)

    def _join(self, name: str, sequence: int, join: ClusterJoined) -> None:
        epochs = self._epochs.setdefault(name, [])
        # Only the newest two epochs of a cluster count: its agent may join often.
        older = [epoch for epoch in epochs if epoch.uid == join.uid]
        for epoch in older[1:-1]:
            epochs.remove(epoch)
        epochs.append(Epoch(number=sequence, uid=join.uid, runs=TARGET in join.roles))

    def _epoch(self, name: str, number: int) -> Epoch:
        epochs = self._epochs.setdefault(name, [])
        for epoch in epochs:
            if epoch.number == number:
                return epoch
        late = Epoch(number=number)
        if not epochs or number > epochs[-1].number:
            epochs.append(late)
        return late
