"""The little kube-scheduler binds where there is most room, and says why it cannot."""

import asyncio

from mcs.errors import Unreachable
from mcs.objects.kinds import NODES, PODS
from mcs.simulation.kubelet import RUN_FOR
from tests.simulation.worlds import World


async def bound(world, name):
    return (await world.get(name)).spec.node_name


async def refused(world, name):
    conditions = (await world.get(name)).status.conditions or ()
    return next((c for c in conditions if (c.type, c.status) == ("PodScheduled", "False")), None)


async def test_pods_spread_by_free_cpu():
    world = World()
    async with world.running():
        for number in range(6):
            await world.create(f"p{number}")
            await world.until(lambda name=f"p{number}": bound(world, name))
        nodes = [await bound(world, f"p{number}") for number in range(6)]

    assert nodes == ["node-0", "node-1", "node-2"] * 2


async def test_no_node_is_overfilled_by_a_burst():
    world = World(cpu="500m")
    async with world.running():
        for number in range(9):
            await world.create(f"p{number}")
        await world.until(lambda: refused(world, "p8"))
        nodes = [pod.spec.node_name for pod in await world.pods() if pod.spec.node_name]

    assert sorted(nodes) == ["node-0", "node-0", "node-1", "node-1", "node-2", "node-2"]


async def test_what_does_not_fit_is_told_so_and_waits():
    world = World()
    async with world.running():
        await world.create("a", cpu="2")
        condition = await world.until(lambda: refused(world, "a"))
        assert condition.reason == "Unschedulable"
        assert condition.message == "0/3 nodes are available: 3 Insufficient cpu."
        for number in range(3):
            await world.create(f"full{number}", cpu="900m", annotations={RUN_FOR: "10"})
        await world.create("later", cpu="800m")
        await world.until(lambda: refused(world, "later"))
        await world.reaches("later", "Running")

    assert world.clock.elapsed > 10


async def test_each_reason_is_counted():
    world = World()
    async with world.running():
        await world.cluster.patch(NODES, "node-0", {"spec": {"unschedulable": True}})
        taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
        await world.cluster.patch(NODES, "node-1", {"spec": {"taints": [taint]}})
        await world.create("a", cpu="2")
        condition = await world.until(lambda: refused(world, "a"))
        tolerated = {"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}
        await world.create("b", tolerations=[tolerated])
        await world.create("c", nodeSelector={"kubernetes.io/hostname": "node-9"})
        unselected = await world.until(lambda: refused(world, "c"))
        await world.until(lambda: bound(world, "b"))

    assert condition.message == (
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), "
        "1 node(s) were unschedulable."
    )
    assert "1 node(s) didn't match Pod's node affinity/selector" in unselected.message


async def test_only_its_own_pods_are_taken():
    world = World()
    async with world.running():
        await world.create("other", schedulerName="mcs")
        await world.create("gated", schedulingGates=[{"name": "mcs.test/wait"}])
        await world.create("mine")
        await world.until(lambda: bound(world, "mine"))
        assert not await bound(world, "other")
        assert not await bound(world, "gated")
        await world.cluster.patch(
            PODS, "gated", {"spec": {"schedulingGates": None}}, namespace="default"
        )
        await world.until(lambda: bound(world, "gated"))


async def test_a_failed_binding_is_tried_again():
    world = World()
    failing = 2

    async def fail(request):
        nonlocal failing
        if request.subresource == "binding" and failing:
            failing -= 1
            raise Unreachable("not now")

    world.cluster.before = fail
    async with world.running():
        await world.create("a")
        await world.until(lambda: bound(world, "a"))

    assert failing == 0


async def test_priority_goes_first():
    world = World(nodes=0)
    async with world.running(world.scheduler, world.clock):
        for name, priority in (("low", 1), ("high", 2)):
            await world.create(name, cpu="600m", priority=priority)
        await world.until(lambda: refused(world, "low"))
        await asyncio.sleep(0)
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        status = {**ready, "allocatable": {"cpu": "1", "memory": "1Gi", "pods": "9"}}
        await world.cluster.create(NODES, {"metadata": {"name": "n"}, "status": status})
        await world.until(lambda: bound(world, "high"))
        assert not await bound(world, "low")
