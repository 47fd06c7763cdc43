"""Nodes without machines: what a kubelet registers of itself."""

from __future__ import annotations

from collections.abc import Mapping

from mcs.adapters.memory_rules import timestamp
from mcs.objects.kinds import NODES
from mcs.ports import Clock, Cluster


async def add_node(
    cluster: Cluster, name: str, allocatable: Mapping[str, str], *, clock: Clock
) -> None:
    """A Ready node of the given allocatable amounts (``cpu``, ``memory``, ``pods``)."""
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastTransitionTime": timestamp(clock.now()),
    }
    manifest = {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {
            "capacity": dict(allocatable),
            "allocatable": dict(allocatable),
            "conditions": [ready],
            "nodeInfo": {"kubeletVersion": await cluster.version()},
        },
    }
    await cluster.create(NODES, manifest)
