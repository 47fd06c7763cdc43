"""A plain account of the log: which frames count, who is placed where, what each node has left.

It recomputes in the slow and obvious way what membership, ledger and inventory keep in clever ones,
so that a defect in those is found here.

I1  At most one placement of a proxy is live, and none is decided twice.
I5  A cycle books on a node no more than is free there, and only on nodes that take pods.
I6  On each channel of an epoch the frames that count are dense, and each counts once.
"""

from __future__ import annotations

from typing import NamedTuple

from mcs.errors import BadName
from mcs.events import subjects
from mcs.events.decisions import ClusterRemoved, Decision, PodPlaced, ProxyReleased
from mcs.events.frames import ObservationFrame
from mcs.events.observations import (
    ClusterJoined,
    DelegateGone,
    DelegateObserved,
    DelegateRejected,
    NodeGone,
    NodeObserved,
    Observation,
    PodGone,
    PodObserved,
    PodsObserved,
    ResyncCompleted,
    ResyncStarted,
)
from mcs.names import split_placement
from mcs.quantities import PODS, Resources
from mcs.simulation.checkers.findings import Findings

MOST_PODS = 110
"""On a node that states no limit (kubelet's ``--max-pods``)."""

Place = tuple[str, str]
"""Cluster and node."""


class Joined(NamedTuple):
    """The join that made a cluster's epoch."""

    epoch: int
    id: str
    uid: str


class Charged(NamedTuple):
    """What a pod, a delegate or a booking takes; ``named``: the account that named it last."""

    place: Place
    requests: Resources
    named: int = 0
    booked: bool = False


class Accounts:
    """Told of each frame in the order of history."""

    def __init__(self, findings: Findings) -> None:
        self.nodes: dict[Place, tuple[NodeObserved, int]] = {}
        self.charges: dict[str, Charged] = {}
        self.live: dict[str, str] = {}  # by proxy uid
        self.placed: dict[str, PodPlaced] = {}  # ever
        self._findings = findings
        self._joined: dict[str, Joined] = {}
        self._removed: set[str] = set()
        self._last: dict[Place, tuple[int, str]] = {}  # by cluster and channel
        self._broken: set[Place] = set()
        self._accounts: dict[Place, int] = {}  # the newest ResyncStarted, by cluster and channel

    @property
    def running(self) -> dict[str, str]:
        """The target of each live placement, by proxy."""
        return {uid: self.placed[placement].target for uid, placement in self.live.items()}

    # -- observations --------------------------------------------------------------------------

    def admits(self, frame: ObservationFrame, sequence: int, digest: str) -> bool:
        """Whether a cluster's frame counts."""
        source, first = frame.source, frame.events[0] if frame.events else None
        if isinstance(first, ClusterJoined) and frame.channel == subjects.CLUSTER:
            return self._joins(source, first, sequence, digest)
        joined = self._joined.get(source)
        if joined is None or source in self._removed or frame.epoch != joined.epoch:
            return False
        key = (source, frame.channel)
        number, before = self._last.get(key, (-1, ""))
        if frame.number <= number:
            return False
        follows = frame.number == number + 1 and frame.previous == before
        if isinstance(first, ResyncStarted):
            counts = follows or key in self._broken
        else:
            counts = follows and key in self._last and key not in self._broken
        if not counts:
            self._broken.add(key)
            return False
        self._broken.discard(key)
        self._last[key] = (frame.number, digest)
        return True

    def observe(self, frame: ObservationFrame, sequence: int) -> None:
        """Take a frame that counts."""
        for event in frame.events:
            self._observe(frame.source, frame.channel, event, sequence)

    def _joins(self, source: str, join: ClusterJoined, sequence: int, digest: str) -> bool:
        known = self._joined.get(source) if source not in self._removed else None
        if known is not None and (known.id == join.id or known.uid != join.uid):
            return False
        self._removed.discard(source)
        self._joined[source] = Joined(sequence, join.id, join.uid)
        for key in [key for key in self._last if key[0] == source]:
            del self._last[key]
        self._broken = {key for key in self._broken if key[0] != source}
        self._accounts = {key: at for key, at in self._accounts.items() if key[0] != source}
        self._last[source, subjects.CLUSTER] = (0, digest)
        return True

    def _observe(self, source: str, channel: str, event: Observation, sequence: int) -> None:
        named = self._accounts.get((source, channel), 0)
        match event:
            case ResyncStarted():
                self._accounts[source, channel] = sequence
            case ResyncCompleted(started=started):
                # The agent may know of a later copy of the frame that began the account.
                if channel == subjects.CAPACITY and started >= named:
                    self._sweep(source, named)
            case NodeObserved():
                self.nodes[source, event.name] = (event, named)
            case NodeGone():
                self.nodes.pop((source, event.name), None)
            case PodObserved():
                place = (source, event.node)
                self.charges[f"{source}/{event.uid}"] = Charged(place, event.requests, named)
            case PodsObserved() if event.fits:
                for pod in event.each():
                    self._observe(source, channel, pod, sequence)
            case PodGone():
                self.charges.pop(f"{source}/{event.uid}", None)
            case DelegateObserved() | DelegateRejected() | DelegateGone():
                self._delegate(source, channel, event)
            case _:
                pass  # takes no room and gives none

    def _sweep(self, source: str, started: int) -> None:
        """What a whole account did not name is gone."""
        for place in [p for p, (_, named) in self.nodes.items() if named < started]:
            if place[0] == source:
                del self.nodes[place]
        for key in [key for key, charge in self.charges.items() if charge.named < started]:
            if key.startswith(source + "/"):
                del self.charges[key]

    def _delegate(
        self, source: str, channel: str, event: DelegateObserved | DelegateRejected | DelegateGone
    ) -> None:
        try:
            uid, _ = split_placement(event.placement)
        except BadName:
            return
        placed = self.placed.get(event.placement)
        if placed is not None:
            right = (placed.target, subjects.delegate_channel(placed.source))
            if (source, channel) != right:
                return
        if not isinstance(event, DelegateObserved):
            self.charges.pop(event.placement, None)
            if self.live.get(uid) == event.placement:
                del self.live[uid]
        elif event.phase.ended:
            self.charges.pop(event.placement, None)
        elif event.node:
            self.charges[event.placement] = Charged((source, event.node), event.requests)

    # -- decisions -----------------------------------------------------------------------------

    def decide(self, cycle: int, events: list[Decision]) -> None:
        """Take a whole cycle."""
        for event in events:
            match event:
                case PodPlaced():
                    self._place(cycle, event)
                case ProxyReleased():
                    self._release(event)
                case ClusterRemoved():
                    self._remove(event.cluster)
                case _:
                    pass
        for event in events:
            if isinstance(event, PodPlaced):
                self._check_room(cycle, event)

    def used(self, place: Place) -> Resources:
        """What is charged to a node, added up."""
        total: Resources = {}
        for charge in self.charges.values():
            if charge.place == place:
                for name, amount in (*charge.requests.items(), (PODS, 1)):
                    total[name] = total.get(name, 0) + amount
        return total

    def _place(self, cycle: int, event: PodPlaced) -> None:
        where = f"cycle {cycle} places {event.placement} ({event.namespace}/{event.name})"
        if event.placement in self.placed:
            self._findings.add("I1", f"{where}, which was placed before")
        if live := self.live.get(event.uid):
            target = self.placed[live].target
            self._findings.add("I1", f"{where} in {event.target} while {live} lives in {target}")
        self.placed[event.placement] = event
        self.live[event.uid] = event.placement
        place = (event.target, event.node)
        self.charges[event.placement] = Charged(place, event.requests, booked=True)

    def _release(self, event: ProxyReleased) -> None:
        """What was booked for a delegate that nobody has seen on a node is free again."""
        if self.live.get(event.uid) == event.placement:
            del self.live[event.uid]
        charge = self.charges.get(event.placement)
        if charge is not None and charge.booked:
            del self.charges[event.placement]

    def _check_room(self, cycle: int, event: PodPlaced) -> None:
        place = (event.target, event.node)
        where = f"cycle {cycle} books {event.placement} on {event.target}/{event.node}"
        if place not in self.nodes:
            self._findings.add("I5", f"{where}, which nobody has observed")
            return
        node, _ = self.nodes[place]
        if not node.ready or node.cordoned:
            state = "cordoned" if node.cordoned else "not ready"
            self._findings.add("I5", f"{where}, which is {state}")
        used = self.used(place)
        for name in [PODS, *(name for name, asked in event.requests.items() if asked > 0)]:
            offered = node.allocatable.get(name, MOST_PODS if name == PODS else 0)
            if used[name] > offered:
                text = f"{used[name]} of {offered} {name} are taken then"
                self._findings.add("I5", f"{where}: {text}")

    def _remove(self, cluster: str) -> None:
        self._removed.add(cluster)
        self.nodes = {place: node for place, node in self.nodes.items() if place[0] != cluster}
        self.charges = {
            key: charge for key, charge in self.charges.items() if charge.place[0] != cluster
        }
