"""One Node in this cluster for each target, kept as it shall be whatever is done to it.

A node is created with its target's first heartbeat, and goes a moment after the target was removed,
when no proxy is bound to it any more; nothing else removes it. Should a proxy be bound to it later
still, it is back until that one is gone, or the garbage collector of pods would delete the proxy
(it gives a missing node 40 s: kube-controller-manager, pkg/controller/podgc).

It is not ready only when the log says at its end that the target is lost, and never for the own
name: an agent that hears nothing keeps what it last knew, for an outage of NATS must not evict
anybody. Its lease is renewed as long as this agent lives and leads.

Pods of others that land on it would wait there for ever, since nothing runs them; they are let go
with grace 0. Their finalizers are respected.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from mcs.errors import AlreadyExists, ClusterError, Conflict, NotFound
from mcs.events.observations import ClusterHeartbeat
from mcs.names import Keys, virtual_node
from mcs.objects import virtualnode
from mcs.objects.kinds import LEASES, NODES, PODS, Node, Pod
from mcs.objects.owning import Role, is_virtual
from mcs.ports import Clock, Cluster, EventLog, Patch, Stream
from mcs.services.followed_ledger import Identities
from mcs.services.nodes import Nodes
from mcs.services.pods import Pods
from mcs.services.standing import Standing
from mcs.services.targets import Targets
from mcs.services.timestamps import timestamp
from mcs.services.workqueue import WorkQueue

_logger = logging.getLogger(__name__)


class VirtualNodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of virtual nodes."""

    renew_s: float = 10.0  # as kubelets do; a lease lasts 40 s
    status_s: float = 10.0  # between two statuses that only bring other numbers
    workers: int = 4
    lease_s: float = 1.0  # before looking again whether we lead
    retry_s: float = 1.0  # before a node that changed under our hands is looked at again
    stay_s: float = 3.0  # a removed target's node: a proxy may be on its way to it


class VirtualNodes:
    """Acts for the source ``name``. Others run ``standing``, ``nodes`` and ``pods``; make it before
    they do. ``held`` says by the local clock whether this process still leads; ``ready`` is set
    once it may act. ``cover`` is awaited before a target's node is created (it guards the node).
    """

    def __init__(
        self,
        *,
        name: str,
        cluster: Cluster,
        log: EventLog,
        standing: Standing,
        nodes: Nodes,
        pods: Pods,
        clock: Clock,
        keys: Keys,
        held: Callable[[], bool],
        cover: Callable[[str], Awaitable[None]] | None = None,
        settings: VirtualNodeSettings | None = None,
        identities: Identities | None = None,
    ) -> None:
        self.ready = asyncio.Event()
        self._cover = cover
        self._name, self._cluster, self._clock, self._keys = name, cluster, clock, keys
        self._standing, self._nodes, self._pods, self._held = standing, nodes, pods, held
        self._settings = settings or VirtualNodeSettings()
        observations = (identities or {}).get(Stream.OBSERVATIONS, "")
        self._targets = Targets(log, identity=observations)
        self._queue = WorkQueue(self._look, clock, workers=self._settings.workers)
        self._strays = WorkQueue(self._let_go, clock, workers=self._settings.workers)
        self._shown_s: dict[str, float] = {}  # when each node's status was written last
        self._ending_s: dict[str, float] = {}  # since when each target is known to be removed
        self._targets.subscribe(self._queue.add)
        standing.subscribe(self._queue.add)
        nodes.subscribe(self._on_node)
        pods.subscribe(self._on_pod)

    async def run(self) -> None:
        """Read, then act, until cancelled.

        Raises (in an exception group):
            LogLost: the log is not the one that was known.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._targets.run())
            for seen in (
                self._targets.caught_up,
                self._standing.caught_up,
                self._nodes.synced,
                self._pods.synced,
            ):
                await seen.wait()
            for target in self._targets.names():
                self._queue.add(target)
            self.ready.set()
            tasks.create_task(self._queue.run())
            tasks.create_task(self._strays.run())
            await self._renew()

    def _on_node(self, before: Node | None, after: Node | None) -> None:
        node = after or before
        target = (node.metadata.labels or {}).get(self._keys.target) if node else None
        if target and node is not None and is_virtual(node):
            self._queue.add(target)

    def _on_pod(self, role: Role, before: Pod | None, after: Pod | None) -> None:
        if role is Role.PROXY:
            pod = after or before
            name = (pod.spec.node_name if pod else "") or ""
            if after is None or (name and name not in self._nodes.virtual):
                for target in self._standing.removed:
                    if virtual_node(target) == name:
                        self._queue.add(target)  # the last one may have gone, or one come late
        elif after is not None and after.spec.node_name in self._nodes.virtual:
            self._strays.add(after.metadata.uid)

    async def _look(self, target: str) -> float | None:
        if not self._held():
            return self._settings.lease_s
        heartbeat = self._heartbeat(target)
        node = self._nodes.virtual.get(virtual_node(target))
        try:
            if heartbeat is not None:
                return await self._keep(target, heartbeat, node)
            if target in self._standing.removed:
                return await self._end(target, node)
        except (Conflict, NotFound) as error:
            _logger.info("virtual node for %s changed meanwhile: %s", target, error)
            return self._settings.retry_s
        return None

    def _heartbeat(self, target: str) -> ClusterHeartbeat | None:
        """What the node shall show; None when there shall be none."""
        removal = self._standing.removed.get(target)
        return self._targets.heartbeat(target, since=removal.based_on if removal else 0)

    async def _keep(
        self, target: str, heartbeat: ClusterHeartbeat, node: Node | None
    ) -> float | None:
        """Have the node as it shall be."""
        self._ending_s.pop(target, None)
        lost = target in self._standing.lost and target != self._name
        if node is None:
            node = await self._create(target, heartbeat)
            if node is None:
                return self._settings.status_s
        elif patch := virtualnode.node_patch(node, target, heartbeat, self._keys):
            node = await self._cluster.patch(NODES, node.metadata.name, patch)
        return await self._show(node, heartbeat, lost=lost)

    async def _create(self, target: str, heartbeat: ClusterHeartbeat) -> Node | None:
        """Create the node and its lease; None when somebody's machine has its name."""
        if self._cover is not None:
            await self._cover(target)
        manifest = virtualnode.node_manifest(target, heartbeat, self._keys)
        try:
            node = await self._cluster.create(NODES, manifest)
        except AlreadyExists:
            node = await self._cluster.get(NODES, virtual_node(target))
        if not is_virtual(node):
            name = node.metadata.name
            _logger.error("node %s is not ours: it cannot stand for %s", name, target)
            return None
        await self._renew_one(node)
        return node

    async def _show(self, node: Node, heartbeat: ClusterHeartbeat, *, lost: bool) -> float | None:
        """Write the status, where it differs: at once if conditions do, else now and then."""
        at = timestamp(self._clock.now())[:19] + "Z"  # metav1.Time has whole seconds
        patch = virtualnode.status_patch(node, heartbeat, lost=lost, at=at)
        if patch is None:
            return None
        name, now_s = node.metadata.name, self._clock.monotonic()
        rest_s = self._shown_s.get(name, 0.0) + self._settings.status_s - now_s
        urgent = "conditions" in msgspec.to_builtins(patch["status"])
        if name in self._shown_s and rest_s > 0 and not urgent:
            return rest_s
        await self._cluster.patch(NODES, name, patch, subresource="status", type=Patch.STRATEGIC)
        self._shown_s[name] = now_s
        return None

    async def _end(self, target: str, node: Node | None) -> float | None:
        """Remove a removed target's node, once no proxy is bound to it; until then it is lost."""
        bound = any(p.spec.node_name == virtual_node(target) for p in self._pods.proxies.values())
        last = self._targets.heartbeat(target)
        if node is None and bound and last is not None:
            node = await self._create(target, last)
        if node is None:
            return None
        now_s = self._clock.monotonic()
        rest_s = self._ending_s.setdefault(target, now_s) + self._settings.stay_s - now_s
        if bound:
            return await self._show(node, last, lost=True) if last is not None else None
        if rest_s > 0:
            return rest_s
        name = node.metadata.name
        await self._cluster.delete(NODES, name, uid=node.metadata.uid)
        self._shown_s.pop(name, None)
        self._ending_s.pop(target, None)
        return None

    async def _let_go(self, uid: str) -> float | None:
        """Delete a pod that nothing will ever run."""
        pod = self._pods.strays.get(uid) or next(
            (pod for pod in self._pods.delegates.values() if pod.metadata.uid == uid), None
        )
        if pod is None or pod.spec.node_name not in self._nodes.virtual:
            return None
        meta = pod.metadata
        over = meta.deletion_timestamp and not meta.deletion_grace_period_seconds
        if over and meta.finalizers:
            return None  # it waits for others
        if not self._held():
            return self._settings.lease_s
        _logger.warning("pod %s/%s is let go: it is on a virtual node", meta.namespace, meta.name)
        try:
            await self._cluster.delete(
                PODS, meta.name, namespace=meta.namespace, uid=uid, grace_s=0
            )
        except (NotFound, Conflict):
            return None  # it went by itself
        return None

    async def _renew(self) -> None:
        """Renew all leases, again and again. No failure stops it."""
        while True:
            if self._held():
                nodes = list(self._nodes.virtual.values())
                await asyncio.gather(*(self._try_to_renew(node) for node in nodes))
            await self._clock.sleep(self._settings.renew_s)

    async def _try_to_renew(self, node: Node) -> None:
        try:
            async with asyncio.timeout(self._settings.renew_s):
                await self._renew_one(node)
        except (ClusterError, TimeoutError) as error:
            _logger.warning("lease of %s: %s", node.metadata.name, str(error) or "no answer")

    async def _renew_one(self, node: Node) -> None:
        name, at = node.metadata.name, timestamp(self._clock.now())
        patch = virtualnode.lease_patch(holder=name, at=at)
        space = virtualnode.LEASE_NAMESPACE
        try:
            await self._cluster.patch(LEASES, name, patch, namespace=space)
        except NotFound:
            manifest = virtualnode.lease_manifest(node, holder=name, at=at)
            await self._cluster.create(LEASES, manifest, namespace=space)
