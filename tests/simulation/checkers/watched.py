"""Logs and clusters made by hand, with the checkers that watch them."""

import contextlib

import msgspec

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.adapters.memory_log import MemoryBroker
from mcs.adapters.memory_registry import Request
from mcs.decisions.framing import frame_cycle
from mcs.names import Keys
from mcs.objects.kinds import NODES, PODS
from mcs.ports import Patch, Stream
from mcs.simulation.checkers import Checkers
from mcs.simulation.nodes import add_node
from tests.building import World

KEYS = Keys()
AGENT = "agent-c1-1"


class Clock:
    """Stands still, but for whoever sets ``now_ns``."""

    def __init__(self):
        self.now_ns = 0

    def now(self):
        return self.now_ns / 1e9

    def monotonic(self):
        return self.now_ns / 1e9


class Watched(World):
    """A log that is written to a broker, beside clusters; ``checkers`` watch both."""

    def __init__(self, *clusters, **options):
        self.clock = Clock()
        self.broker = MemoryBroker(self.clock)
        self.clusters = {name: MemoryCluster(name, self.clock) for name in clusters}
        self.checkers = Checkers(self.broker, self.clusters, KEYS, **options)
        super().__init__()

    @property
    def now_ns(self):
        return self.clock.now_ns

    @now_ns.setter
    def now_ns(self, value):
        self.clock.now_ns = value

    def store(self, subject, data):
        self.now_ns += 1_000_000
        sequence = self.broker.store([(subject, data)])
        stored = self.broker.streams[Stream.OBSERVATIONS].messages[-1]
        message = (sequence, subject, stored.time_ns, data)
        self.observations.append(message)
        self.state.observe(*message)
        return sequence

    def decide(self, *events):
        """Append a cycle of these decisions, whatever ``schedule`` would have said."""
        self._append(events)

    def found(self, end=False):
        """Everything found by now, as ``invariant: text``."""
        found = []
        for check in (self.checkers.check, *((self.checkers.check_end,) if end else ())):
            with contextlib.suppress(AssertionError):
                check()
            found += self.checkers.findings.found
            if end:  # what was found before would stand before what is found then
                self.checkers.findings.found = []
        return [str(violation) for violation in found]

    def _append(self, events):
        reign = max(1, self.state.reign + (type(events[0]).__name__ == "SchedulerClaimed"))
        cycle = frame_cycle(self.state, reign, tuple(events))
        self.broker.store(cycle.messages, cycle.after)
        for number, (frame, (subject, data)) in enumerate(
            zip(cycle.frames, cycle.messages, strict=True), cycle.after + 1
        ):
            self.decisions.append((number, subject, data, frame))
            self.state.decide(number, subject, data, frame)

    # -- clusters ------------------------------------------------------------------------------

    async def furnish(self, cpu="1", cluster="c1"):
        await add_node(
            self.clusters[cluster],
            "n1",
            {"cpu": cpu, "memory": "16Gi", "pods": "110"},
            clock=self.clock,
        )

    async def proxy(self, name="p", *, spec=None, cluster="c1", **annotations):
        """A proxy as the webhook makes it; its uid."""
        spec = spec or {"containers": [container("200m")]}
        notes = {KEYS.manifest: msgspec.json.encode({"spec": spec}).decode(), **annotations}
        manifest = {
            "metadata": {"name": name, "annotations": notes, "finalizers": [KEYS.finalizer]},
            "spec": {"schedulerName": "mcs", "containers": [container("200m")]},
        }
        pod = await self.clusters[cluster].create(PODS, manifest, namespace="default")
        return pod.metadata.uid

    async def delegate(self, uid, *, attempt=1, name="d", cluster="c1", node="n1"):
        """A delegate as the executor makes it, bound to ``node``."""
        labels = {KEYS.proxy_uid: uid, KEYS.attempt: str(attempt), KEYS.source: "c1"}
        manifest = {
            "metadata": {"name": name, "labels": labels},
            "spec": {"containers": [container("200m")]},
        }
        await self.clusters[cluster].create(PODS, manifest, namespace="default")
        if node:
            await self.bind(name, node, cluster=cluster)
        return f"{uid}.{attempt}"

    async def bind(self, name, node, *, cluster="c1"):
        binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": node}}
        await self.clusters[cluster].create(
            PODS, binding, namespace="default", name=name, subresource="binding"
        )

    async def status(self, name, phase=None, *, cluster="c1", **fields):
        """Write a pod's status."""
        status = {**({"phase": phase} if phase else {}), **fields}
        await self.clusters[cluster].patch(
            PODS,
            name,
            {"status": status},
            namespace="default",
            subresource="status",
            type=Patch.STRATEGIC,
        )

    async def release(self, name, *, cluster="c1"):
        """Take our finalizer away."""
        patch = {"metadata": {"finalizers": None}}
        await self.clusters[cluster].patch(PODS, name, patch, namespace="default")

    async def delete(self, name, *, by=AGENT, cluster="c1", kind=PODS):
        """Delete at once, and say who did it; nobody of ours, where ``by`` is empty."""
        namespace = "default" if kind is PODS else ""
        if kind is NODES:
            await self.clusters[cluster].delete(kind, name)
        else:
            await self.clusters[cluster].delete(kind, name, namespace=namespace, grace_s=0)
        if by:
            self.checkers.act(by, cluster, Request("delete", kind, namespace, name))


def container(cpu):
    return {"name": "main", "image": "i", "resources": {"requests": {"cpu": cpu}}}
