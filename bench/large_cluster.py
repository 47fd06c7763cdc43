"""Thousands of nodes and tens of thousands of running pods on one real control plane, quickly.

Objects have the size they have elsewhere: a pod some 4 kB with its status, a node 3 kB. Twenty
namespaces and twelve requests are what the pods have in common.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from bench.clusters import Client, together
from bench.reporting import say
from tools.api import Object
from tools.controlplane import ControlPlane
from tools.nodes import node

_LOOK_S = 2.0
_NAMESPACES = [f"team-{number}" for number in range(20)]
_REQUESTS = [
    {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}
    for cpu, memory in itertools.product((50, 100, 250, 500), (64, 256, 1024))
]
_LABELS = ("region", "zone", "instance-type", "capacity-type", "image", "generation", "owner")


class LargeCluster:
    """So many ``nodes`` and ``pods``, made by ``fill``."""

    def __init__(self, plane: ControlPlane, client: Client, *, nodes: int, pods: int) -> None:
        self.nodes, self.pods = nodes, pods
        self._plane, self._client = plane, client
        self._serial = itertools.count()

    async def fill(self) -> None:
        """Make all; returns once nodes are Ready and pods Running."""
        await self._plane.apply(
            [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                for name in _NAMESPACES
            ]
        )
        for name in _NAMESPACES:
            path = f"/api/v1/namespaces/{name}/serviceaccounts/default"
            await self._plane.api.wait(path, lambda _: True)
        await together([lambda n=number: self._add_node(n) for number in range(self.nodes)])
        await self._until_none("/api/v1/nodes?resourceVersion=0", b"node.kubernetes.io/not-ready")
        await together([lambda n=number: self._add_pod(n) for number in range(self.pods)])
        pending = "/api/v1/pods?fieldSelector=status.phase%3DPending&limit=1"
        await self._until_none(pending, b'"nodeName"')

    async def touch(self, number: int) -> None:
        """Change a pod in a way that says nothing about capacity."""
        number %= self.pods
        patch = {"metadata": {"annotations": {"touched": str(next(self._serial))}}}
        path = f"{_collection(number)}/{_name(number)}"
        await self._client.ask("PATCH", path, patch, "application/merge-patch+json")

    async def live(self, _number: int) -> None:
        """One pod comes, runs for a while and goes."""
        number = self.pods + next(self._serial)
        await self._add_pod(number)
        await asyncio.sleep(1.0)
        await self._client.ask("DELETE", f"{_collection(number)}/{_name(number)}")

    async def _add_node(self, number: int) -> None:
        labels = {f"example.com/{key}": f"{key}-{number % 7}" for key in _LABELS}
        body = node(
            f"node-{number}",
            cpu="64",
            memory="256Gi",
            pods=110,
            labels=labels,
            taints=(),
            extended={},
            version=self._plane.version,
        )
        await self._client.ask("POST", "/api/v1/nodes", body)

    async def _add_pod(self, number: int) -> None:
        await self._client.ask("POST", _collection(number), pod(number, number % self.nodes))

    async def _until_none(self, path: str, words: bytes) -> None:
        while count := (await self._client.ask("GET", path)).count(words):
            say(f"waiting: {count} times {words.decode()}")
            await asyncio.sleep(_LOOK_S)


def pod(number: int, node_number: int) -> Object:
    """A bound pod, as a Deployment's would look."""
    container: dict[str, Any] = {
        "name": "main",
        "image": f"registry.example.com/team/service-{number % 50}:1.2.3",
        "args": ["--listen=:8080", "--metrics=:9090", f"--shard={number % 16}"],
        "env": [{"name": f"SETTING_{each}", "value": f"value-{each}" * 3} for each in range(12)],
        "ports": [{"containerPort": 8080}, {"containerPort": 9090}],
        "resources": {"requests": _REQUESTS[number % len(_REQUESTS)]},
    }
    labels = {"app": f"service-{number % 50}", "tier": "backend", "version": "1.2.3"}
    return {
        "metadata": {"name": _name(number), "labels": labels},
        "spec": {"nodeName": f"node-{node_number}", "containers": [container]},
    }


def _name(number: int) -> str:
    return f"service-{number % 50}-7c9d8b6f5-{number:06d}"


def _collection(number: int) -> str:
    return f"/api/v1/namespaces/{_NAMESPACES[number % len(_NAMESPACES)]}/pods"
