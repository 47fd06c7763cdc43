"""One simulated cluster: its API server, its nodes, and what a real cluster has around them.

Kubelets, kube-scheduler, the pod garbage collector and the node lifecycle controller reach their
API server directly; only mcs' own processes have bad wires. They live as long as the world.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any, Final

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.errors import ClusterError, NotFound
from mcs.names import NAMESPACE_ENABLED, NAMESPACE_LABEL, Keys
from mcs.objects.kinds import NAMESPACES, NODES, PODS, SECRETS
from mcs.objects.tolerations import NOT_READY
from mcs.ports import Clock
from mcs.simulation.admission import admission
from mcs.simulation.kube_scheduler import KubeScheduler
from mcs.simulation.kubelet import Kubelet
from mcs.simulation.nodes import add_node
from mcs.simulation.plan import ClusterPlan

Json = dict[str, Any]

NAMESPACE: Final = "work"
HOME: Final = "mcs-system"
SECRET: Final = "bm9ib2R5LW1heS1zZWUtdGhpcw=="  # noqa: S105 (planted, to be found)
"""Stands in a Secret of every cluster, and may stand nowhere else (I10)."""

LOOK_S: Final = 1.0
ORPHAN_S: Final = 5.0
"""A pod whose node vanished is removed after so long (kube-controller-manager: 40 s)."""


class Place:
    """One cluster; ``run`` until cancelled."""

    def __init__(self, plan: ClusterPlan, clock: Clock, keys: Keys, random: Random) -> None:
        self.plan, self.name = plan, plan.name
        self.cluster = MemoryCluster(plan.name, clock, random)
        self.cluster.mutators.append(admission(keys))
        self.sizes: dict[str, int] = {}
        self.nodes: set[str] = set()  # those with a kubelet
        self._clock = clock
        self._bad_since: dict[str, float] = {}  # nodes not ready, or gone

    async def furnish(self) -> None:
        """Namespaces and nodes."""
        await self.cluster.create(NAMESPACES, {"metadata": {"name": HOME}})
        labels = {NAMESPACE_LABEL: NAMESPACE_ENABLED}
        await self.cluster.create(NAMESPACES, {"metadata": {"name": NAMESPACE, "labels": labels}})
        secret = {"metadata": {"name": "password"}, "data": {"password": SECRET}}
        await self.cluster.create(SECRETS, secret, namespace=NAMESPACE)
        for number, milli in enumerate(self.plan.nodes):
            await self.add_node(f"{self.name}-n{number + 1}", milli)

    async def add_node(self, name: str, milli: int) -> None:
        """Another machine. Raises ClusterError."""
        allocatable = {"cpu": f"{milli}m", "memory": "4Gi", "pods": f"{self.plan.pods}"}
        self.sizes[name] = milli
        self.nodes.add(name)
        await add_node(self.cluster, name, allocatable, clock=self._clock)

    async def remove_node(self, name: str) -> None:
        """A machine vanishes with its kubelet. Raises ClusterError."""
        self.nodes.discard(name)
        await self.cluster.delete(NODES, name)

    async def run(self) -> None:
        """Everything around the API server."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Kubelet(self.cluster, self._clock, self.nodes).run())
            tasks.create_task(KubeScheduler(self.cluster, self._clock).run())
            tasks.create_task(self._control())

    async def _control(self) -> None:
        """Garbage collection and eviction, as kube-controller-manager does them.

        It looks at the objects as they are stored: decoding them each second costs a run more than
        all that is found so.
        """
        looked_at = 0
        while True:
            await self._clock.sleep(LOOK_S)
            if self.cluster.stopped:
                continue
            if self.cluster.revision == looked_at and not self._bad_since:
                continue
            looked_at = self.cluster.revision
            nodes = {each["metadata"]["name"]: each for each in self.cluster.objects(NODES)}
            for pod in self.cluster.objects(PODS):
                try:
                    await self._look_at(pod, nodes)
                except ClusterError:
                    break  # the API server went down: look again

    async def _look_at(self, pod: Json, nodes: dict[str, Json]) -> None:
        name = pod["spec"].get("nodeName")
        if not name:
            return
        node = nodes.get(name)
        if node is not None and _ready(node):
            self._bad_since.pop(name, None)
            return
        for_s = self._clock.monotonic() - self._bad_since.setdefault(name, self._clock.monotonic())
        if node is None:
            if for_s >= ORPHAN_S:
                await self._delete(pod, grace_s=0)
        elif "deletionTimestamp" not in pod["metadata"] and for_s >= _tolerated_s(pod):
            await self._delete(pod, grace_s=None)

    async def _delete(self, pod: Json, *, grace_s: int | None) -> None:
        name, namespace, uid = (pod["metadata"][key] for key in ("name", "namespace", "uid"))
        try:
            await self.cluster.delete(PODS, name, namespace=namespace, uid=uid, grace_s=grace_s)
        except NotFound:
            return


def _ready(node: Json) -> bool:
    conditions = node.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _tolerated_s(pod: Json) -> float:
    """How long a pod stays on a node that is not ready."""
    waits = [
        float(item.get("tolerationSeconds", "inf"))
        for item in pod["spec"].get("tolerations") or ()
        if item.get("key") in {None, "", NOT_READY}
        and item.get("effect") in {None, "", "NoExecute"}
    ]
    return min(waits, default=0.0)
