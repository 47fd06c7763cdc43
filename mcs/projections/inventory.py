"""Capacity: real nodes, and what is charged to each of them.

A charge is a pod's, a delegate's, or a booking: capacity set aside by a decision until the delegate
is seen bound, when it moves to the real node with its observed requests. kube-scheduler may choose
another node than the one booked; then two may be charged with one node's room, and what bookings
cannot have there is *owed*: they will take it of the cluster's other nodes.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mcs.events.constraints import Taint
from mcs.events.observations import NodeObserved
from mcs.projections.digest import Digest
from mcs.quantities import PODS, Resources


class NodeState(msgspec.Struct):
    """A node as last observed; ``resync`` is the account that named it last."""

    cluster: str
    name: str
    allocatable: Resources
    labels: dict[str, str]
    taints: tuple[Taint, ...]
    ready: bool
    cordoned: bool
    pool: str
    resync: int = 0


class Charge(msgspec.Struct):
    """What one pod, delegate or booking takes of a node."""

    cluster: str
    node: str
    requests: Resources
    resync: int = 0
    booking: bool = False


class InventoryDump(msgspec.Struct):
    """Everything an inventory holds, in its order: loads could be summed up again, but not in the
    order, and with the zeros, that they came to have.
    """

    nodes: dict[str, list[NodeState]] = {}
    charges: dict[str, Charge] = {}
    loads: list[tuple[str, str, Resources]] = []
    booked: dict[str, dict[str, Resources]] = {}


class Inventory:
    """Nodes by cluster, charges by key (``<cluster>/<pod uid>`` or placement id)."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, NodeState]] = {}
        self.charges: dict[str, Charge] = {}
        self._loads: dict[tuple[str, str], Resources] = {}
        self._booked: dict[str, dict[str, Resources]] = {}  # the bookings among them
        self._nodes_digest: Digest[tuple[str, str]] = Digest()
        self._charges_digest: Digest[str] = Digest()

    def observe_node(self, cluster: str, event: NodeObserved, resync: int) -> None:
        """A node is there, as described."""
        self.nodes.setdefault(cluster, {})[event.name] = NodeState(
            cluster=cluster,
            name=event.name,
            allocatable=event.allocatable,
            labels=event.labels,
            taints=event.taints,
            ready=event.ready,
            cordoned=event.cordoned,
            pool=event.pool,
            resync=resync,
        )
        self._nodes_digest.touch((cluster, event.name))

    def drop_node(self, cluster: str, name: str) -> None:
        """A node is gone; its charges stay until their pods are said to be gone."""
        self.nodes.get(cluster, {}).pop(name, None)
        self._nodes_digest.touch((cluster, name))

    def charge(
        self,
        key: str,
        cluster: str,
        node: str,
        requests: Resources,
        *,
        resync: int = 0,
        booking: bool = False,
    ) -> None:
        """Charge ``requests`` (and one pod) to a node, in place of what ``key`` had before."""
        charge = Charge(cluster, node, requests, resync, booking)
        if key in self.charges:
            if charge == self.charges[key]:
                return  # said again, as a delegate's node is with each change of its status
            self.discharge(key)
        self._charges_digest.touch(key)
        self.charges[key] = charge
        _increase(self._loads.setdefault((cluster, node), {}), requests)
        if booking:
            _increase(self._booked.setdefault(cluster, {}).setdefault(node, {}), requests)

    def discharge(self, key: str) -> None:
        """Give back what ``key`` was charged, if anything."""
        charge = self.charges.pop(key, None)
        if charge is None:
            return
        self._charges_digest.touch(key)
        place = (charge.cluster, charge.node)
        if _decrease(self._loads[place], charge.requests):
            del self._loads[place]
        if charge.booking:
            booked = self._booked[charge.cluster]
            if _decrease(booked[charge.node], charge.requests):
                del booked[charge.node]

    def unbook(self, key: str) -> None:
        """Give back a booking: its delegate was given up before it was seen bound, and may never
        come to be. One that does is charged when it is seen.
        """
        charge = self.charges.get(key)
        if charge is not None and charge.booking:
            self.discharge(key)

    def sweep(self, cluster: str, resync: int) -> None:
        """Drop the nodes and pods that the account ``resync`` did not name."""
        for name in [n for n, node in self._of(cluster) if node.resync < resync]:
            self.drop_node(cluster, name)
        prefix = cluster + "/"
        stale = [
            key
            for key, charge in self.charges.items()
            if charge.cluster == cluster and key.startswith(prefix) and charge.resync < resync
        ]
        for key in stale:
            self.discharge(key)

    def forget(self, cluster: str) -> None:
        """Drop everything about a cluster that was removed."""
        for name in list(self.nodes.get(cluster, {})):
            self.drop_node(cluster, name)
        self.nodes.pop(cluster, None)
        for key in [key for key, charge in self.charges.items() if charge.cluster == cluster]:
            self.discharge(key)

    def used(self, cluster: str, node: str) -> Resources:
        """What is charged to a node, with the number of pods under ``pods``."""
        return self._loads.get((cluster, node), {})

    def owed(self, cluster: str) -> list[Resources]:
        """What bookings cannot have on their nodes (with pods under ``pods``), node by node."""
        known = self.nodes.get(cluster, {})
        debts = []
        for node, booked in self._booked.get(cluster, {}).items():
            used = self.used(cluster, node)
            offered = known[node].allocatable if node in known else {}
            debt = {
                name: min(amount, used[name] - offered.get(name, 0))
                for name, amount in booked.items()
                if used[name] > offered.get(name, 0) and (name != PODS or PODS in offered)
            }
            if debt:
                debts.append(debt)
        return debts

    def dump(self) -> InventoryDump:
        """All there is, in order; not a copy."""
        return InventoryDump(
            nodes={cluster: list(nodes.values()) for cluster, nodes in self.nodes.items()},
            charges=self.charges,
            loads=[(cluster, node, load) for (cluster, node), load in self._loads.items()],
            booked=self._booked,
        )

    def restore(self, dump: InventoryDump) -> None:
        """Take a dump, into a fresh one of these."""
        for cluster, nodes in dump.nodes.items():
            self.nodes[cluster] = {node.name: node for node in nodes}
            for node in nodes:
                self._nodes_digest.touch((cluster, node.name))
        self.charges, self._booked = dump.charges, dump.booked
        self._loads = {(cluster, node): load for cluster, node, load in dump.loads}
        for key in self.charges:
            self._charges_digest.touch(key)

    def digest(self) -> tuple[str, str]:
        """Digests of nodes and of charges."""
        nodes = self._nodes_digest.settle(lambda key: self.nodes.get(key[0], {}).get(key[1]))
        return nodes, self._charges_digest.settle(self.charges.get)

    def _of(self, cluster: str) -> Iterator[tuple[str, NodeState]]:
        yield from self.nodes.get(cluster, {}).items()


def _increase(load: Resources, requests: Resources) -> None:
    """Add one pod's requests."""
    for name, amount in requests.items():
        load[name] = load.get(name, 0) + amount
    load[PODS] = load.get(PODS, 0) + 1


def _decrease(load: Resources, requests: Resources) -> bool:
    """Take one pod's requests away again; whether it was the last one."""
    for name, amount in requests.items():
        load[name] -= amount
    load[PODS] -= 1
    return load[PODS] == 0
