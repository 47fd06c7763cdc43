"""An executor on the memory twins: creates once, deletes by decision, tells of what failed."""

import contextlib

import msgspec
import pytest

from mcs.adapters.memory_log import Fate
from mcs.errors import Forbidden, Unreachable
from mcs.events.decisions import ClusterRemoved
from mcs.events.observations import DelegateGone, DelegateRejected, End, Phase
from mcs.events.subjects import delegate_channel
from mcs.objects.kinds import NAMESPACES, PODS
from mcs.ports import Stream
from mcs.services.creating import ExecutorSettings
from mcs.services.executor import Executor
from tests.decisions import placements
from tests.decisions.placements import DELEGATE, ID, UID, observed, released, withdrawn
from tests.services.members import KEYS, Log, Member, SlowLog, manifest, settled, until

QUICK = ExecutorSettings(
    workers=4, settle_s=0.1, view_s=0.05, blocked_s=0.01, lease_s=0.01, forget_s=0.05
)
TO_C1 = delegate_channel("c1")


def placed(attempt=1):
    return msgspec.structs.replace(placements.placed(attempt), manifest=manifest(attempt=attempt))


class Target(Member):
    def __init__(self, log=None, cluster=None, connection=None):
        super().__init__(log or Log(), "c2", cluster, connection)
        self.executor = Executor(
            name="c2",
            cluster=self.cluster,
            log=self.connection,
            standing=self.standing,
            pods=self.pods,
            teller=self.publisher,
            clock=self.clock,
            keys=KEYS,
            held=self.held,
            settings=QUICK,
        )
        self.creates = self.deletes = 0
        self.cluster.before = self._count

    async def _count(self, request):
        self.creates += request.verb == "create" and request.kind is PODS
        self.deletes += request.verb == "delete" and request.kind is PODS

    def decide(self, *events):
        return self.log.decide(*events, target="c2", source="c1")

    def told(self, *kinds):
        return [event for event in self.log.told("c2", TO_C1) if isinstance(event, kinds)]

    @contextlib.asynccontextmanager
    async def acting(self, *, opted_in=True):
        if opted_in:
            await self.opt_in()
        async with self.running(self.executor):
            yield self


async def test_a_placement_becomes_a_delegate():
    async with Target().acting() as target:
        target.decide(placed())

        pod = await until(lambda: target.pod(DELEGATE))

        assert pod.metadata.labels[KEYS.proxy_uid] == UID
        assert pod.metadata.labels[KEYS.attempt] == "1"


async def test_a_restarted_executor_creates_nothing_again():
    target = Target()
    target.decide(placed())
    async with target.acting():
        await until(lambda: target.pod(DELEGATE))
        target.log.observe("c2", TO_C1, observed(node="n1"))
    await target.cluster.delete(PODS, DELEGATE, namespace="default", grace_s=0)

    again = Target(target.log, target.cluster)
    async with again.acting():
        await until(again.executor.ready.is_set)
        await settled()

        assert await again.pod(DELEGATE) is None
        assert again.creates == 0


async def test_nothing_is_written_by_an_executor_that_no_longer_leads():
    target = Target()
    target.leads = False
    async with target.acting():
        target.decide(placed())
        await until(target.executor.ready.is_set)
        await settled()
        assert target.creates == 0

        target.leads = True
        await until(lambda: target.pod(DELEGATE))
        target.leads = False
        target.decide(withdrawn())
        await settled()
        assert await target.pod(DELEGATE)


@pytest.mark.parametrize(
    ("stream", "subject"),
    [
        (Stream.OBSERVATIONS, "delegate"),
        (Stream.DECISIONS, "mcs.dec.c2"),
        (Stream.DECISIONS, "mcs.dec._._"),
    ],
)
async def test_nothing_is_done_before_all_was_read_to_its_end(stream, subject):
    log = Log()
    slow = SlowLog(log.broker.connect(), stream, subject)
    target = Target(log, connection=slow)
    target.decide(placed())
    async with target.acting():
        await until(target.pods.synced.is_set)
        await settled()
        assert target.creates == 0

        slow.gate.set()
        await until(lambda: target.creates)


async def test_a_delegate_that_came_and_went_before_it_was_told_of_is_left_to_the_observer():
    async with Target().acting() as target:
        target.decide(placed())
        await until(lambda: ID in target.pods.delegates)
        await target.cluster.delete(PODS, DELEGATE, namespace="default", grace_s=0)
        await until(lambda: ID not in target.pods.delegates)
        target.decide(withdrawn())
        await settled()

        assert target.creates == 1
        assert not target.told(DelegateGone)


async def test_a_delegate_that_no_watch_ever_showed_is_told_to_be_gone():
    target = Target()
    async with target.acting():
        await until(target.executor.ready.is_set)

        async def vanish(request):
            if request.verb == "create" and request.kind is PODS:
                target.cluster.after = None
                target.cluster.break_watches()
                await target.cluster.delete(PODS, DELEGATE, namespace="default", grace_s=0)
                target.cluster.compact()  # no watch can be taken up again: a list shows nothing

        target.cluster.after = vanish
        target.decide(placed())
        (event,) = await until(lambda: target.told(DelegateGone))

        assert event.end is End.UNKNOWN
        assert target.creates == 1


async def test_a_report_that_is_on_its_way_is_not_made_again():
    target = Target()
    target.decide(placed())
    target.decide(withdrawn())
    on_its_way = True
    target.connection.fate = lambda _: Fate.UNSENT if on_its_way else Fate.DELIVERED
    async with target.acting():
        await until(target.executor.ready.is_set)
        for _ in range(3):
            target.decide(withdrawn(grace_s=1))
            await settled()
        on_its_way = False
        await until(lambda: target.told(DelegateGone))
        await settled()

        assert len(target.told(DelegateGone)) == 1


async def test_a_withdrawn_delegate_is_deleted_with_the_proxys_grace():
    async with Target().acting() as target:
        target.decide(placed())
        await until(lambda: target.pod(DELEGATE))
        await target.bind(DELEGATE, "n1")
        target.decide(withdrawn(grace_s=7))

        async def going():
            return (await target.pod(DELEGATE)).metadata.deletion_grace_period_seconds

        assert await until(going) == 7


async def test_a_deletion_that_was_granted_is_not_asked_for_again_while_the_watch_is_late():
    async with Target().acting() as target:
        target.decide(placed())
        await until(lambda: target.pod(DELEGATE))
        await target.bind(DELEGATE, "n1")
        target.cluster.break_watches()
        target.decide(withdrawn(grace_s=7))
        await until(lambda: target.deletes)
        target.decide(withdrawn(grace_s=7))
        await settled()

        assert target.deletes == 1


async def test_a_bound_delegate_survives_a_conditional_withdrawal():
    async with Target().acting() as target:
        target.decide(placed())
        await until(lambda: target.pod(DELEGATE))
        await target.bind(DELEGATE, "n1")
        target.decide(withdrawn(unbound_only=True))
        await settled()

        assert (await target.pod(DELEGATE)).metadata.deletion_timestamp is None


async def test_an_unbound_delegate_goes_by_a_conditional_withdrawal():
    async with Target().acting() as target:
        target.decide(placed())
        await until(lambda: target.pod(DELEGATE))
        target.decide(withdrawn(unbound_only=True))

        async def gone():
            return await target.pod(DELEGATE) is None

        await until(gone)


async def test_a_placement_withdrawn_in_the_same_breath_is_told_never_to_have_been():
    target = Target()
    target.decide(placed())
    target.decide(withdrawn())
    async with target.acting():
        (event,) = await until(lambda: target.told(DelegateGone))

        assert event.end is End.NEVER_CREATED
        assert target.creates == 0


async def test_what_was_withdrawn_before_we_led_may_have_a_create_on_its_way_i1():
    target = Target()
    target.decide(placed())
    target.decide(withdrawn())
    late = manifest()
    begun = target.clock.monotonic()
    async with target.acting():
        await until(target.executor.ready.is_set)
        (event,) = await until(lambda: target.told(DelegateGone))
        assert event.end is End.NEVER_CREATED
        assert target.clock.monotonic() - begun >= QUICK.settle_s / 2

        # Should it appear even later, it is deleted by the decision that ended its placement.
        await target.cluster.create(PODS, msgspec.json.decode(late), namespace="default")

        async def gone():
            return await target.pod(DELEGATE) is None

        await until(gone)


async def test_namespaces_that_do_not_take_delegates_reject_them():
    async with Target().acting(opted_in=False) as target:
        target.decide(placed())
        (event,) = await until(lambda: target.told(DelegateRejected))

        assert (event.reason, event.placement) == ("NamespaceNotOptedIn", ID)

        elsewhere = msgspec.structs.replace(
            placements.placed(2), namespace="nowhere", manifest=manifest(attempt=2)
        )
        target.decide(elsewhere)
        events = await until(lambda: target.told(DelegateRejected)[1:])
        assert events[0].reason == "NamespaceMissing"


async def test_a_namespace_that_opts_in_at_the_last_moment_takes_delegates():
    async with Target().acting(opted_in=False) as target:
        await until(target.executor.ready.is_set)
        target.cluster.break_watches()  # the executor's view is stale now
        await target.opt_in()
        target.decide(placed())

        await until(lambda: target.pod(DELEGATE))


async def test_a_refusal_is_told_once_in_the_api_servers_words():
    def quota(request):
        if request.verb == "create" and request.kind is PODS:
            raise Forbidden("pods is forbidden: exceeded quota: small", code=403)

    target = Target()
    target.cluster.validators.append(quota)
    async with target.acting():
        target.decide(placed())
        (event,) = await until(lambda: target.told(DelegateRejected))
        await settled()

        assert (event.reason, event.message) == (
            "QuotaExceeded",
            "pods is forbidden: exceeded quota: small",
        )
        assert len(target.told(DelegateRejected)) == 1
        assert target.creates == 1


async def test_a_manifest_that_is_none_is_rejected_and_delays_nobody():
    async with Target().acting() as target:
        target.decide(msgspec.structs.replace(placements.placed(2), manifest="{"))
        target.decide(placed())

        await until(lambda: target.pod(DELEGATE))
        (event,) = await until(lambda: target.told(DelegateRejected))
        assert event.reason == "Invalid"


async def test_a_strangers_pod_under_the_name_is_a_rejection():
    target = Target()
    await target.create_pod(name=DELEGATE)
    async with target.acting():
        target.decide(placed())
        (event,) = await until(lambda: target.told(DelegateRejected))

        assert event.reason == "NameTaken"
        assert await target.pod(DELEGATE)


async def test_a_name_held_by_an_older_placement_is_waited_for():
    async with Target().acting() as target:
        target.decide(placed())
        first = await until(lambda: target.pod(DELEGATE))
        target.decide(placed(2))
        await settled()
        assert not target.told(DelegateRejected)

        target.decide(withdrawn())

        async def replaced():
            pod = await target.pod(DELEGATE)
            return pod and pod.metadata.uid != first.metadata.uid and pod

        pod = await until(replaced)
        assert pod.metadata.labels[KEYS.attempt] == "2"


async def test_a_create_whose_answer_was_lost_is_sent_again_and_found():
    target = Target()

    async def lose(request):
        if request.verb == "create" and request.kind is PODS and target.creates == 1:
            raise Unreachable("connection reset")

    target.cluster.after = lose
    async with target.acting():
        target.decide(placed())
        await until(lambda: target.pod(DELEGATE))
        await settled()

        assert not target.told(DelegateRejected, DelegateGone)
        assert len((await target.cluster.list(PODS)).items) == 1


async def test_a_delegate_that_came_and_went_before_its_create_was_answered_stays_gone_i1():
    target = Target()

    async def lose(request):
        if request.verb == "create" and request.kind is PODS:
            await until(lambda: ID in target.pods.delegates)
            await target.cluster.delete(PODS, DELEGATE, namespace="default", grace_s=0)
            await until(lambda: ID not in target.pods.delegates)
            raise Unreachable("connection reset")

    target.cluster.after = lose
    async with target.acting():
        target.decide(placed())
        await until(lambda: target.creates)
        await settled()

        assert target.creates == 1


async def test_an_executor_restarted_in_the_middle_of_a_create_ends_with_one_delegate():
    target = Target()

    async def lose(_):
        raise Unreachable("connection reset")

    target.decide(placed())
    async with target.acting():
        await until(target.executor.ready.is_set)
        target.cluster.after = lose
        await until(lambda: target.creates >= 1)
    target.cluster.after = None
    assert await target.pod(DELEGATE)  # it acted, and its sender died before it knew

    again = Target(target.log, target.cluster)
    async with again.acting():
        await until(again.executor.ready.is_set)
        await settled()

        assert again.creates == 0
        assert len((await again.cluster.list(PODS)).items) == 1


async def test_nothing_is_told_of_a_withdrawn_placement_while_its_create_is_open():
    target = Target()
    down = True

    async def refuse(request):
        target.creates += request.verb == "create" and request.kind is PODS
        if down and request.verb == "create" and request.kind is PODS:
            raise Unreachable("no answer")

    target.cluster.before = refuse
    async with target.acting():
        target.decide(placed())
        await until(lambda: target.creates)
        sent = target.clock.monotonic()
        target.decide(withdrawn())
        (event,) = await until(lambda: target.told(DelegateGone))

        assert event.end is End.NEVER_CREATED
        assert target.clock.monotonic() - sent >= QUICK.settle_s / 2


async def test_an_unreachable_api_server_is_tried_again():
    target = Target()
    async with target.acting():
        await until(target.executor.ready.is_set)
        target.cluster.stop()
        target.decide(placed())
        await settled()
        target.cluster.start()

        await until(lambda: target.pod(DELEGATE))


async def test_a_delegate_nobody_in_the_log_asked_for_stays():
    target = Target()
    await target.opt_in()
    delegate = msgspec.json.decode(manifest())
    await target.cluster.create(PODS, delegate, namespace="default")
    async with target.acting():
        await until(target.executor.ready.is_set)
        await settled()

        assert (await target.pod(DELEGATE)).metadata.deletion_timestamp is None


async def test_a_released_placements_late_delegate_is_deleted_at_once():
    target = Target()
    target.decide(placed())
    target.decide(released())
    await target.opt_in()
    await target.cluster.create(PODS, msgspec.json.decode(manifest()), namespace="default")
    async with target.acting():

        async def gone():
            return await target.pod(DELEGATE) is None

        await until(gone)


async def test_a_removed_cluster_creates_nothing_of_its_old_life():
    target = Target()
    target.decide(placed())
    target.log.decide(ClusterRemoved(cluster="c2"))
    async with target.acting():
        await until(target.executor.ready.is_set)
        await settled()
        assert target.creates == 0

        target.decide(placed(2))
        await until(lambda: target.pod(DELEGATE))


async def test_what_is_over_and_released_is_forgotten_after_a_while():
    async with Target().acting() as target:
        target.decide(placed())
        await until(lambda: target.pod(DELEGATE))
        target.decide(released())
        target.log.observe(
            "c2",
            TO_C1,
            observed(phase=Phase.SUCCEEDED),
            DelegateGone(placement=ID, namespace="default", name=DELEGATE, end=End.SUCCEEDED),
        )

        await until(lambda: not target.executor.followed.ledger.placements)


async def test_a_terminating_namespace_gets_no_delegates():
    target = Target()
    await target.cluster.create(
        NAMESPACES,
        {"metadata": {"name": "going", "labels": {"multicluster-scheduler": "enabled"}}},
    )
    await target.cluster.create(
        PODS,
        {
            "metadata": {"name": "held", "namespace": "going", "finalizers": ["test/hold"]},
            "spec": {"containers": [{"name": "main", "image": "busybox"}]},
        },
        namespace="going",
    )
    await target.cluster.delete(NAMESPACES, "going")
    async with target.acting():
        made = msgspec.json.decode(manifest())
        made["metadata"]["namespace"] = "going"
        target.decide(
            msgspec.structs.replace(
                placements.placed(), namespace="going", manifest=msgspec.json.encode(made).decode()
            )
        )
        (event,) = await until(lambda: target.told(DelegateRejected))

        assert event.reason == "NamespaceTerminating"
