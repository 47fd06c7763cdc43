"""The memory twin's own seams; what it shares with a real cluster is in ``tests/contracts``."""

import asyncio

import pytest

from mcs.adapters.clock import SystemClock
from mcs.adapters.memory_cluster import VERSION, MemoryCluster
from mcs.errors import Expired, Forbidden, NotFound, Unreachable
from mcs.objects.kinds import LEASES, NAMESPACES, PODS


class StillClock(SystemClock):
    def now(self):
        return 1_800_000_000.0


def cluster(name="c1", **options):
    return MemoryCluster(name, StillClock(), **options)


def pod(name="a", **metadata):
    spec = {"containers": [{"name": "main", "image": "i"}]}
    return {"metadata": {"name": name, **metadata}, "spec": spec}


async def create(target, manifest, kind=PODS):
    return await target.create(kind, manifest, namespace="default")


async def story(target):
    for _ in range(3):
        await create(target, {"metadata": {"generateName": "x-"}}, LEASES)
    await create(target, pod())
    return [await target.list(kind) for kind in (NAMESPACES, LEASES)]


async def test_the_same_calls_give_the_same_cluster():
    assert await story(cluster()) == await story(cluster())
    assert await story(cluster()) != await story(cluster("c2"))  # uids differ between clusters


async def test_mutators_see_the_pod_as_admitted_and_change_it():
    target, seen = cluster(), []

    async def mutate(manifest, namespace):
        seen.append((manifest, namespace.metadata.name))
        return [
            {"op": "add", "path": "/metadata/labels", "value": {"hooked": "yes"}},
            {"op": "replace", "path": "/spec/schedulerName", "value": "mcs"},
            {"op": "remove", "path": "/spec/tolerations"},
        ]

    target.mutators.append(mutate)
    made = await create(target, {**pod(), "metadata": {"generateName": "a-"}})

    ((manifest, namespace),) = seen
    assert namespace == "default"
    assert manifest["spec"]["schedulerName"] == "default-scheduler"
    assert manifest["spec"]["tolerations"]
    assert manifest["metadata"] == {"generateName": "a-", "namespace": "default"}
    assert made.metadata.labels == {"hooked": "yes"}
    assert made.spec.scheduler_name == "mcs"
    assert len(made.spec.tolerations) == 2  # the plugin put them back
    await create(target, {"metadata": {"name": "l"}}, LEASES)
    assert len(seen) == 1


async def test_a_mutator_that_refuses_is_heard():
    target = cluster()

    async def refuse(manifest, namespace):
        raise Forbidden("admission webhook denied the request")

    target.mutators.append(refuse)
    with pytest.raises(Forbidden, match="denied"):
        await create(target, pod())
    with pytest.raises(NotFound):
        await target.get(PODS, "a", namespace="default")


async def test_validators_see_every_write():
    target, seen = cluster(), []

    def judge(request):
        seen.append((request.verb, request.kind.plural, request.name, request.subresource))
        if request.subresource == "binding" and request.body["target"]["name"] == "virtual":
            raise Forbidden("policy")

    target.validators.append(judge)
    await create(target, pod())
    await target.patch(PODS, "a", {"status": {}}, namespace="default", subresource="status")
    binding = {"metadata": {"name": "a"}, "target": {"name": "virtual"}}
    with pytest.raises(Forbidden):
        await target.create(PODS, binding, namespace="default", name="a", subresource="binding")
    await target.delete(PODS, "a", namespace="default")

    assert seen == [
        ("create", "pods", "a", ""),
        ("patch", "pods", "a", "status"),
        ("create", "pods", "a", "binding"),
        ("delete", "pods", "a", ""),
    ]


async def test_a_lost_answer_has_acted():
    target = cluster()

    async def lose(request):
        raise Unreachable("connection reset")

    target.after = lose
    with pytest.raises(Unreachable):
        await create(target, pod())
    target.after = None

    assert (await target.get(PODS, "a", namespace="default")).metadata.uid


async def test_a_lost_request_has_not_acted():
    target = cluster()

    async def lose(request):
        raise Unreachable("connection refused")

    target.before = lose
    with pytest.raises(Unreachable):
        await create(target, pod())
    target.before = None

    with pytest.raises(NotFound):
        await target.get(PODS, "a", namespace="default")


async def test_going_down_while_a_webhook_thinks_leaves_the_caller_in_doubt():
    target = cluster()

    async def fall(request):
        target.stop()

    target.after = fall
    with pytest.raises(Unreachable):
        await create(target, pod())
    target.after = None
    target.start()

    assert await target.version() == VERSION
    assert (await target.get(PODS, "a", namespace="default")).metadata.uid


async def test_history_has_a_window():
    target = cluster(history=3)
    since = (await target.list(LEASES)).resource_version
    for number in range(3):
        await create(target, {"metadata": {"name": f"l{number}"}}, LEASES)
    async with target.watch(LEASES, since=since) as events:
        assert (await anext(events)).object.metadata.name == "l0"
    await create(target, {"metadata": {"name": "l3"}}, LEASES)
    with pytest.raises(Expired):
        async with target.watch(LEASES, since=since):
            pass


async def test_ended_watches_give_what_is_waiting_and_broken_ones_lose_it():
    target = cluster()
    since = (await target.list(LEASES)).resource_version
    async with target.watch(LEASES, since=since) as ended:
        await create(target, {"metadata": {"name": "a"}}, LEASES)
        target.end_watches()
        assert [event.change async for event in ended] == ["ADDED"]
    async with target.watch(LEASES, since=since) as broken:
        target.break_watches()
        with pytest.raises(Unreachable):
            await anext(broken)
    assert target.watches == 0


async def test_every_request_gives_way_to_others():
    target, order = cluster(), []

    async def other():
        order.append("other")

    task = asyncio.create_task(other())
    await target.version()
    order.append("answered")
    await task

    assert order == ["other", "answered"]
