"""Feedback on the memory twins: bound late, never ahead, few writes, let go only by decision."""

import contextlib

import msgspec

from mcs.errors import Unreachable
from mcs.events.decisions import (
    ClusterLost,
    ClusterRecovered,
    Lacks,
    PlacementWithdrawn,
    PodDeferred,
    PodPlaced,
    ProxyEvicted,
    ProxyReleased,
)
from mcs.events.observations import (
    DelegateGone,
    DelegateObserved,
    DelegateRejected,
    End,
    Phase,
)
from mcs.events.subjects import delegate_channel
from mcs.names import virtual_node
from mcs.objects.kinds import EVENTS, PODS
from mcs.services.feedback import Feedback, FeedbackSettings
from tests.services.members import KEYS, Log, Member, settled, until

QUICK = FeedbackSettings(
    workers=4, patience_s=0.05, leisure_s=0.0, conflict_s=0.01, lease_s=0.01, forget_s=0.05
)
NODE = virtual_node("c2")
STARTED = "2026-01-01T00:00:00Z"


class Source(Member):
    def __init__(self, log=None, cluster=None):
        super().__init__(log or Log(), "c1", cluster)
        self.feedback = Feedback(
            name="c1",
            cluster=self.cluster,
            log=self.connection,
            standing=self.standing,
            pods=self.pods,
            clock=self.clock,
            keys=KEYS,
            held=self.held,
            settings=QUICK,
        )
        self.writes = []
        self.cluster.after = self._count

    async def _count(self, request):
        if request.verb in {"create", "patch", "delete"} and request.kind is PODS:
            self.writes.append((request.verb, request.subresource))

    @contextlib.asynccontextmanager
    async def acting(self):
        async with self.running(self.feedback):
            await until(self.feedback.ready.is_set)
            yield self

    async def proxy(self, name="a"):
        """A new proxy, in the log's words from here on."""
        pod = await self.create_proxy(name)
        await until(lambda: pod.metadata.uid in self.pods.proxies)
        self.writes.clear()
        return Proxied(self, pod)

    async def events(self):
        listed = await self.cluster.list(EVENTS)
        return {event.reason: event.message for event in listed.items}


class Proxied:
    """What is decided and told about one proxy."""

    def __init__(self, source, pod):
        self.source, self.log, self.uid, self.name = source, source.log, pod.metadata.uid, "a"
        self.attempt = 0
        self.names = {"namespace": "default", "name": pod.metadata.name}

    @property
    def id(self):
        return f"{self.uid}.{self.attempt}"

    def place(self, target="c2"):
        self.attempt += 1
        self._decide(
            PodPlaced, target=target, placement=self.id, delegate="d", manifest="{}", node="n1"
        )

    def defer(self, **reasons):
        self._decide(PodDeferred, target="", reasons=reasons)

    def withdraw(self, target="c2", **fields):
        fields = {"placement": self.id, "delegate": "d", "reason": "deleted"} | fields
        self._decide(PlacementWithdrawn, target=target, **fields)

    def release(self):
        self._decide(ProxyReleased, target="c2", placement=self.id, reason="proxy deleted")

    def evict(self):
        event = ProxyEvicted(
            uid=self.uid, source="c1", placement=self.id, reason="drained", **self.names
        )
        self.log.decide(event, target="c2", source="c1")

    def _decide(self, kind, *, target, **fields):
        if kind is not PodDeferred:
            fields["target"] = target
        event = kind(uid=self.uid, source="c1", **self.names, **fields)
        self.log.decide(event, target=target, source="c1")

    def observe(self, phase=Phase.RUNNING, node="n1", target="c2", **status):
        ready = "True" if phase is Phase.RUNNING else "False"
        status = {
            "phase": phase,
            "startTime": STARTED,
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": STARTED}],
        } | status
        self._tell(
            DelegateObserved,
            target,
            uid="u-d",
            phase=phase,
            node=node,
            status=msgspec.Raw(msgspec.json.encode(status)),
        )

    def reject(self, message="exceeded quota"):
        self._tell(DelegateRejected, "c2", reason="QuotaExceeded", message=message)

    def gone(self, end):
        self._tell(DelegateGone, "c2", end=end)

    def _tell(self, kind, target, **fields):
        event = kind(placement=self.id, namespace="default", name="d", **fields)
        self.log.observe(target, delegate_channel("c1"), event)

    async def pod(self):
        return await self.source.pod(self.names["name"])

    def shows(self, phase):
        async def shown():
            pod = await self.pod()
            return pod is not None and pod.status.phase == phase and pod

        return until(shown)

    def is_gone(self):
        async def gone():
            return await self.pod() is None

        return until(gone)

    def is_bound(self):
        async def bound():
            pod = await self.pod()
            return pod.spec.node_name

        return until(bound)


def condition(pod, type):
    return next((item for item in pod.status.conditions or () if item.type == type), None)


async def test_a_pods_whole_life_costs_a_binding_and_two_statuses():
    async with Source().acting() as source:
        proxy = await source.proxy()
        proxy.place()
        proxy.observe(Phase.PENDING, node="")
        proxy.observe(Phase.PENDING)
        await proxy.is_bound()
        proxy.observe(Phase.RUNNING)
        pod = await proxy.shows("Running")
        assert pod.spec.node_name == NODE
        assert pod.status.start_time == STARTED
        proxy.observe(Phase.SUCCEEDED)
        await proxy.shows("Succeeded")
        await settled()

        assert source.writes == [("create", "binding"), ("patch", "status"), ("patch", "status")]


async def test_a_proxy_stays_unbound_while_its_delegate_has_no_node():
    async with Source().acting() as source:
        proxy = await source.proxy()
        proxy.place()
        proxy.observe(Phase.PENDING, node="")
        await settled()

        assert (await proxy.pod()).spec.node_name is None
        assert source.writes == []


async def test_a_slow_start_is_shown_after_a_while():
    async with Source().acting() as source:
        proxy = await source.proxy()
        proxy.place()
        proxy.observe(Phase.PENDING)

        async def starting():
            return (await proxy.pod()).status.start_time == STARTED

        await until(starting)


async def test_a_deferred_proxy_says_why_and_is_never_unschedulable():
    async with Source().acting() as source:
        proxy = await source.proxy()
        proxy.defer(c2=Lacks(resource="cpu"))

        async def explained():
            return condition(await proxy.pod(), "PodScheduled")

        shown = await until(explained)
        assert (shown.status, shown.reason) == ("False", "WaitingForCluster")
        assert "c2: not enough cpu" in shown.message
        events = await until(source.events)
        assert "c2: not enough cpu" in events["Deferred"]


async def test_a_rejection_is_shown_in_the_api_servers_words():
    async with Source().acting() as source:
        proxy = await source.proxy()
        proxy.place()
        proxy.reject("exceeded quota: small")

        async def explained():
            shown = condition(await proxy.pod(), "PodScheduled")
            return shown and "exceeded quota: small" in shown.message

        await until(explained)

        async def told():
            return (await source.events()).get("DelegateRejected")

        assert "exceeded quota: small" in await until(told)


async def test_an_event_that_fails_delays_no_status():
    async def refuse(request):
        if request.kind is EVENTS:
            raise Unreachable("no events today")

    source = Source()
    source.cluster.before = refuse
    async with source.acting():
        proxy = await source.proxy()
        proxy.place()
        proxy.observe()

        await proxy.shows("Running")


async def test_a_second_attempt_elsewhere_is_followed():
    async with Source().acting() as source:
        proxy = await source.proxy()
        proxy.place()
        proxy.withdraw(unbound_only=True)
        proxy.gone(End.NEVER_CREATED)
        proxy.place("c3")
        proxy.observe(target="c3")

        await proxy.shows("Running")
        assert await proxy.is_bound() == virtual_node("c3")


async def test_a_deleted_proxy_waits_for_its_delegate_and_then_goes():
    async with Source().acting() as source:
        proxy = await source.proxy()
        proxy.place()
        proxy.observe()
        await proxy.shows("Running")
        await source.cluster.delete(PODS, "a", namespace="default", grace_s=7)
        proxy.withdraw(grace_s=7)
        await settled()
        pod = await proxy.pod()
        assert pod.metadata.deletion_grace_period_seconds == 7
        assert KEYS.finalizer in pod.metadata.finalizers

        proxy.gone(End.DELETED)
        proxy.release()
        await proxy.is_gone()


async def test_a_waiting_proxy_is_let_go_by_one_write():
    async with Source().acting() as source:
        proxy = await source.proxy()
        await source.cluster.delete(PODS, "a", namespace="default")
        source.writes.clear()
        proxy.release()
        await proxy.is_gone()

        assert source.writes == [("patch", "status")]


async def test_a_running_proxy_is_let_go_by_two_writes_and_no_word_about_it():
    async with Source().acting() as source:
        proxy = await source.proxy()
        proxy.place()
        proxy.observe()
        await proxy.shows("Running")
        await source.cluster.delete(PODS, "a", namespace="default")
        source.writes.clear()
        proxy.withdraw(reason="proxy deleted")
        proxy.observe(Phase.FAILED)
        proxy.gone(End.FAILED)
        proxy.release()
        await proxy.is_gone()
        await settled()

        assert source.writes == [("patch", "status"), ("delete", "")]
        assert "Withdrawn" not in await source.events()


async def test_a_release_before_the_log_was_read_is_carried_out_by_the_next_agent():
    source = Source()
    async with source.acting():
        proxy = await source.proxy()
        proxy.place()
        await source.cluster.delete(PODS, "a", namespace="default")
    proxy.release()

    again = Source(source.log, source.cluster)
    async with again.acting():
        await Proxied.is_gone(proxy)


async def test_an_evicted_proxy_is_deleted_and_its_finalizer_waits():
    async with Source().acting() as source:
        proxy = await source.proxy()
        proxy.place()
        proxy.observe()
        await proxy.shows("Running")
        proxy.evict()

        async def going():
            return (await proxy.pod()).metadata.deletion_timestamp

        await until(going)
        await settled()
        assert source.writes.count(("delete", "")) == 1
        proxy.gone(End.DELETED)
        proxy.release()
        await proxy.is_gone()


async def test_a_proxy_released_while_it_runs_fails_and_goes():
    seen = []
    async with Source().acting() as source:
        source.pods.subscribe(lambda _role, _before, after: seen.append(after))
        proxy = await source.proxy()
        proxy.place()
        proxy.observe()
        await proxy.shows("Running")
        proxy.release()
        await proxy.is_gone()

    phases = [pod.status.phase for pod in seen if pod is not None]
    assert phases[-1] == "Failed"


async def test_a_vanished_delegate_fails_its_proxy_and_says_so():
    async with Source().acting() as source:
        proxy = await source.proxy()
        proxy.place()
        proxy.observe()
        proxy.gone(End.UNKNOWN)

        pod = await proxy.shows("Failed")
        assert pod.status.reason == "DelegateVanished"

        async def told():
            return (await source.events()).get("DelegateVanished")

        await until(told)


async def test_a_lost_clusters_waiting_proxy_is_bound_but_never_ones_own():
    async with Source().acting() as source:
        proxy, own = await source.proxy(), await source.proxy("b")
        proxy.place()
        own.place("c1")
        source.log.decide(ClusterLost(cluster="c2"), ClusterLost(cluster="c1"))

        assert await proxy.is_bound() == NODE
        await settled()
        assert (await own.pod()).spec.node_name is None


async def test_readiness_that_kubernetes_took_away_is_restored_unless_the_cluster_is_lost():
    async with Source().acting() as source:
        proxy = await source.proxy()
        proxy.place()
        proxy.observe()
        await proxy.shows("Running")

        async def ready():
            return condition(await proxy.pod(), "Ready").status == "True"

        await until(ready)
        await source.set_status("a", conditions=[{"type": "Ready", "status": "False"}])
        await until(ready)

        source.log.decide(ClusterLost(cluster="c2"))
        await until(lambda: source.standing.lost)
        await source.set_status("a", conditions=[{"type": "Ready", "status": "False"}])
        await settled()
        assert not await ready()

        source.log.decide(ClusterRecovered(cluster="c2"))
        await until(ready)


async def test_a_proxy_made_again_under_its_name_is_not_touched_by_the_old_ones_story():
    async with Source().acting() as source:
        proxy = await source.proxy()
        proxy.place()
        proxy.observe()
        await proxy.shows("Running")
        await source.cluster.delete(PODS, "a", namespace="default", grace_s=0)
        proxy.release()
        await proxy.is_gone()
        await source.proxy()
        proxy.observe(Phase.FAILED)
        await settled()

        assert (await source.pod("a")).status.phase == "Pending"
        assert source.writes == []


async def test_an_api_server_that_is_away_for_a_while_is_caught_up_with():
    async with Source().acting() as source:
        proxy = await source.proxy()
        source.cluster.stop()
        proxy.place()
        proxy.observe()
        await settled()
        source.cluster.start()

        await proxy.shows("Running")


async def test_what_is_known_of_a_proxy_goes_after_it():
    async with Source().acting() as source:
        proxy = await source.proxy()
        proxy.place()
        await source.cluster.delete(PODS, "a", namespace="default")
        proxy.release()
        await proxy.is_gone()

        await until(lambda: not source.feedback.followed.ledger.placements)


async def test_a_burst_is_shown_whole():
    async with Source().acting() as source:
        proxies = [await source.proxy(f"p{number}") for number in range(30)]
        for proxy in proxies:
            proxy.place()
            proxy.observe()
        for proxy in proxies:
            await proxy.shows("Running")
        await settled()

        assert len(source.writes) == 2 * len(proxies)


async def test_nothing_is_written_by_a_feedback_that_no_longer_leads():
    async with Source().acting() as source:
        proxy = await source.proxy()
        source.leads = False
        proxy.place()
        proxy.observe()
        await settled()
        assert source.writes == []

        source.leads = True
        await proxy.shows("Running")
