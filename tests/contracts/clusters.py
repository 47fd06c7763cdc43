"""The same world for both clusters: a namespace of one's own, and what happens to API servers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import count

from mcs.adapters.clock import SystemClock
from mcs.adapters.kubernetes import connect
from mcs.adapters.memory_cluster import MemoryCluster
from mcs.objects.kinds import NAMESPACES, PODS

PATIENCE_S = 90  # a namespace that had a pod is looked at again only after a quarter of a minute
_numbers = count()


class MemoryApi:
    """An API server in this process."""

    async def __aenter__(self):
        self.cluster = MemoryCluster("memory", SystemClock())
        self.namespace = "spot"
        await self.cluster.create(NAMESPACES, {"metadata": {"name": self.namespace}})
        return self

    async def __aexit__(self, *_):
        pass

    async def stop(self):
        self.cluster.stop()

    async def start(self):
        self.cluster.start()

    async def remark(self):
        self.cluster.bookmark()


class KubernetesApi:
    """A real control plane, shared by all tests; each gets a namespace."""

    def __init__(self, plane):
        self._plane = plane

    async def __aenter__(self):
        self.cluster = await connect(str(self._plane.kubeconfig), connections=8)
        self.namespace = f"spot-{next(_numbers)}"
        await self.cluster.create(NAMESPACES, {"metadata": {"name": self.namespace}})
        accounts = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default"
        await self._plane.api.wait(accounts, lambda _: True)
        return self

    async def __aexit__(self, *_):
        await self.cluster.close()

    async def stop(self):
        self._plane.processes["apiserver"].kill()

    async def start(self):
        await self._plane.processes["apiserver"].start()


def pod(name="a", *, metadata=None, **spec):
    """A manifest that no kube-scheduler takes."""
    containers = [{"name": "main", "image": "busybox:1", "resources": {}}]
    return {
        "metadata": {"name": name, **(metadata or {})},
        "spec": {"containers": containers, "schedulerName": "nobody", **spec},
    }


def binding(name, node="some-node", **metadata):
    return {"metadata": {"name": name, **metadata}, "target": {"kind": "Node", "name": node}}


async def bind(world, name, **metadata):
    await world.cluster.create(
        PODS,
        binding(name, **metadata),
        namespace=world.namespace,
        name=name,
        subresource="binding",
    )


async def take(events, number):
    """The next events that are no bookmarks, as (change, name)."""
    found = []
    async with asyncio.timeout(PATIENCE_S):
        async for event in events:
            if event.change != "BOOKMARK":
                found.append((str(event.change), event.object.metadata.name))
            if len(found) == number:
                return found
    raise AssertionError(f"the watch ended after {found}")


async def eventually(condition):
    """Wait until the coroutine function ``condition`` gives something true."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
    return found


@asynccontextmanager
async def stopped(world):
    await world.stop()
    try:
        yield
    finally:
        await world.start()
