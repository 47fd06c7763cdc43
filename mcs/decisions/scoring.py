"""How good is a cluster for a pod? The score is the number of replicas of it that would fit.

One ``Scores`` serves one cycle: it caches each shape of pod (requests and constraints) against each
cluster, and what the cycle books is counted at once. What earlier bookings cannot have on their
nodes any more, because kube-scheduler filled these otherwise, they will have of other nodes: it is
taken off the cluster's number, or the last pods of a burst would be sent where nothing is left.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from mcs.decisions.fitting import barred, replicas
from mcs.events.constraints import Constraints
from mcs.events.decisions import Fits, Lacks, Never, Verdict
from mcs.projections.inventory import Inventory
from mcs.quantities import PODS, Resources, add


class Fit(msgspec.Struct):
    """How a shape fits a cluster: replicas by eligible node, and why it does not where it does
    not. ``total``: their sum, less what is owed to earlier bookings.
    """

    rooms: dict[str, int]
    total: int
    verdict: Verdict

    @property
    def node(self) -> str:
        """The node to charge a booking to: most replicas, ties to the name. kube-scheduler's
        default (LeastAllocated) leans to the same one.
        """
        return min(self.rooms, key=lambda name: (-self.rooms[name], name))


class Scores:
    """Scores of shapes over an inventory, and the bookings made with them."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._fits: dict[tuple[bytes, str], Fit] = {}
        self._shapes: dict[bytes, tuple[Resources, Constraints]] = {}
        self._booked: dict[tuple[str, str], Resources] = {}

    def fit(self, requests: Resources, constraints: Constraints, cluster: str) -> Fit:
        """How the shape fits the cluster now, bookings of this cycle included."""
        shape = msgspec.json.encode((requests, constraints), order="sorted")
        known = self._fits.get((shape, cluster))
        if known is None:
            self._shapes[shape] = (requests, constraints)
            known = self._fits[shape, cluster] = self._measure(requests, constraints, cluster)
        return known

    def book(self, cluster: str, node: str, requests: Resources) -> None:
        """Charge a pod to a node for the rest of this cycle."""
        before = self._booked.get((cluster, node), {})
        self._booked[cluster, node] = add(add(before, requests), {PODS: 1})
        for (shape, where), fit in self._fits.items():
            if where == cluster and node in fit.rooms:
                asked, constraints = self._shapes[shape]
                room, _ = self._room(asked, cluster, node)
                fit.total += room - fit.rooms[node]
                fit.rooms[node] = room
                if fit.total <= 0:
                    fit.verdict = self._measure(asked, constraints, cluster).verdict

    def used(self, cluster: str, node: str) -> Resources:
        """What the node is charged with, this cycle's bookings included."""
        booked = self._booked.get((cluster, node))
        used = self._inventory.used(cluster, node)
        return add(used, booked) if booked else used

    def _measure(self, requests: Resources, constraints: Constraints, cluster: str) -> Fit:
        rooms: dict[str, int] = {}
        bars: Counter[str] = Counter()
        limits: Counter[str] = Counter()
        nodes = self._inventory.nodes.get(cluster, {})
        for name, node in nodes.items():
            if bar := barred(constraints, node):
                bars[bar] += 1
                continue
            rooms[name], limit = self._room(requests, cluster, name)
            if rooms[name] == 0:
                limits[limit] += 1
        owed, owing = self._owed(requests, cluster)
        total = sum(rooms.values()) - owed
        if total > 0:
            return Fit(rooms, total, Fits())
        if limits:
            return Fit(rooms, total, Lacks(resource=_most_common(limits)))
        if rooms:
            return Fit(rooms, total, Lacks(resource=owing))
        return Fit(rooms, 0, Never(constraint=_most_common(bars) if bars else "no nodes"))

    def _owed(self, requests: Resources, cluster: str) -> tuple[int, str]:
        """How many pods of a shape have no room, for what is owed to bookings; of which resource
        most.
        """
        asked = {name: amount for name, amount in requests.items() if amount > 0} | {PODS: 1}
        pods, most = 0, (0, "")
        for debt in self._inventory.owed(cluster):
            counts = [(-(-debt[name] // asked[name]), name) for name in asked if name in debt]
            if counts:
                pods += max(counts)[0]
                most = max(most, *counts)
        return pods, most[1]

    def _room(self, requests: Resources, cluster: str, node: str) -> tuple[int, str]:
        state = self._inventory.nodes[cluster][node]
        return replicas(requests, state, self.used(cluster, node))


def _most_common(counts: Counter[str]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))
