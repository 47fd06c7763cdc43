"""A pod's whole way on memory twins: scheduler, two agents, a kube-scheduler and a kubelet.

c1 is the source, c2 the target.
"""

import asyncio
import contextlib
import itertools

from mcs.adapters.clock import SystemClock
from mcs.adapters.memory_cluster import MemoryCluster
from mcs.adapters.memory_log import MemoryBroker
from mcs.errors import Forbidden, Unreachable
from mcs.events import codec
from mcs.events.decisions import Policy
from mcs.names import virtual_node
from mcs.objects.admission import mutate
from mcs.objects.kinds import LEASES, NAMESPACES, NODES, PODS
from mcs.ports import Patch, Stream
from mcs.services.agent import Agent
from mcs.services.duties import duties
from mcs.services.scheduler import Scheduler
from mcs.settings import SOURCE, TARGET, AgentSettings, LeaseSettings, SchedulerSettings
from mcs.simulation.kube_scheduler import KubeScheduler
from mcs.simulation.kubelet import EXIT_CODE, RUN_FOR, Kubelet
from tests.services.members import KEYS, USER_POD, settled

BOUND_S = 20.0
AWHILE = "1.5"  # seconds: to be seen running although the machine stood still for one
NODE = virtual_node("c2")
DELEGATE = "c1-default-a"
LEASE = LeaseSettings(namespace="kube-system", retry_s=0.05)
BRISK = Policy(backoff_s=1)


async def until(condition):
    async with asyncio.timeout(BOUND_S):
        while not (found := await condition()):
            await asyncio.sleep(0.005)
        return found


async def _webhook(pod, _namespace):
    return mutate(pod, KEYS, namespace="default").operations


class Federation:
    def __init__(self):
        self.clock = SystemClock()
        self.broker = MemoryBroker(self.clock)
        self.ids = (f"id-{number}" for number in itertools.count())
        self.source = MemoryCluster("c1", self.clock)
        self.target = MemoryCluster("c2", self.clock)
        self.source.mutators = [_webhook]
        self.tasks = {}

    def agent(self, cluster, *roles):
        connection = self.broker.connect()
        settings = AgentSettings(
            cluster=cluster.name, roles=roles, lease=LEASE, heartbeat_s=0.1, retry_s=0.05
        )
        return Agent(
            settings,
            cluster=cluster,
            log=connection,
            requests=connection,
            clock=self.clock,
            draw_id=lambda: next(self.ids),
            services=duties(),
        )

    def start(self, name):
        service = {
            "c1": lambda: self.agent(self.source, SOURCE),
            "c2": lambda: self.agent(self.target, TARGET),
            "scheduler": self._scheduler,
            "kube-scheduler": lambda: KubeScheduler(self.target, self.clock),
            "kubelet": lambda: Kubelet(self.target, self.clock, {"n1"}),
        }[name]()
        self.tasks[name] = asyncio.create_task(service.run())

    async def kill(self, name):
        """End a process without a word; its Lease is given back, so that no test has to wait."""
        task = self.tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if name in {"c1", "c2"}:
            cluster = self.source if name == "c1" else self.target
            await cluster.delete(LEASES, LEASE.name, namespace=LEASE.namespace)

    @contextlib.asynccontextmanager
    async def running(self, *, opted_in=True):
        for cluster in (self.source, self.target):
            labels = {"metadata": {"labels": {"multicluster-scheduler": "enabled"}}}
            if opted_in or cluster is self.source:
                await cluster.patch(NAMESPACES, "default", labels)
        room = {"cpu": "4", "memory": "8Gi", "pods": "110"}
        await self.target.create(NODES, {"metadata": {"name": "n1"}})
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        status = {"status": {"capacity": room, "allocatable": room, **ready}}
        await self.target.patch(NODES, "n1", status, subresource="status", type=Patch.STRATEGIC)
        for name in ("scheduler", "kube-scheduler", "kubelet", "c1", "c2"):
            self.start(name)
        try:
            yield self
        finally:
            ended = [task for task in self.tasks.values() if task.done()]
            for task in self.tasks.values():
                task.cancel()
            await asyncio.gather(*self.tasks.values(), return_exceptions=True)
            for task in ended:
                task.result()

    def _scheduler(self):
        connection = self.broker.connect()
        settings = SchedulerSettings(silence_s=0.1, mark_s=0.05, policy=BRISK)
        return Scheduler(
            connection, connection, self.clock, settings, draw_id=lambda: next(self.ids)
        )

    async def submit(self, **annotations):
        metadata = USER_POD["metadata"] | {"annotations": {KEYS.elect: "", **annotations}}
        container = {
            "name": "main",
            "image": "busybox",
            "resources": {"requests": {"cpu": "200m"}},
        }
        manifest = USER_POD | {
            "metadata": metadata,
            "spec": {"containers": [container], "restartPolicy": "Never"},
        }
        return await self.source.create(PODS, manifest, namespace="default")

    async def proxy(self):
        return await _named(self.source, "a")

    async def delegate(self):
        return await _named(self.target, DELEGATE)

    async def shows(self, phase):
        async def shown():
            pod = await self.proxy()
            return pod is not None and pod.status.phase == phase and pod

        return await until(shown)

    async def both_gone(self):
        async def gone():
            return not await self.proxy() and not await self.delegate()

        await until(gone)

    def log(self):
        """Tags of the events about placements, in each stream's order."""
        return [
            event.__struct_config__.tag
            for message in self.broker.streams[Stream.DECISIONS].messages
            for event in codec.decode_decision(message.subject, message.data)[0].events
        ]


async def _named(cluster, name):
    listed = await cluster.list(PODS, namespace="default", fields=f"metadata.name={name}")
    return listed.items[0] if listed.items else None


async def test_a_pod_runs_elsewhere_and_is_let_go():
    async with Federation().running() as world:
        await world.submit(**{RUN_FOR: AWHILE})
        pod = await world.shows("Running")
        assert pod.spec.node_name == NODE
        assert (await world.delegate()).spec.node_name == "n1"
        await world.shows("Succeeded")

        await world.source.delete(PODS, "a", namespace="default")
        await world.both_gone()

        decided = [tag for tag in world.log() if tag.split(".")[0] in {"pod", "placement", "proxy"}]
        if decided[0] == "pod.deferred":
            del decided[0]  # it came before its clusters' accounts
        assert decided == ["pod.placed", "placement.withdrawn", "proxy.released"]


async def test_a_failing_delegate_fails_its_proxy():
    async with Federation().running() as world:
        await world.submit(**{RUN_FOR: "0.1", EXIT_CODE: "3"})

        pod = await world.shows("Failed")
        assert b'"exitCode":3' in bytes(pod.status.container_statuses)


async def test_a_running_proxy_that_is_deleted_takes_its_delegate_along():
    async with Federation().running() as world:
        await world.submit()
        await world.shows("Running")
        await world.source.delete(PODS, "a", namespace="default", grace_s=1)

        await world.both_gone()


async def test_a_delegate_deleted_by_others_takes_its_proxy_along():
    async with Federation().running() as world:
        await world.submit()
        await world.shows("Running")
        await world.target.delete(PODS, DELEGATE, namespace="default", grace_s=1)

        await world.both_gone()
        assert "proxy.evicted" in world.log()


async def test_a_rejected_delegate_is_explained_and_tried_again():
    refusing = True

    def quota(request):
        if refusing and request.verb == "create" and request.kind is PODS:
            raise Forbidden("pods is forbidden: exceeded quota: small", code=403)

    world = Federation()
    world.target.validators.append(quota)
    async with world.running():
        await world.submit()

        async def explained():
            pod = await world.proxy()
            return any("exceeded quota" in (c.message or "") for c in pod.status.conditions or ())

        await until(explained)
        refusing = False
        await world.shows("Running")


async def test_an_executor_killed_in_the_middle_of_a_create_leaves_one_delegate():
    world = Federation()
    hit = asyncio.Event()

    async def lose(request):
        if request.verb == "create" and request.kind is PODS:
            hit.set()
            raise Unreachable("connection reset")

    world.target.after = lose
    async with world.running():
        await world.submit()
        await asyncio.wait_for(hit.wait(), BOUND_S)
        await world.kill("c2")
        world.target.after = None
        first = await world.delegate()
        world.start("c2")

        await world.shows("Running")
        assert (await world.delegate()).metadata.uid == first.metadata.uid


async def test_a_source_agent_that_was_away_catches_up_with_its_pods_end():
    async with Federation().running() as world:
        await world.submit(**{RUN_FOR: AWHILE})
        await world.shows("Running")
        await world.kill("c1")

        async def ended():
            return (await world.delegate()).status.phase == "Succeeded"

        await until(ended)
        world.start("c1")
        await world.shows("Succeeded")


async def test_an_outage_of_the_log_deletes_nothing():
    async with Federation().running() as world:
        await world.submit()
        await world.shows("Running")
        for connection in list(world.broker.connections):
            connection.cut()
        await settled()
        for connection in list(world.broker.connections):
            connection.mend()
        await settled()

        assert (await world.proxy()).metadata.deletion_timestamp is None
        assert (await world.delegate()).metadata.deletion_timestamp is None
        await world.source.delete(PODS, "a", namespace="default", grace_s=1)
        await world.both_gone()
