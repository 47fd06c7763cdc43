"""The two clusters of the demo, after the published example that mcs grew out of.

Three nodes of 940m CPU each; what system pods leave free is 980m in cluster1 and 1080m in cluster2,
cut up by nodes so that three steps of 200m fit at once into the first and four into the second: the
sum alone would promise four and five.
"""

from __future__ import annotations

import asyncio
from typing import Final

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.names import NAMESPACE_ENABLED, NAMESPACE_LABEL, Keys
from mcs.objects.kinds import NAMESPACES, PODS
from mcs.ports import Clock
from mcs.simulation.admission import admission
from mcs.simulation.kube_scheduler import KubeScheduler
from mcs.simulation.kubelet import Kubelet
from mcs.simulation.nodes import add_node

NODE: Final = {"cpu": "940m", "memory": "2700Mi", "pods": "110"}
NAMESPACE: Final = "default"
HOME: Final = "mcs-system"

SYSTEM_PODS: Final = {
    "cluster1": (
        {"kube-proxy": 100, "fluentbit": 100, "kube-dns": 260, "event-exporter": 140},
        {"kube-proxy": 100, "fluentbit": 100, "kube-dns": 260, "metrics-server": 160},
        {"kube-proxy": 100, "fluentbit": 100, "ingress": 260, "konnectivity": 160},
    ),
    "cluster2": (
        {"kube-proxy": 100, "fluentbit": 100, "kube-dns": 260, "autoscaler": 40},
        {"kube-proxy": 100, "fluentbit": 100, "kube-dns": 260, "metrics-server": 160},
        {"kube-proxy": 100, "fluentbit": 100, "ingress": 260, "konnectivity": 160},
    ),
}
"""By cluster and node: system pods and the thousandths of a core that each asks for."""


class Site:
    """One cluster: an API server in memory, and what a real one has around it."""

    def __init__(self, name: str, clock: Clock, keys: Keys) -> None:
        self.name = name
        self.cluster = MemoryCluster(name, clock)
        self.cluster.mutators.append(admission(keys))
        self.nodes = [f"{name}-n{number}" for number in (1, 2, 3)]
        self._clock = clock

    async def furnish(self) -> None:
        """Nodes, namespaces, system pods."""
        for name in self.nodes:
            await add_node(self.cluster, name, NODE, clock=self._clock)
        await self.cluster.create(NAMESPACES, {"metadata": {"name": HOME}})
        opted = {"metadata": {"labels": {NAMESPACE_LABEL: NAMESPACE_ENABLED}}}
        await self.cluster.patch(NAMESPACES, NAMESPACE, opted)
        for node, pods in zip(self.nodes, SYSTEM_PODS[self.name], strict=True):
            for pod, milli in pods.items():
                manifest = _system_pod(f"{pod}-{node}", node, milli)
                await self.cluster.create(PODS, manifest, namespace="kube-system")

    async def run(self) -> None:
        """Schedule and run pods, until cancelled."""
        kubelet = Kubelet(self.cluster, self._clock, self.nodes)
        scheduler = KubeScheduler(self.cluster, self._clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(kubelet.run())
            tasks.create_task(scheduler.run())


def _system_pod(name: str, node: str, milli: int) -> dict[str, object]:
    resources = {"requests": {"cpu": f"{milli}m"}}
    container = {"name": "main", "image": "system", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"nodeName": node, "containers": [container]}}
