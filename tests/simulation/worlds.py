"""A cluster in memory with its scheduler and kubelets, on a clock that a test need not wait for."""

import asyncio
import heapq
from contextlib import asynccontextmanager
from itertools import count

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.objects.kinds import PODS
from mcs.simulation.kube_scheduler import KubeScheduler
from mcs.simulation.kubelet import Kubelet
from mcs.simulation.nodes import add_node

TURNS = 40  # of the event loop, in which everything that can go on does
PATIENCE_S = 10_000.0  # of its own time


class LeapingClock:
    """Time that leaps to the next moment somebody waits for, once everybody else is waiting."""

    def __init__(self):
        self.elapsed = 0.0
        self._waiting = []
        self._order = count()

    def now(self):
        return 1_800_000_000.0 + self.elapsed

    def monotonic(self):
        return self.elapsed

    async def sleep(self, seconds):
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self.elapsed + seconds, next(self._order), future))
        await future

    async def run(self):
        while True:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if self._waiting:
                moment, _, future = heapq.heappop(self._waiting)
                if not future.done():
                    self.elapsed = max(self.elapsed, moment)
                    future.set_result(None)


class World:
    """Three nodes, unless told otherwise."""

    def __init__(self, *, nodes=3, cpu="940m"):
        self.clock = LeapingClock()
        self.cluster = MemoryCluster("c1", self.clock)
        self.nodes = [f"node-{number}" for number in range(nodes)]
        self.cpu = cpu
        self.kubelet = Kubelet(self.cluster, self.clock, self.nodes)
        self.scheduler = KubeScheduler(self.cluster, self.clock)

    @asynccontextmanager
    async def running(self, *parts):
        for node in self.nodes:
            allocatable = {"cpu": self.cpu, "memory": "4Gi", "pods": "110"}
            await add_node(self.cluster, node, allocatable, clock=self.clock)
        chosen = parts or (self.kubelet, self.scheduler)
        tasks = [asyncio.create_task(part.run()) for part in (self.clock, *chosen)]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results), results

    async def create(self, name, *, annotations=None, cpu="200m", **spec):
        container = {"name": "main", "image": "i", "resources": {"requests": {"cpu": cpu}}}
        manifest = {
            "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {"restartPolicy": "Never", "containers": [container], **spec},
        }
        return await self.cluster.create(PODS, manifest, namespace="default")

    async def get(self, name):
        return await self.cluster.get(PODS, name, namespace="default")

    async def pods(self):
        return (await self.cluster.list(PODS, namespace="default")).items

    async def until(self, condition):
        """Wait until the coroutine function ``condition`` gives something true."""
        end = self.clock.elapsed + PATIENCE_S
        while not (found := await condition()):
            assert self.clock.elapsed < end, "it never came"
            await self.clock.sleep(0.1)
        return found

    async def reaches(self, name, phase):
        async def there():
            found = await self.get(name)
            return found if found.status.phase == phase else None

        return await self.until(there)
