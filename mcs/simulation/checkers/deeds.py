"""What becomes of pods and nodes, and who may have done it.

I1  A placement's delegate is created once, ever (but for one that others removed before the log
    had heard of it: the design's one exception); and of one proxy's delegates, in whatever
    clusters, no two could run at the same time (``Life.could_run``).
I2  A proxy's phase only goes forward, and never ahead of its delegate's; it is bound to a virtual
    node once its delegate has a real one there, or that cluster was lost.
I7  mcs deletes a delegate only if its placement was withdrawn or released before (and a delegate
    with a node not by a withdrawal for unbound ones only), a proxy only if it was evicted or
    released, a virtual node only if its cluster was removed and no proxy is bound to it, and
    nothing else that runs. It creates what was placed. Our finalizer goes when a release, or the
    delegate's end, is in the log.
"""

from __future__ import annotations

from mcs.adapters.memory_registry import Request
from mcs.names import VIRTUAL_NODE_PREFIX, Keys
from mcs.objects.kinds import EVENTS, LEASES, NODES, PODS
from mcs.ports import Change
from mcs.simulation.checkers.findings import Findings
from mcs.simulation.checkers.orders import Orders
from mcs.simulation.checkers.sightings import ENDED, Json, Life, Sightings, is_virtual

_RANKS = {"Pending": 0, "Running": 1, "Succeeded": 2, "Failed": 2}


class Deeds:
    """Judges each change when it happens, by what the log allowed then."""

    def __init__(
        self, sightings: Sightings, orders: Orders, keys: Keys, findings: Findings
    ) -> None:
        self._sightings, self._orders = sightings, orders
        self._keys, self._findings = keys, findings

    # -- what happens to pods, whoever did it --------------------------------------------------

    def changed(self, change: Change, life: Life, before: Json | None) -> None:
        """A pod was written."""
        if life.proxy_uid:
            if change is Change.ADDED:
                self._created(life)
        elif life.elected and before is not None:
            self._check_finalizer(change, life, before)
            if change is Change.MODIFIED:
                self._check_phase(life, before)
                self._check_binding(life, before)

    def _created(self, life: Life) -> None:
        if life.placement not in self._orders.placed:
            self._find("I7", f"delegate {life} was created, and nobody has placed it")
        for other in self._sightings.delegates[life.proxy_uid]:
            if other is life:
                continue
            if self._orders.unseen(other):
                continue
            if other.placement == life.placement:
                self._find("I1", f"delegate {life} was created again, after {other}")
            elif other.could_run:
                state = f"{other.phase} on {other.node or 'no node yet'}"
                self._find("I1", f"delegate {life} was created while {other} could run ({state})")

    def _check_finalizer(self, change: Change, life: Life, before: Json) -> None:
        key = self._keys.finalizer
        held = key in (before["metadata"].get("finalizers") or ())
        holds = key in (life.manifest["metadata"].get("finalizers") or ())
        # An object that goes does so by the write that takes its last finalizer away.
        if not held or (holds and change is not Change.DELETED):
            return
        orders = self._orders
        placements = orders.of(life.uid)
        over = placements and all(each.placement in orders.ends for each in placements)
        if life.uid not in orders.released and not over:
            live = [each.placement for each in placements if each.placement not in orders.ends]
            why = f"{', '.join(live)} may run" if live else "nothing was decided about it"
            self._find("I7", f"proxy {life} lost our finalizer, though {why}")

    def _check_phase(self, life: Life, before: Json) -> None:
        was = (before.get("status") or {}).get("phase") or "Pending"
        now = life.phase
        if was == now:
            return
        if was in ENDED or _RANKS.get(now, 0) < _RANKS.get(was, 0):
            self._find("I2", f"proxy {life} went back from {was} to {now}")
        delegates = self._sightings.delegates.get(life.uid, [])
        if now == "Running" and not any({"Running", *ENDED} & {*d.phases} for d in delegates):
            self._find("I2", f"proxy {life} says Running, and no delegate of it ever ran")
        if now == "Succeeded" and not any("Succeeded" in d.phases for d in delegates):
            self._find("I2", f"proxy {life} says Succeeded, and no delegate of it did")

    def _check_binding(self, life: Life, before: Json) -> None:
        if before["spec"].get("nodeName") or not life.node.startswith(VIRTUAL_NODE_PREFIX):
            return
        target = life.node.removeprefix(VIRTUAL_NODE_PREFIX)
        delegates = self._sightings.delegates.get(life.uid, [])
        bound = any(each.cluster == target and each.node for each in delegates)
        if not bound and target not in self._orders.lost:
            self._find("I2", f"proxy {life} was bound to {life.node} before its delegate to a node")

    # -- what processes of mcs do --------------------------------------------------------------

    def act(self, process: str, cluster: str, request: Request) -> None:
        """A write of a process was carried out."""
        if request.verb != "delete":
            return
        if request.kind is NODES:
            self._node_deleted(process, cluster, request.name)
        elif request.kind is not PODS:
            if request.kind not in {EVENTS, LEASES}:
                what = f"{request.kind.name} {request.namespace}/{request.name}"
                self._find("I7", f"{process} deleted {what} in {cluster}")
        else:
            life = self._sightings.names.get((cluster, request.namespace, request.name))
            if life is not None:
                self._pod_deleted(process, life)

    def _pod_deleted(self, process: str, life: Life) -> None:
        orders = self._orders
        if life.elected:
            if life.uid not in orders.evicted and life.uid not in orders.released:
                self._find("I7", f"{process} deleted proxy {life}: no eviction, no release of it")
        elif self._is_virtual(life.cluster, life.node):
            return  # nothing ever runs there: it is let go
        elif not life.proxy_uid:
            self._find("I7", f"{process} deleted pod {life}, which is none of ours")
        elif orders.releases(life.placement):
            return
        elif not (orders_for := orders.withdrawn.get(life.placement)):
            self._find("I7", f"{process} deleted delegate {life}: no withdrawal, no release of it")
        elif life.node and all(each.unbound_only for each in orders_for):
            text = f"only if unbound, and it was on {life.node}"
            self._find("I7", f"{process} deleted delegate {life}: it was withdrawn {text}")

    def _node_deleted(self, process: str, cluster: str, name: str) -> None:
        node = self._sightings.gone_nodes.get((cluster, name))
        if name in self._sightings.nodes[cluster] or node is None or not is_virtual(node):
            self._find("I7", f"{process} deleted node {cluster}/{name}, which is not ours")
            return
        target = name.removeprefix(VIRTUAL_NODE_PREFIX)
        if target not in self._orders.removed:
            self._find("I7", f"{process} deleted virtual node {cluster}/{name}: not removed")
        bound = [str(life) for life in self._sightings.on(cluster, name) if life.elected]
        if bound:
            self._find("I7", f"{process} deleted virtual node {cluster}/{name} under {bound}")

    def _is_virtual(self, cluster: str, name: str) -> bool:
        node = self._sightings.nodes[cluster].get(name)
        return node is not None and is_virtual(node)

    def _find(self, invariant: str, text: str) -> None:
        self._findings.add(invariant, text)
