"""Builds small logs for tests: frames numbered and chained as agents and schedulers write them."""

from mcs.decisions.framing import frame_cycle
from mcs.decisions.scheduling import schedule
from mcs.events import codec, subjects
from mcs.events.decisions import CycleMarked, Policy, PolicyActivated, SchedulerClaimed
from mcs.events.frames import SCHEMA, ObservationFrame, digest
from mcs.events.observations import (
    ClusterHeartbeat,
    ClusterJoined,
    DelegateObserved,
    NodeObserved,
    OperatorCommanded,
    PodObserved,
    PodsObserved,
    ProxyDeleted,
    ProxyObserved,
    ResyncCompleted,
    ResyncStarted,
    Ticked,
)
from mcs.names import Keys
from mcs.projections.state import RULES, State

GIB = 1 << 30
MANIFEST = (
    '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default"},'
    '"spec":{"containers":[{"name":"main","image":"busybox"}]}}'
)


def node(name="n1", *, cpu=1000, memory=16 * GIB, pods=110, **fields):
    allocatable = {"cpu": cpu, "memory": memory, "pods": pods, **fields.pop("more", {})}
    return NodeObserved(name=name, allocatable=allocatable, **fields)


def proxy(uid="u1", *, cpu=200, created="2026-01-01T00:00:00Z", **fields):
    fields.setdefault("name", f"pod-{uid}")
    fields.setdefault("requests", {"cpu": cpu})
    return ProxyObserved(uid=uid, namespace="default", created=created, manifest=MANIFEST, **fields)


def deleted(uid="u1", grace_s=30):
    return ProxyDeleted(uid=uid, namespace="default", name=f"pod-{uid}", grace_s=grace_s)


def delegate(placement, **fields):
    fields.setdefault("requests", {"cpu": 200})
    return DelegateObserved(
        placement=placement, namespace="default", name="d", uid="d-" + placement, **fields
    )


def pod(uid, node_name, cpu):
    return PodObserved(
        uid=uid, namespace="default", name=uid, node=node_name, requests={"cpu": cpu}
    )


def pods(*each):
    """Pods in columns, each given as (uid, node, cpu)."""
    nodes = tuple(dict.fromkeys(node for _, node, _ in each))
    asks = tuple(dict.fromkeys(cpu for _, _, cpu in each))
    return PodsObserved(
        uid=tuple(uid for uid, _, _ in each),
        name=tuple(uid for uid, _, _ in each),
        namespace=(0,) * len(each),
        node=tuple(nodes.index(node) for _, node, _ in each),
        ask=tuple(asks.index(cpu) for _, _, cpu in each),
        namespaces=("default",),
        nodes=nodes,
        asks=tuple({"cpu": cpu} for cpu in asks),
    )


class World:
    """A log in memory, and the state of a scheduler that folds it as it is written."""

    def __init__(self, policy=None):
        self.state = State()
        self.keys = Keys()
        self.observations = []  # (sequence, subject, time_ns, data)
        self.decisions = []  # (sequence, subject, data, frame)
        self.now_ns = 1_700_000_000_000_000_000
        self.epochs = {}
        self.channels = {}
        self._append(
            (
                SchedulerClaimed(reign=1, id="claim"),
                PolicyActivated(
                    rules=RULES, schema=SCHEMA, version="test", policy=policy or Policy()
                ),
            )
        )

    def join(self, cluster, *nodes, roles=("source", "target"), id="", uid="", proxies=()):
        """A cluster joins and gives a full account of these nodes and proxies."""
        event = ClusterJoined(id=id or f"join-{cluster}", uid=uid or f"uid-{cluster}", roles=roles)
        data = codec.encode(
            ObservationFrame(source=cluster, channel=subjects.CLUSTER, events=(event,))
        )
        subject = subjects.observation(cluster, subjects.CLUSTER)
        sequence = self.store(subject, data)
        self.epochs[cluster] = sequence
        for key in [key for key in self.channels if key[0] == cluster]:
            del self.channels[key]
        self.channels[cluster, subjects.CLUSTER] = (0, digest(subject, data))
        self.resync(cluster, subjects.CAPACITY, *nodes)
        self.resync(cluster, subjects.PROXY, *proxies)
        return sequence

    def resync(self, cluster, channel, *events):
        started = self.observe(cluster, channel, ResyncStarted())
        self.observe(cluster, channel, *events, ResyncCompleted(started=started))
        return started

    def observe(self, cluster, channel, *events, epoch=None, number=None):
        """A cluster's next frame on a channel; returns its sequence."""
        subject = subjects.observation(cluster, channel)
        last, previous = self.channels.get((cluster, channel), (-1, ""))
        frame = ObservationFrame(
            source=cluster,
            epoch=self.epochs[cluster] if epoch is None else epoch,
            channel=channel,
            number=last + 1 if number is None else number,
            previous=previous,
            events=events,
        )
        data = codec.encode(frame)
        self.channels[cluster, channel] = (frame.number, digest(subject, data))
        return self.store(subject, data)

    def proxies(self, cluster, *events):
        return self.observe(cluster, subjects.PROXY, *events)

    def capacity(self, cluster, *events):
        return self.observe(cluster, subjects.CAPACITY, *events)

    def heartbeat(self, cluster, **fields):
        return self.observe(cluster, subjects.CLUSTER, ClusterHeartbeat(**fields))

    def delegates(self, target, source, *events):
        """Delegate observations; a channel's first frame in an epoch starts a resync."""
        channel = subjects.delegate_channel(source)
        if (target, channel) not in self.channels:
            self.resync(target, channel)
        return self.observe(target, channel, *events)

    def command(self, **fields):
        event = OperatorCommanded(**fields)
        frame = ObservationFrame(source="_operator", channel=event.verb, events=(event,))
        return self.store(subjects.operator(event.verb), codec.encode(frame))

    def tick(self, seconds=1, times=1):
        for _ in range(times):
            self.now_ns += int(seconds * 1e9)
            frame = ObservationFrame(source="_clock", channel="", events=(Ticked(),))
            self.store(subjects.TICKS, codec.encode(frame))

    def store(self, subject, data):
        """Store any message in OBSERVATIONS and fold it."""
        self.now_ns += 1_000_000
        message = (len(self.observations) + 1, subject, self.now_ns, data)
        self.observations.append(message)
        self.state.observe(*message)
        return message[0]

    def cycle(self):
        """Decide, append, fold; returns the events decided."""
        events = schedule(self.state, self.keys)
        if events:
            self._append(events)
        return events

    def mark(self):
        self._append((CycleMarked(),))

    def replay(self):
        """A fresh state folded from the same log, with the digest compared at every cycle."""
        state = State()
        for sequence, subject, data, frame in self.decisions:
            while state.observed.sequence < frame.based_on:
                state.observe(*self.observations[state.observed.sequence])
            if frame.index == 0:
                assert state.digest() == frame.state, f"I3 at cycle {frame.cycle}"
                assert state.observed.digest == frame.observed
            state.decide(sequence, subject, data, frame)
        while state.observed.sequence < len(self.observations):
            state.observe(*self.observations[state.observed.sequence])
        return state

    def _append(self, events):
        reign = max(1, self.state.reign)
        cycle = frame_cycle(self.state, reign, tuple(events))
        for index, (frame, (subject, data)) in enumerate(
            zip(cycle.frames, cycle.messages, strict=True)
        ):
            sequence = cycle.after + index + 1
            self.decisions.append((sequence, subject, data, frame))
            self.state.decide(sequence, subject, data, frame)
