"""Kubelets run pods for their time, end them when asked, and tell what a real one tells."""

import asyncio
import json

from mcs.errors import Unreachable
from mcs.objects.kinds import PODS
from mcs.simulation.kubelet import EXIT_CODE, RUN_FOR, SIGTERM, STOP_MAX_S, Kubelet
from tests.simulation.worlds import World


def state(pod):
    (status,) = json.loads(bytes(pod.status.container_statuses))
    return status["state"]


async def delete(world, name, **options):
    await world.cluster.delete(PODS, name, namespace="default", **options)


async def gone(world, name):
    return all(pod.metadata.name != name for pod in await world.pods())


async def test_a_pod_runs_for_its_time():
    world = World()
    async with world.running():
        await world.create("a", annotations={RUN_FOR: "10"})
        running = await world.reaches("a", "Running")
        begun = world.clock.elapsed
        assert "running" in state(running)
        assert {c.type: c.status for c in running.status.conditions}["Ready"] == "True"
        ended = await world.reaches("a", "Succeeded")

    assert 9.9 <= world.clock.elapsed - begun <= 10.2
    assert state(ended)["terminated"]["exitCode"] == 0
    assert {c.type: c.status for c in ended.status.conditions}["Ready"] == "False"


async def test_an_exit_code_fails_the_pod():
    world = World()
    async with world.running():
        await world.create("a", annotations={RUN_FOR: "1", EXIT_CODE: "3"})
        ended = await world.reaches("a", "Failed")

    assert state(ended)["terminated"]["exitCode"] == 3


async def test_a_pod_without_a_time_runs_until_it_is_deleted():
    world = World()
    async with world.running():
        await world.create("a")
        running = await world.reaches("a", "Running")
        await world.clock.sleep(3600)
        assert (await world.get("a")).status == running.status
        await delete(world, "a")
        begun = world.clock.elapsed
        async with world.cluster.watch(PODS, since=running.metadata.resource_version) as events:
            async for event in events:
                if event.change == "DELETED":
                    break

    assert STOP_MAX_S <= world.clock.elapsed - begun <= STOP_MAX_S + 0.5
    assert event.object.status.phase == "Failed"
    assert state(event.object)["terminated"]["exitCode"] == SIGTERM


async def test_grace_zero_is_not_waited_for():
    world = World()
    async with world.running():
        await world.create("a")
        await world.reaches("a", "Running")
        begun = world.clock.elapsed
        await delete(world, "a", grace_s=0)
        await world.until(lambda: gone(world, "a"))

    assert world.clock.elapsed - begun < 0.5


async def test_an_ended_pod_keeps_its_end_when_deleted():
    world = World()
    async with world.running():
        await world.create("a", annotations={RUN_FOR: "1"})
        ended = await world.reaches("a", "Succeeded")
        await delete(world, "a")
        async with world.cluster.watch(PODS, since=ended.metadata.resource_version) as events:
            async for event in events:
                if event.change == "DELETED":
                    break

    assert event.object.status.phase == "Succeeded"


async def test_pods_of_other_nodes_are_left_alone():
    world = World()
    async with world.running(world.kubelet):
        await world.create("a", nodeName="mcs-other")
        await world.clock.sleep(60)
        assert (await world.get("a")).status.phase == "Pending"


async def test_a_restarted_kubelet_takes_up_what_runs():
    world = World()
    async with world.running():
        await world.create("a", annotations={RUN_FOR: "100"})
        await world.reaches("a", "Running")
        begun = world.clock.elapsed
    again = Kubelet(world.cluster, world.clock, world.nodes)
    tasks = [asyncio.create_task(part.run()) for part in (world.clock, again)]
    await world.reaches("a", "Succeeded")
    for task in tasks:
        task.cancel()

    assert 98 <= world.clock.elapsed - begun <= 102


async def test_an_outage_delays_a_report_and_loses_none():
    world = World()

    async def fail(request):
        if request.verb == "patch" and world.clock.elapsed < 50:
            raise Unreachable("not now")

    world.cluster.before = fail
    async with world.running():
        await world.create("a", annotations={RUN_FOR: "1"})
        await world.reaches("a", "Succeeded")

    assert 50 <= world.clock.elapsed <= 53
