"""The observer on the memory twins: full accounts, changes, what is said of delegates."""

import asyncio
import contextlib

import msgspec

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.adapters.memory_log import Fate
from mcs.events import SCHEMA, codec
from mcs.events.constraints import Group
from mcs.events.decisions import PodPlaced, Policy, PolicyActivated
from mcs.events.frames import digest
from mcs.events.observations import (
    DelegateGone,
    DelegateObserved,
    DelegateRejected,
    End,
    NodeGone,
    NodeObserved,
    NodePoolGone,
    NodePoolObserved,
    Phase,
    PodGone,
    PodObserved,
    ProxyDeleted,
    ProxyGone,
    ProxyObserved,
    ResyncCompleted,
    ResyncStarted,
    VirtualNodeObserved,
)
from mcs.names import PROVIDER, VIRTUAL_NODE_TAINT
from mcs.objects.kinds import NODES, PODS
from mcs.ports import Patch, Stream
from mcs.projections.membership import Admission, Membership
from mcs.projections.membership import Member as FederationMember
from mcs.services.nodes import Nodes
from mcs.services.observer import Observer
from mcs.services.pods import Pods
from mcs.services.publisher import Publisher
from mcs.services.standing import Standing
from mcs.services.target_ledger import TargetLedger
from tests.services.clocks import HandClock, turns
from tests.services.members import KEYS, USER_POD, Log, until

CONTAINERS = [{"name": "main", "image": "busybox", "resources": {"requests": {"cpu": "200m"}}}]
TO_C1, TO_C3 = "delegate.c1", "delegate.c3"


class Target:
    """Cluster c2 and one epoch of its observer."""

    def __init__(self, log=None, cluster=None, *, epoch=1, roles=("source", "target")):
        self.log = log or Log()
        self.clock = HandClock()
        self.cluster = cluster or MemoryCluster("c2", self.clock)
        self.connection = self.log.broker.connect()
        self.publisher = Publisher(self.connection.append, self.clock, "c2", epoch)
        self.nodes = Nodes(self.cluster, KEYS, self.clock)
        self.pods = Pods(self.cluster, KEYS, self.clock, virtual_nodes=self.nodes.virtual_names)
        self.standing = Standing(self.connection)
        self.ledger = TargetLedger(self.connection, "c2") if "target" in roles else None
        self.observer = Observer(
            self.publisher,
            self.clock,
            KEYS,
            self.nodes,
            self.pods,
            standing=self.standing,
            source="source" in roles,
            told=self.ledger,
        )

    @contextlib.asynccontextmanager
    async def running(self, *, complete=True):
        parts = (self.publisher, self.standing, self.observer)
        runs = [asyncio.create_task(part.run()) for part in parts]
        try:
            if complete:
                async with asyncio.timeout(30):
                    await self.observer.complete.wait()
            yield self
        finally:
            for run in runs:
                run.cancel()
            for result in await asyncio.gather(*runs, return_exceptions=True):
                if not isinstance(result, asyncio.CancelledError):
                    raise result

    def told(self, channel):
        return self.log.told("c2", channel)

    def said(self, channel, *types):
        return [event for event in self.told(channel) if isinstance(event, types)]

    async def settled(self):
        """Everything said so far is in the log."""
        await turns()
        await self.publisher.flush()

    async def node(self, name, **labels):
        manifest = {
            "metadata": {"name": name, "labels": labels},
            "status": {
                "allocatable": {"cpu": "940m", "pods": "110"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }
        await self.cluster.create(NODES, manifest)

    async def pod(self, name, *, labels=None, annotations=None, **spec):
        metadata = {"name": name, "labels": labels or {}, "annotations": annotations or {}}
        manifest = {"metadata": metadata, "spec": {"containers": CONTAINERS} | spec}
        return await self.cluster.create(PODS, manifest, namespace="default")

    async def proxy(self, name, **metadata):
        text = msgspec.json.encode(USER_POD).decode()
        manifest = {
            "metadata": {"name": name, "annotations": {KEYS.manifest: text}} | metadata,
            "spec": {"containers": CONTAINERS, "schedulerName": "mcs"},
        }
        return await self.cluster.create(PODS, manifest, namespace="default")

    async def delegate(self, name, uid, *, source="c1", **spec):
        labels = {KEYS.proxy_uid: uid, KEYS.attempt: "1", KEYS.source: source}
        return await self.pod(name, labels=labels, **spec)

    async def status(self, name, **status):
        await self.cluster.patch(
            PODS,
            name,
            {"status": status},
            namespace="default",
            subresource="status",
            type=Patch.STRATEGIC,
        )

    async def patch(self, name, metadata):
        await self.cluster.patch(PODS, name, {"metadata": metadata}, namespace="default")

    async def delete(self, name, grace_s=0):
        await self.cluster.delete(PODS, name, namespace="default", grace_s=grace_s)


def placed(log, uid, *, source="c1"):
    """The decision that places a proxy in c2."""
    event = PodPlaced(
        placement=f"{uid}.1",
        uid=uid,
        source=source,
        target="c2",
        namespace="default",
        name=uid,
        delegate=f"{source}-default-{uid}",
        manifest="{}",
        node="n1",
    )
    log.decide(event, target="c2", source=source)


def kinds(events):
    return [type(event).__name__ for event in events]


async def test_an_epoch_begins_with_a_full_account_of_each_channel():
    target = Target()
    await target.node("n1")
    await target.pod("other", nodeName="n1")
    await target.pod("unbound")
    await target.proxy("proxy")
    await target.delegate("delegate", "u1")
    async with target.running():
        pass

    capacity = target.told("capacity")
    assert kinds(capacity) == [
        "ResyncStarted",
        "NodeObserved",
        "PodsObserved",
        "NodePoolObserved",
        "ResyncCompleted",
    ]
    assert capacity[1].allocatable == {"cpu": 940, "pods": 110}
    assert capacity[3] == NodePoolObserved(name="default", nodes=1)
    assert kinds(target.told("proxy")) == ["ResyncStarted", "ProxyObserved", "ResyncCompleted"]
    delegates = target.said(TO_C1, DelegateObserved)
    assert [event.placement for event in delegates] == ["u1.1"]
    assert capacity[-1].started == target.observer.resyncs["capacity"] == 1


async def test_lists_are_read_only_after_the_start_is_stored():
    target = Target()
    reachable = asyncio.Event()
    target.connection.fate = lambda _: Fate.DELIVERED if reachable.is_set() else Fate.UNSENT
    async with target.running(complete=False):
        for _ in range(10):
            await target.clock.advance(1)
        assert target.cluster.requests == 0

        reachable.set()
        await target.clock.advance(10)
        await until(target.observer.complete.is_set)
        assert target.cluster.requests > 0


async def test_a_source_only_speaks_of_no_delegates_and_a_target_only_of_no_proxies():
    for roles, channels in ("source", ["proxy"]), ("target", [TO_C1]):
        target = Target(roles=(roles,))
        await target.proxy("proxy")
        await target.delegate("delegate", "u1")
        async with target.running():
            pass

        spoken = [channel for channel in ("proxy", TO_C1) if target.told(channel)]
        assert spoken == channels


async def test_a_fact_is_repeated_only_when_it_changed():
    target = Target()
    await target.node("n1")
    await target.pod("other", nodeName="n1")
    await target.proxy("proxy")
    placed(target.log, "u1")
    await target.delegate("delegate", "u1")
    async with target.running():
        before = {name: len(target.told(name)) for name in ("capacity", "proxy", TO_C1)}
        await target.cluster.patch(NODES, "n1", {"metadata": {"annotations": {"seen": "now"}}})
        await target.patch("other", {"annotations": {"x": "y"}})
        await target.status("proxy", message="our own status write")
        await target.patch("delegate", {"finalizers": ["somebody.example/keeps"]})
        await target.settled()

    assert before == {name: len(target.told(name)) for name in before}


async def test_nodes_come_change_and_go_with_their_pools():
    target = Target()
    await target.node("n1", agentpool="a")
    async with target.running():
        await target.node("n2", agentpool="b")
        await target.cluster.patch(NODES, "n1", {"spec": {"unschedulable": True}})
        await target.cluster.delete(NODES, "n2")
        await until(lambda: target.said("capacity", NodePoolGone))

    after = target.told("capacity")[4:]
    assert kinds(after) == [
        "NodeObserved",
        "NodePoolObserved",
        "NodeObserved",
        "NodeGone",
        "NodePoolGone",
    ]
    assert after[2].cordoned
    assert after[3] == NodeGone(name="n2")
    assert after[4] == NodePoolGone(name="b")


async def test_pods_use_capacity_from_their_binding_to_their_end():
    target = Target()
    async with target.running():
        pod = await target.pod("other")
        await turns()
        binding = {"metadata": {"name": "other"}, "target": {"kind": "Node", "name": "n1"}}
        await target.cluster.create(
            PODS, binding, namespace="default", name="other", subresource="binding"
        )
        await until(lambda: target.said("capacity", PodObserved))
        summed = target.observer.usage.used
        assert summed["n1"]["cpu"] == 200

        await target.status("other", phase="Succeeded")
        await until(lambda: target.said("capacity", PodGone))
        await target.delete("other")
        await target.settled()
        assert summed == {}

    assert target.said("capacity", PodObserved)[0].node == "n1"
    assert target.said("capacity", PodGone) == [PodGone(uid=pod.metadata.uid)]


async def test_a_full_account_tells_pods_in_columns_once_the_scheduler_reads_them():
    told = {}
    for schema in (1, 2):
        target = Target()
        policy = PolicyActivated(rules=1, schema=schema, version="1", policy=Policy())
        target.log.decide(policy)
        for name in "ab":
            await target.pod(name, nodeName="n1")
        async with target.running():
            await target.pod("c", nodeName="n1")
            await until(lambda target=target: target.said("capacity", PodObserved))
            await until(lambda target=target: kinds(target.told("capacity"))[-1] == "PodObserved")
        told[schema] = kinds(target.told("capacity"))

    assert told[1] == ["ResyncStarted", *["PodObserved"] * 2, "ResyncCompleted", "PodObserved"]
    assert told[2] == ["ResyncStarted", "PodsObserved", "ResyncCompleted", "PodObserved"]


async def test_a_full_account_tells_each_thing_once():
    target = Target()
    await target.node("n1")
    pod = await target.pod("a", nodeName="n1")
    async with target.running():
        capacity = target.observer.capacity
        capacity.begin()
        node, used = target.nodes.real["n1"], target.pods.others[pod.metadata.uid]
        for _ in range(2):
            capacity.node(node, node)
            capacity.use(used, used)
        await target.settled()

        told = kinds(target.told("capacity"))
        assert told[-2:] == ["ResyncCompleted", "NodeObserved"]

        capacity.complete()
        await target.settled()

    told = kinds(target.told("capacity"))
    assert told[-3:] == ["NodeObserved", "PodsObserved", "NodePoolObserved"]


async def test_a_pod_that_ends_within_a_full_account_ends_after_it_was_told():
    target = Target()
    pod = await target.pod("a", nodeName="n1")
    async with target.running():
        capacity = target.observer.capacity
        capacity.begin()
        used = target.pods.others[pod.metadata.uid]
        capacity.use(used, used)
        capacity.use(used, None)
        await target.settled()

    assert kinds(target.told("capacity"))[-2:] == ["PodsObserved", "PodGone"]


async def test_proxies_and_virtual_nodes_are_no_capacity():
    target = Target()
    await target.node("mcs-c3", **{VIRTUAL_NODE_TAINT: PROVIDER, KEYS.target: "c3"})
    await target.pod("stray", nodeName="mcs-c3")
    await target.proxy("proxy")
    async with target.running():
        await target.cluster.patch(NODES, "mcs-c3", {"spec": {"unschedulable": True}})
        await until(lambda: len(target.said("proxy", VirtualNodeObserved)) == 2)
        assert target.said("capacity", NodeObserved, PodObserved) == []

        await target.cluster.delete(NODES, "mcs-c3")
        await until(lambda: len(target.said("proxy", VirtualNodeObserved)) == 3)

    assert target.said("proxy", VirtualNodeObserved) == [
        VirtualNodeObserved(target="c3"),
        VirtualNodeObserved(target="c3", cordoned=True),
        VirtualNodeObserved(target="c3", cordoned=True, present=False),
    ]


async def test_a_proxys_deletion_and_end_are_told():
    target = Target()
    async with target.running():
        pod = await target.proxy("proxy", finalizers=[KEYS.finalizer])
        await target.delete("proxy", grace_s=30)
        await until(lambda: target.said("proxy", ProxyDeleted))
        await target.patch("proxy", {"finalizers": None})
        await until(lambda: target.said("proxy", ProxyGone))

    told = target.said("proxy", ProxyObserved, ProxyDeleted, ProxyGone)
    assert kinds(told)[:2] == ["ProxyObserved", "ProxyDeleted"]
    assert told[-1] == ProxyGone(uid=pod.metadata.uid, namespace="default", name="proxy")


async def test_an_unreadable_proxy_delays_nobody(caplog):
    target = Target()
    await target.proxy("bad", annotations={KEYS.manifest: "{not json"})
    await target.proxy("good")
    async with target.running():
        pass

    assert [event.name for event in target.said("proxy", ProxyObserved)] == ["good"]
    assert "default/bad cannot be placed" in caplog.text


async def test_how_a_delegate_ended_is_its_last_known_state():
    ends = {}
    for end, status, grace_s in (
        (End.SUCCEEDED, {"phase": "Succeeded"}, 0),
        (End.FAILED, {"phase": "Failed"}, 0),
        (End.DELETED, {}, 30),
        (End.UNKNOWN, {}, None),
    ):
        target = Target()
        await target.delegate("d", "u1", nodeName="n1", terminationGracePeriodSeconds=30)
        async with target.running():
            if status:
                await target.status("d", **status)
            if grace_s:
                await target.delete("d", grace_s=grace_s)
            await turns()
            if grace_s is None:
                target.pods.replace([])
            else:
                await target.delete("d")
            await until(lambda target=target: target.said(TO_C1, DelegateGone))
        (gone,) = target.said(TO_C1, DelegateGone)
        ends[end] = gone.end
        assert (gone.placement, gone.namespace, gone.name) == ("u1.1", "default", "d")

    assert ends == {end: end for end in ends}


async def test_a_sources_first_delegate_opens_its_channel_with_a_full_account():
    target = Target()
    async with target.running():
        lists = target.cluster.requests
        await target.delegate("d", "u1", source="c3")
        await until(lambda: TO_C3 in target.observer.resyncs)

    told = target.told(TO_C3)
    assert kinds(told) == [
        "ResyncStarted",
        "DelegateObserved",
        "ResyncStarted",
        "DelegateObserved",
        "ResyncCompleted",
    ]
    reasons = [event.reason for event in told if isinstance(event, ResyncStarted)]
    assert reasons == ["first use", "after first use"]  # nobody requested it
    assert target.cluster.requests == lists + 1  # the create: nothing was listed for it


async def test_a_rejection_may_be_a_channels_first_word():
    target = Target()
    async with target.running():
        event = DelegateRejected(placement="u1.1", namespace="n", name="d", reason="Forbidden")
        await target.publisher.publish(TO_C3, event)
        await until(lambda: TO_C3 in target.observer.resyncs)

    assert kinds(target.told(TO_C3))[:2] == ["ResyncStarted", "DelegateRejected"]


async def test_sources_in_the_ledger_get_an_account_though_nothing_runs_for_them():
    target = Target()
    placed(target.log, "u1", source="c3")
    async with target.running():
        pass

    assert kinds(target.told(TO_C3)) == ["ResyncStarted", "ResyncCompleted"]


async def test_a_restart_tells_of_what_vanished_and_of_nothing_that_lives():
    log = Log()
    first = Target(log, epoch=1)
    for uid in "lives", "vanishes", "ends":
        placed(log, uid)
        await first.delegate(uid, uid)
    async with first.running():
        await first.status("ends", phase="Succeeded")
        await until(lambda: any(e.phase.ended for e in first.said(TO_C1, DelegateObserved)))
    await first.delete("vanishes")
    await first.delete("ends")
    placed(log, "never-seen")
    second = Target(log, first.cluster, epoch=2)
    async with second.running():
        pass

    gone = {event.placement: event.end for event in second.said(TO_C1, DelegateGone)}
    assert gone == {"vanishes.1": End.UNKNOWN, "ends.1": End.SUCCEEDED}

    third = Target(log, first.cluster, epoch=3)
    async with third.running():
        pass
    assert len(third.said(TO_C1, DelegateGone)) == 2


async def test_a_deletion_seen_before_the_restart_is_how_it_ended():
    log = Log()
    first = Target(log, epoch=1)
    placed(log, "u1")
    await first.delegate("d", "u1", nodeName="n1", terminationGracePeriodSeconds=30)
    async with first.running():
        await first.delete("d", grace_s=30)
        await until(lambda: any(e.deleting for e in first.said(TO_C1, DelegateObserved)))
    await first.delete("d")
    second = Target(log, first.cluster, epoch=2)
    async with second.running():
        pass

    assert [event.end for event in second.said(TO_C1, DelegateGone)] == [End.DELETED]


async def test_what_vanished_is_told_though_its_decision_cannot_be_read():
    log = Log()
    log.observe(
        "c2",
        TO_C1,
        ResyncStarted(),
        DelegateObserved(placement="u1.1", namespace="default", name="d", uid="d", node="n1"),
    )
    second = Target(log, epoch=2)
    async with second.running():
        pass

    assert [event.placement for event in second.said(TO_C1, DelegateGone)] == ["u1.1"]


async def test_a_resync_on_request_says_everything_again():
    target = Target()
    await target.node("n1")
    await target.proxy("proxy")
    placed(target.log, "u1")
    await target.delegate("delegate", "u1")
    async with target.running() as running:
        await running.clock.advance(10)
        assert target.observer.ask()
        known = dict(target.observer.resyncs)
        await until(
            lambda: all(target.observer.resyncs[name] > started for name, started in known.items())
        )

    for channel, kind in (
        ("capacity", NodeObserved),
        ("proxy", ProxyObserved),
        (
            TO_C1,
            DelegateObserved,
        ),
    ):
        told = target.told(channel)
        starts = [at for at, event in enumerate(told) if isinstance(event, ResyncStarted)]
        again = told[starts[-1] :]
        assert isinstance(again[-1], ResyncCompleted)
        assert [type(event) for event in again].count(kind) == 1


async def test_one_channel_is_resynced_alone():
    target = Target()
    async with target.running():
        await target.clock.advance(10)
        before = dict(target.observer.resyncs)
        assert target.observer.ask("capacity")
        await until(lambda: target.observer.resyncs["capacity"] > before["capacity"])
        await target.settled()

    assert target.observer.resyncs["proxy"] == before["proxy"]


async def test_the_cluster_channel_has_an_account_too():
    target = Target()
    async with target.running():
        assert target.observer.ask("cluster")
        await until(lambda: "cluster" in target.observer.resyncs)

    assert kinds(target.told("cluster")) == ["ResyncStarted", "ResyncCompleted"]


async def test_requests_for_resyncs_are_limited():
    target = Target()
    async with target.running():
        assert not target.observer.ask("capacity")
        assert not target.observer.ask("no-such-channel")
        await target.clock.advance(10)
        assert target.observer.ask("capacity")
        await until(lambda: target.observer.resyncs["capacity"] > 1)
        assert not target.observer.ask("capacity")


async def test_after_a_change_of_schema_everything_is_said_anew_in_its_words():
    target = Target()
    annotations = KEYS.group, KEYS.group_size
    pod = USER_POD | {"metadata": {"annotations": dict(zip(annotations, ("g", "2"), strict=True))}}
    await target.proxy("p", annotations={KEYS.manifest: msgspec.json.encode(pod).decode()})
    async with target.running():
        for schema in (1, SCHEMA):
            before = dict(target.observer.resyncs)
            target.observer.speak(schema)
            await until(
                lambda before=before: all(
                    target.observer.resyncs[name] > started for name, started in before.items()
                )
            )
        await target.settled()
        last = dict(target.observer.resyncs)
        target.observer.speak(SCHEMA)
        await target.settled()

    grouped = Group(name="g", size=2)
    assert [seen.group for seen in target.said("proxy", ProxyObserved)] == [grouped, None, grouped]
    assert target.observer.resyncs == last


async def test_every_frame_is_taken_though_each_answer_is_lost_once():
    target = Target()
    await target.node("n1")
    for name in "abc":
        await target.proxy(name)
        await target.delegate(f"d-{name}", name)
    sent = []

    def lose_first_answers(messages):
        sent.append(messages[0])
        return Fate.ANSWER_LOST if sent.count(messages[0]) == 1 else Fate.DELIVERED

    target.connection.fate = lose_first_answers
    async with target.running(complete=False):
        for _ in range(200):
            await target.clock.advance(1)
            if target.observer.complete.is_set():
                break
        assert target.observer.complete.is_set()

    admissions = admitted(target.log)
    assert set(admissions) == {Admission.TAKEN, Admission.OLD}
    assert admissions.count(Admission.TAKEN) == admissions.count(Admission.OLD)


def admitted(log):
    """How a scheduler would judge each frame of c2 after a join at sequence 1."""
    membership = Membership()
    membership.members["c2"] = FederationMember(name="c2", uid="", epoch=1)
    found = []
    for message in log.broker.streams[Stream.OBSERVATIONS].messages:
        frame, _ = codec.decode_observation(message.subject, message.data)
        found.append(
            membership.admit(frame, message.sequence, digest(message.subject, message.data), 0)
        )
    return found


async def test_the_summary_adds_up_what_was_observed():
    target = Target()
    await target.node("n1", zone="z")
    await target.node("n2", zone="z")
    await target.pod("other", nodeName="n1")
    await target.delegate("d", "u1", nodeName="n2")
    async with target.running():
        summary = target.observer.summary()

    assert summary.totals == {"cpu": 1880, "pods": 220}
    assert summary.free == {"cpu": 1480, "pods": 218}
    assert (summary.nodes, summary.pods) == (2, 2)
    assert summary.labels == {"zone": "z"}
    assert target.said(TO_C1, DelegateObserved)[0].phase is Phase.PENDING
