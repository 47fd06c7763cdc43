"""A kube-scheduler in small: it binds pods that name ``default-scheduler`` to nodes with room.

It knows readiness, cordons, taints, node selectors, cpu, memory and the number of pods, and takes
the node with most cpu left. Its arithmetic is its own, so that it can contradict mcs's. A pod that
fits nowhere is told so in kube-scheduler's words, and tried again whenever anything changes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from mcs.errors import ClusterError
from mcs.objects.kinds import NODES, PODS, Node, Object, Pod
from mcs.ports import Clock, Cluster, Patch
from mcs.quantities import parse
from mcs.services.reflector import Reflector
from mcs.simulation.kube_fitting import RESOURCES, problems, requests

T = TypeVar("T", bound=Object)

NAME: Final = "default-scheduler"
RETRY_S: Final = 1.0


class _Table(Generic[T]):
    """All objects of a kind, by uid."""

    def __init__(self, changed: asyncio.Event) -> None:
        self.items: dict[str, T] = {}
        self._changed = changed

    def replace(self, items: Sequence[T]) -> None:
        self.items = {item.metadata.uid: item for item in items}
        self._changed.set()

    def change(self, item: T) -> None:
        self.items[item.metadata.uid] = item
        self._changed.set()

    def remove(self, item: T) -> None:
        self.items.pop(item.metadata.uid, None)
        self._changed.set()


class KubeScheduler:
    """Binds pods in one cluster; ``run`` until cancelled."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster, self._clock = cluster, clock
        self._changed = asyncio.Event()
        self._pods: _Table[Pod] = _Table(self._changed)
        self._nodes: _Table[Node] = _Table(self._changed)
        self._bound: dict[str, str] = {}  # by us, and not seen so yet: uid to node

    async def run(self) -> None:
        """Bind pods, until cancelled."""
        pods = Reflector(self._cluster, PODS, self._clock, self._pods)
        nodes = Reflector(self._cluster, NODES, self._clock, self._nodes)
        async with asyncio.TaskGroup() as group:
            group.create_task(pods.run())
            group.create_task(nodes.run())
            await pods.synced.wait()
            await nodes.synced.wait()
            while True:
                await self._changed.wait()
                self._changed.clear()
                for pod in self._waiting():
                    await self._schedule(pod)

    def _waiting(self) -> list[Pod]:
        found = [
            pod
            for pod in self._pods.items.values()
            if pod.spec.scheduler_name == NAME
            and not pod.spec.node_name
            and not pod.spec.scheduling_gates
            and pod.metadata.deletion_timestamp is None
            and pod.metadata.uid not in self._bound
        ]
        return sorted(
            found,
            key=lambda pod: (
                -(pod.spec.priority or 0),
                pod.metadata.creation_timestamp or "",
                int(pod.metadata.resource_version),
            ),
        )

    async def _schedule(self, pod: Pod) -> None:
        reasons: Counter[str] = Counter()
        best: tuple[int, str] | None = None
        for node in self._nodes.items.values():
            free = self._free(node)
            found = problems(pod, node, free)
            reasons.update(found)
            choice = (-free["cpu"], node.metadata.name)
            if not found and (best is None or choice < best):
                best = choice
        try:
            if best is None:
                await self._refuse(pod, reasons)
            else:
                await self._bind(pod, best[1])
        except ClusterError:  # gone, bound by somebody else, or nobody answers: look again soon
            await self._clock.sleep(RETRY_S)
            self._changed.set()

    async def _bind(self, pod: Pod, node: str) -> None:
        name, uid = pod.metadata.name, pod.metadata.uid
        binding = {
            "metadata": {"name": name, "uid": uid},
            "target": {"kind": "Node", "name": node},
        }
        await self._cluster.create(
            PODS, binding, namespace=pod.metadata.namespace, name=name, subresource="binding"
        )
        self._bound[uid] = node

    async def _refuse(self, pod: Pod, reasons: Counter[str]) -> None:
        count = len(self._nodes.items)
        told = ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items()))
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": f"0/{count} nodes are available: {told}."
            if count
            else "no nodes available to schedule pods",
        }
        await self._cluster.patch(
            PODS,
            pod.metadata.name,
            {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}},
            namespace=pod.metadata.namespace,
            subresource="status",
            type=Patch.STRATEGIC,
        )

    def _free(self, node: Node) -> dict[str, int]:
        allocatable = node.status.allocatable or {}
        free = {name: parse(name, allocatable.get(name, "0")) for name in (*RESOURCES, "pods")}
        for uid, pod in self._pods.items.items():
            if pod.spec.node_name:
                self._bound.pop(uid, None)  # seen
            home = pod.spec.node_name or self._bound.get(uid)
            if home == node.metadata.name and pod.status.phase not in {"Succeeded", "Failed"}:
                free["pods"] -= 1
                for name, amount in requests(pod).items():
                    free[name] -= amount
        return free
