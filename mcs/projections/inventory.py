"""Capacity: real nodes, and what is charged to each of them.

A charge is a pod's, a delegate's, or a booking: capacity set aside by a decision until the delegate
is seen bound, when it moves to the real node with its observed requests. kube-scheduler may choose
another node than the one booked; then two may be charged with one node's room, and what bookings
cannot have there is *owed*: they will take it of the cluster's other nodes.

Pods, of which there may be millions, are kept in columns (``pods``), and so is what is used on each
node (``loads``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from mcs.events.constraints import Taint
from mcs.events.observations import NodeObserved, PodsObserved
from mcs.projections.digest import Digest
from mcs.projections.loads import Loads, Places
from mcs.projections.pods import Pods
from mcs.quantities import PODS, Resources


class NodeState(msgspec.Struct, gc=False):
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


class Charge(msgspec.Struct, gc=False):
    """What one pod, delegate or booking takes of a node."""

    cluster: str
    node: str
    requests: Resources
    resync: int = 0
    booking: bool = False


class PodsDump(msgspec.Struct):
    """A cluster's pods in columns; ``node`` and ``ask`` are indexes into ``nodes`` and ``asks``."""

    uid: list[str] = []
    node: list[int] = []
    ask: list[int] = []
    resync: list[int] = []
    nodes: list[str] = []
    asks: list[Resources] = []


class InventoryDump(msgspec.Struct):
    """Everything an inventory holds; what is used of nodes is the sum of it."""

    nodes: dict[str, list[NodeState]] = {}
    placed: dict[str, Charge] = {}
    pods: dict[str, PodsDump] = {}


class Charges(Mapping[str, Charge]):
    """All charges by key: a placement's id, or ``<cluster>/<pod uid>``. For people: it is slow."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def __getitem__(self, key: str) -> Charge:
        inventory = self._inventory
        if key in inventory.placed:
            return inventory.placed[key]
        cluster, _, uid = key.partition("/")
        loads = inventory.loads.get(cluster)
        found = inventory.pods.get(loads, uid) if loads is not None else None
        if found is None:
            raise KeyError(key)
        return Charge(cluster, *found)

    def __iter__(self) -> Iterator[str]:
        for cluster, rows in self._inventory.pods.rows.items():
            yield from (f"{cluster}/{uid}" for uid in rows)
        yield from self._inventory.placed

    def __len__(self) -> int:
        return len(self._inventory.placed) + len(self._inventory.pods)


class Inventory:
    """Nodes by cluster and name; what is ``placed`` (delegates and bookings) by placement; pods.

    ``derived`` is for whoever keeps something that follows from all this and may be dropped.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, NodeState]] = {}
        self.placed: dict[str, Charge] = {}
        self.loads: dict[str, Loads] = {}
        self.derived: object | None = None
        self._places = Places()
        self.pods = Pods(self._places)
        self._booked: dict[str, dict[str, Resources]] = {}  # the bookings among what is placed
        self._debts: dict[str, dict[str, Resources]] = {}
        self._nodes_digest: Digest[tuple[str, str]] = Digest()
        self._placed_digest: Digest[str] = Digest()

    @property
    def charges(self) -> Mapping[str, Charge]:
        """Every charge there is, by key."""
        return Charges(self)

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
        self._of(cluster).observe(event.name, there=True)
        self._owe(cluster, event.name)

    def drop_node(self, cluster: str, name: str) -> None:
        """A node is gone; its charges stay until their pods are said to be gone."""
        if self.nodes.get(cluster, {}).pop(name, None) is None:
            return
        self._nodes_digest.touch((cluster, name))
        self._of(cluster).observe(name, there=False)
        self._owe(cluster, name)

    def observe_pod(
        self, cluster: str, uid: str, node: str, requests: Resources, resync: int
    ) -> None:
        """A pod that is not ours uses a node."""
        before = self.pods.observe(self._of(cluster), uid, node, requests, resync)
        self._owe(cluster, node)
        if before is not None:
            self._owe(cluster, before)

    def observe_pods(self, cluster: str, event: PodsObserved, resync: int) -> None:
        """Many pods that are not ours use nodes; the columns must fit."""
        self.pods.observe_many(self._of(cluster), event, resync)
        self._owe_all(cluster)

    def drop_pod(self, cluster: str, uid: str) -> None:
        """A pod that is not ours uses nothing any more."""
        before = self.pods.drop(self._of(cluster), uid)
        if before is not None:
            self._owe(cluster, before)

    def charge(
        self, key: str, cluster: str, node: str, requests: Resources, *, booking: bool = False
    ) -> None:
        """Charge a placement's ``requests`` (and one pod) to a node, in place of what it had."""
        charge = Charge(cluster, node, requests, booking=booking)
        known = self.placed.get(key)
        if known is not None:
            if charge == known:
                return  # said again, as a delegate's node is with each change of its status
            self.discharge(key)
        self._placed_digest.touch(key)
        self.placed[key] = charge
        loads = self._of(cluster)
        loads.add(loads.row(node), requests)
        if booking:
            _increase(self._booked.setdefault(cluster, {}).setdefault(node, {}), requests)
        self._owe(cluster, node)

    def discharge(self, key: str) -> None:
        """Give back what a placement was charged, if anything."""
        charge = self.placed.pop(key, None)
        if charge is None:
            return
        self._placed_digest.touch(key)
        loads = self._of(charge.cluster)
        loads.take(loads.row(charge.node), charge.requests)
        if charge.booking:
            booked = self._booked[charge.cluster]
            if _decrease(booked[charge.node], charge.requests):
                del booked[charge.node]
        self._owe(charge.cluster, charge.node)

    def unbook(self, key: str) -> None:
        """Give back a booking: its delegate was given up before it was seen bound, and may never
        come to be. One that does is charged when it is seen.
        """
        charge = self.placed.get(key)
        if charge is not None and charge.booking:
            self.discharge(key)

    def sweep(self, cluster: str, resync: int) -> None:
        """Drop the nodes and pods that the account ``resync`` did not name."""
        nodes = self.nodes.get(cluster, {})
        for name in [name for name, node in nodes.items() if node.resync < resync]:
            self.drop_node(cluster, name)
        self.pods.sweep(self._of(cluster), resync)
        self._owe_all(cluster)

    def forget(self, cluster: str) -> None:
        """Drop everything about a cluster that was removed."""
        for name in list(self.nodes.get(cluster, {})):
            self.drop_node(cluster, name)
        self.nodes.pop(cluster, None)
        for key in [key for key, charge in self.placed.items() if charge.cluster == cluster]:
            self.discharge(key)
        for uid in list(self.pods.rows.get(cluster, {})):
            self.drop_pod(cluster, uid)

    def used(self, cluster: str, node: str) -> Resources:
        """What is charged to a node, with the number of pods under ``pods``; zeros left out."""
        loads = self.loads.get(cluster)
        return loads.of(node) if loads is not None else {}

    def owed(self, cluster: str) -> list[Resources]:
        """What bookings cannot have on their nodes (with pods under ``pods``), node by node."""
        debts = self._debts.get(cluster)
        return [debts[node] for node in sorted(debts)] if debts else []

    def dump(self) -> InventoryDump:
        """All there is; not a copy."""
        return InventoryDump(
            nodes={cluster: list(nodes.values()) for cluster, nodes in self.nodes.items()},
            placed=self.placed,
            pods={
                cluster: _columns(self.pods.each(self._of(cluster))) for cluster in self.pods.rows
            },
        )

    def restore(self, dump: InventoryDump) -> None:
        """Take a dump, into a fresh one of these."""
        for cluster, nodes in dump.nodes.items():
            self.nodes[cluster] = {node.name: node for node in nodes}
            for node in nodes:
                self._nodes_digest.touch((cluster, node.name))
                self._of(cluster).observe(node.name, there=True)
        for cluster, pods in dump.pods.items():
            self.pods.rows.setdefault(cluster, {})
            for resync, event in _events(pods):
                self.pods.observe_many(self._of(cluster), event, resync)
        for key, charge in dump.placed.items():
            self.charge(key, charge.cluster, charge.node, charge.requests, booking=charge.booking)

    def digest(self) -> tuple[str, str, str]:
        """Digests of nodes, of what is placed, and of pods."""
        nodes = self._nodes_digest.settle(lambda key: self.nodes.get(key[0], {}).get(key[1]))
        return nodes, self._placed_digest.settle(self.placed.get), self.pods.digest()

    def _of(self, cluster: str) -> Loads:
        loads = self.loads.get(cluster)
        if loads is None:
            loads = self.loads[cluster] = Loads(cluster, self._places)
        return loads

    def _owe_all(self, cluster: str) -> None:
        for node in {**self._booked.get(cluster, {}), **self._debts.get(cluster, {})}:
            self._owe(cluster, node)

    def _owe(self, cluster: str, node: str) -> None:
        """Bring in line what is owed to bookings on a node that changed."""
        bookings, debts = self._booked.get(cluster), self._debts.get(cluster)
        booked = bookings.get(node) if bookings else None
        if booked is None and (not debts or node not in debts):
            return  # nearly always
        known, used = self.nodes.get(cluster, {}).get(node), self.used(cluster, node)
        offered = known.allocatable if known is not None else {}
        debt = {
            name: min(amount, used[name] - offered.get(name, 0))
            for name, amount in (booked or {}).items()
            if used.get(name, 0) > offered.get(name, 0) and (name != PODS or PODS in offered)
        }
        if debt:
            self._debts.setdefault(cluster, {})[node] = debt
        elif debts:
            debts.pop(node, None)
        loads = self._of(cluster)
        if node in loads.rows:
            loads.touch(loads.rows[node])


def _events(dump: PodsDump) -> Iterator[tuple[int, PodsObserved]]:
    """A cluster's pods as they would be told, by the account that named them."""
    accounts: dict[int, list[int]] = {}
    for index, resync in enumerate(dump.resync):
        accounts.setdefault(resync, []).append(index)
    for resync, indexes in accounts.items():
        uids = tuple(dump.uid[index] for index in indexes)
        yield (
            resync,
            PodsObserved(
                uid=uids,
                name=uids,
                namespace=(0,) * len(uids),
                node=tuple(dump.node[index] for index in indexes),
                ask=tuple(dump.ask[index] for index in indexes),
                namespaces=("",),
                nodes=tuple(dump.nodes),
                asks=tuple(dump.asks),
            ),
        )


def _columns(each: Iterator[tuple[str, str, Resources, int]]) -> PodsDump:
    dump = PodsDump()
    nodes: dict[str, int] = {}
    asks: dict[tuple[tuple[str, int], ...], int] = {}
    for uid, node, requests, resync in each:
        dump.uid.append(uid)
        dump.node.append(nodes.setdefault(node, len(nodes)))
        dump.ask.append(asks.setdefault(tuple(requests.items()), len(asks)))
        dump.resync.append(resync)
    dump.nodes, dump.asks = list(nodes), [dict(items) for items in asks]
    return dump


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
