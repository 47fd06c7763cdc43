"""A member of a federation on the memory twins, for tests: its cluster, its words, its services."""

import asyncio
import contextlib

import msgspec

from mcs.adapters.clock import SystemClock
from mcs.adapters.memory_cluster import MemoryCluster
from mcs.adapters.memory_log import MemoryBroker
from mcs.events import codec, subjects
from mcs.events.event import Last
from mcs.events.frames import DecisionFrame, ObservationFrame, digest
from mcs.names import Keys, PodKey, delegate_name
from mcs.objects.admission import mutate
from mcs.objects.delegate import delegate_manifest
from mcs.objects.kinds import NAMESPACES, NODES, PODS
from mcs.ports import Patch, Stream
from mcs.services.pods import Pods
from mcs.services.publisher import Publisher
from mcs.services.standing import Standing

KEYS = Keys()
BOUND_S = 30.0  # a test that waits so long has failed
USER_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "default"},
    "spec": {"containers": [{"name": "main", "image": "busybox"}]},
}


async def until(condition):
    """Wait for a condition, which may be a coroutine function."""
    async with asyncio.timeout(BOUND_S):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.002)


async def settled():
    """Let everything that is under way happen: twenty milliseconds of nothing but turns."""
    for _ in range(200):
        await asyncio.sleep(0.0001)


@contextlib.asynccontextmanager
async def running(*services):
    """Run these; what ends one of them fails the test."""
    runs = [asyncio.create_task(service.run()) for service in services]
    try:
        yield
    finally:
        ended = [run for run in runs if run.done() and not run.cancelled()]
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
        for run in ended:
            run.result()


class Log:
    """A broker, and frames chained and numbered as schedulers and agents write them."""

    def __init__(self):
        self.clock = SystemClock()
        self.broker = MemoryBroker(self.clock)
        self._last = {}
        self._numbers = {}
        self._cycle = 0

    def decide(self, *events, target="", source="", based_on=0):
        subject = subjects.decision(target, source)
        self._cycle += 1
        frame = DecisionFrame(
            reign=1,
            cycle=self._cycle,
            based_on=based_on,
            previous="",
            last=self._last.get(subject, Last()),
            observed="",
            state="",
            events=events,
        )
        data = codec.encode(frame)
        sequence = self.broker.store([(subject, data)])
        self._last[subject] = Last(sequence=sequence, digest=digest(subject, data))
        return sequence

    def observe(self, cluster, channel, *events, epoch=1):
        number = self._numbers.get((cluster, channel), 0)
        self._numbers[cluster, channel] = number + 1
        frame = ObservationFrame(
            source=cluster, epoch=epoch, channel=channel, number=number, events=events
        )
        subject = subjects.observation(cluster, channel)
        return self.broker.store([(subject, codec.encode(frame))])

    def join(self, cluster, event):
        """A join, whose sequence is the epoch."""
        frame = ObservationFrame(source=cluster, channel="cluster", events=(event,))
        self._numbers[cluster, "cluster"] = 1
        return self.broker.store([(subjects.observation(cluster, "cluster"), codec.encode(frame))])

    def told(self, cluster, channel):
        """Events that ``cluster`` told on a channel, in order."""
        subject = subjects.observation(cluster, channel)
        return [
            event
            for message in self.broker.streams[Stream.OBSERVATIONS].messages
            if message.subject == subject
            for event in codec.decode_observation(message.subject, message.data)[0].events
        ]


class SlowLog:
    """A connection on which reads of ``stream`` begin only once ``gate`` is set."""

    def __init__(self, connection, stream, subject=""):
        self.gate = asyncio.Event()
        self._connection, self._stream, self._subject = connection, stream, subject

    def __getattr__(self, name):
        return getattr(self._connection, name)

    async def read(self, stream, *, after=0, subject=""):
        if stream is self._stream and self._subject in subject:
            await self.gate.wait()
        return await self._connection.read(stream, after=after, subject=subject)


class Member:
    """One cluster and the services that every role shares."""

    def __init__(self, log, name, cluster=None, connection=None):
        self.log, self.name, self.clock = log, name, log.clock
        self.leads = True
        self.cluster = cluster or MemoryCluster(name, self.clock)
        self.cluster.mutators = [_webhook]
        self.connection = connection or log.broker.connect()
        self.publisher = Publisher(self.connection.append, self.clock, name, 1)
        self.pods = Pods(self.cluster, KEYS, self.clock)
        self.standing = Standing(self.connection)

    def held(self):
        return self.leads

    def running(self, *services):
        """Run the shared services and these."""
        return running(self.publisher, self.pods, self.standing, *services)

    async def opt_in(self, namespace="default"):
        labels = {"metadata": {"labels": {"multicluster-scheduler": "enabled"}}}
        await self.cluster.patch(NAMESPACES, namespace, labels)

    async def pod(self, name, namespace="default"):
        """The pod, or None."""
        listed = await self.cluster.list(PODS, namespace=namespace, fields=f"metadata.name={name}")
        return listed.items[0] if listed.items else None

    async def create_pod(self, **metadata):
        manifest = USER_POD | {"metadata": USER_POD["metadata"] | metadata}
        return await self.cluster.create(PODS, manifest, namespace="default")

    async def create_proxy(self, name="a", **annotations):
        """An elected pod, as the webhook lets it in."""
        annotations |= {KEYS.elect: ""}
        return await self.create_pod(name=name, annotations=annotations)

    async def bind(self, name, node):
        binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": node}}
        await self.cluster.create(
            PODS, binding, namespace="default", name=name, subresource="binding"
        )

    async def set_status(self, name, **status):
        await self.cluster.patch(
            PODS,
            name,
            {"status": status},
            namespace="default",
            subresource="status",
            type=Patch.STRATEGIC,
        )

    async def node(self, name):
        """The node, or None."""
        listed = await self.cluster.list(NODES)
        found = [item for item in listed.items if item.metadata.name == name]
        return found[0] if found else None


async def _webhook(pod, _namespace):
    return mutate(pod, KEYS, namespace="default").operations


def manifest(source="c1", name="a", uid="proxy-uid", attempt=1):
    """A delegate's manifest as the scheduler writes it into a decision."""
    pod = PodKey("default", name)
    made = delegate_manifest(
        msgspec.json.encode(USER_POD).decode(),
        keys=KEYS,
        source=source,
        pod=pod,
        uid=uid,
        attempt=attempt,
        name=delegate_name(source, pod),
    )
    return msgspec.json.encode(made).decode()
