"""A world: who is there, who is connected, who is at work."""

import asyncio

from mcs.simulation.loop import run_virtually
from mcs.simulation.plan import ClusterPlan
from mcs.simulation.world import World
from tests.simulation.test_running import QUIET


def test_everybody_comes_to_work():
    async def main():
        late = ClusterPlan(name="c3", nodes=(500,), agents=2, begins_s=10)
        world = World(QUIET.only(clusters=(*QUIET.clusters, late)))
        assert world.of("c3") == ["agent-c3-1", "agent-c3-2"]
        assert world.of("scheduler-1") == ["scheduler-1"]
        living = asyncio.create_task(world.run())
        await asyncio.sleep(5)
        assert world.leaderless() == ["the agent of c3"]
        await asyncio.sleep(10)
        assert world.leaderless() == []
        members = world.schedulers["scheduler-1"].state.membership.members
        assert sorted(members) == ["c1", "c2", "c3"]
        leading = [name for name, agent in world.agents.items() if agent.member is not None]
        assert len([name for name in leading if "c3" in name]) == 1
        living.cancel()
        await asyncio.wait({living})

    run_virtually(main())


def test_who_is_healed_is_connected_and_goes_on():
    async def main():
        world = World(QUIET)
        living = asyncio.create_task(world.run())
        await asyncio.sleep(5)
        world.cut("")
        world.cut("c1")
        world.pause("agent-c2-1")
        world.processes["scheduler-1"].kill(calls=0, down_s=2)
        await asyncio.sleep(20)
        assert "a scheduler" in world.leaderless()
        world.heal()
        await asyncio.sleep(60)
        assert world.leaderless() == []
        living.cancel()
        await asyncio.wait({living})

    run_virtually(main())
