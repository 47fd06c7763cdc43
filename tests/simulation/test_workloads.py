"""Workflows: as many steps at once as allowed and as fit, in the order of what depends on what."""

import asyncio

from mcs.objects.kinds import PODS
from mcs.simulation.kubelet import EXIT_CODE
from mcs.simulation.workloads import Step, run_steps
from tests.simulation.worlds import World


async def run(world, steps, **options):
    return await run_steps(world.cluster, world.clock, steps, run="w", **options)


async def test_steps_run_side_by_side_as_capacity_allows():
    world = World(nodes=1, cpu="600m")  # three of 200m at once
    steps = [Step(name=f"s{number}", run_for_s=10) for number in range(7)]
    async with world.running():
        outcomes = await run(world, steps)

    assert [outcome.phase for outcome in outcomes] == ["Succeeded"] * 7
    assert 30 <= max(outcome.ended_s for outcome in outcomes) <= 32


async def test_no_more_than_allowed_run_at_once():
    world = World()
    steps = [Step(name=f"s{number}", run_for_s=10) for number in range(4)]
    async with world.running():
        outcomes = await run(world, steps, parallel=2)

    assert 20 <= max(outcome.ended_s for outcome in outcomes) <= 21


async def test_a_step_waits_for_those_before_it():
    world = World()
    steps = [
        Step(name="c", run_for_s=5, after=("a", "b")),
        Step(name="a", run_for_s=10),
        Step(name="b", run_for_s=20, annotations={"k": "v"}),
    ]
    async with world.running():
        c, a, b = await run(world, steps)
        made = await world.get("w-b")

    assert (c.step, a.step, b.step) == ("c", "a", "b")
    assert a.begun_s == b.begun_s == 0.0
    assert b.ended_s <= c.begun_s < c.ended_s
    assert made.metadata.annotations["k"] == "v"


async def test_what_comes_after_a_failure_is_omitted():
    world = World()
    steps = [
        Step(name="a", run_for_s=1, annotations={EXIT_CODE: "1"}),
        Step(name="b", after=("a",)),
        Step(name="c", after=("b",)),
        Step(name="d", run_for_s=1),
    ]
    async with world.running():
        outcomes = await run(world, steps)

    assert [outcome.phase for outcome in outcomes] == ["Failed", "Omitted", "Omitted", "Succeeded"]
    assert {pod.metadata.name for pod in await world.pods()} == {"w-a", "w-d"}


async def test_a_step_whose_pod_is_removed_is_gone():
    world = World(nodes=0)
    async with world.running():
        running = asyncio.create_task(run(world, [Step(name="a")]))
        await world.until(world.pods)
        await world.cluster.delete(PODS, "w-a", namespace="default")
        (outcome,) = await running

    assert outcome.phase == "Gone"
