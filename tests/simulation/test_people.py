"""What people do reaches the clusters, also when an API server is away at first."""

import asyncio

import msgspec
import pytest

from mcs.events import codec
from mcs.events.observations import OperatorCommanded
from mcs.objects.kinds import NODES, PODS
from mcs.ports import Stream
from mcs.simulation.act_one import ActOne
from mcs.simulation.loop import run_virtually
from mcs.simulation.people import People
from mcs.simulation.places import NAMESPACE
from mcs.simulation.plan import (
    Burst,
    CloseNamespace,
    CordonCluster,
    CordonNode,
    DeleteDelegate,
    DeletePod,
    Gang,
    Job,
    Leave,
    ReleasePod,
    RemoveCluster,
    RemoveNode,
)
from mcs.simulation.world import World
from tests.simulation.test_running import QUIET

BURST = Burst(at_s=0, cluster="c1", name="b", count=2, milli=100, run_s=50)


def played(scene):
    """Let a world settle, then play ``scene(world, people)``."""

    async def main():
        world = World(QUIET)
        living = asyncio.create_task(world.run())
        await asyncio.sleep(5)
        try:
            await scene(world, People(world, ActOne()))
        finally:
            living.cancel()
            await asyncio.wait({living})

    run_virtually(main())


async def pods(world, cluster):
    found = (await world.places[cluster].cluster.list(PODS, namespace=NAMESPACE)).items
    return {pod.metadata.name: pod for pod in found}


def test_a_burst_is_elected_and_runs():
    async def scene(world, people):
        world.places["c1"].cluster.stop()
        asyncio.get_running_loop().call_later(3, world.places["c1"].cluster.start)
        await people.do(BURST)
        await asyncio.sleep(20)
        proxies = await pods(world, "c1")
        assert {proxies[name].status.phase for name in ("b-0", "b-1")} == {"Running"}

    played(scene)


def test_a_gated_pod_waits_for_its_gate():
    async def scene(world, people):
        gated = Burst(at_s=0, cluster="c1", name="g", count=1, milli=100, run_s=1, gate_s=4)
        doing = asyncio.create_task(people.do(gated))
        await asyncio.sleep(3)
        assert [each.name for each in (await pods(world, "c1"))["g-0"].spec.scheduling_gates]
        await doing
        await asyncio.sleep(5)
        assert (await pods(world, "c1"))["g-0"].status.phase == "Succeeded"

    played(scene)


def test_a_gang_waits_for_those_of_it_that_come_late():
    async def scene(world, people):
        shape = {"count": 3, "size": 3, "milli": 100, "run_s": 50}
        gang = Gang(at_s=0, cluster="c1", name="g", late=1, late_s=6, **shape)
        doing = asyncio.create_task(people.do(gang))
        await asyncio.sleep(4)
        proxies = await pods(world, "c1")
        assert {proxies[name].status.phase for name in ("g-0", "g-1")} == {"Pending"}
        assert len(proxies) == 2
        await doing
        await asyncio.sleep(5)
        places = {each.spec.node_name for each in (await pods(world, "c1")).values()}
        assert len(places) == 1 and "" not in places

    played(scene)


def test_members_of_a_gang_may_ask_for_different_things():
    async def scene(world, people):
        shape = {"count": 4, "size": 4, "milli": 100, "run_s": 50}
        await people.do(Gang(at_s=0, cluster="c1", name="g", other_milli=300, **shape))
        made = await pods(world, "c1")
        asks = [made[f"g-{n}"].spec.containers[0].resources.requests["cpu"] for n in range(4)]
        assert asks == ["100m", "300m", "100m", "300m"]

    played(scene)


@pytest.mark.parametrize("size", [0, 2])
def test_a_job_replaces_what_fails_until_it_is_complete(size):
    """One of a group is waited for by nobody, since its company may never come."""

    async def scene(world, people):
        shape = {"completions": 2, "failures": 1, "milli": 100, "run_s": 1, "size": size}
        job = Job(at_s=0, cluster="c1", name="j", **shape)
        doing = asyncio.create_task(people.do(job))
        await asyncio.sleep(1)
        assert people.jobs == (set() if size else {"j"})
        await doing
        assert people.jobs == set()
        phases = {name: pod.status.phase for name, pod in (await pods(world, "c1")).items()}
        wanted = {"j-0-0": "Failed", "j-0-1": "Succeeded", "j-1-0": "Failed", "j-1-1": "Succeeded"}
        assert wanted.items() <= phases.items()

    played(scene)


def test_pods_are_deleted_from_both_sides():
    async def scene(world, people):
        await people.do(DeletePod(at_s=0, number=3))  # nobody there: nothing happens
        await people.do(BURST)
        await asyncio.sleep(3)
        await people.do(DeletePod(at_s=0, number=0))
        await asyncio.sleep(10)
        assert "b-0" not in await pods(world, "c1")
        await people.do(DeleteDelegate(at_s=0, number=0, grace_s=0))
        await asyncio.sleep(10)
        assert "b-1" not in await pods(world, "c1")  # evicted with its delegate

    played(scene)


def test_nodes_are_cordoned_and_vanish_for_a_while():
    async def scene(world, people):
        cluster = world.places["c2"].cluster

        async def cordoned():
            nodes = (await cluster.list(NODES)).items
            return [node.metadata.name for node in nodes if node.spec.unschedulable]

        item = CordonNode(at_s=0, cluster="c2", number=0, for_s=5)
        doing = asyncio.create_task(people.do(item))
        await asyncio.sleep(1)
        assert await cordoned() == ["c2-n1"]
        await doing
        assert await cordoned() == []
        item = CordonNode(at_s=0, cluster="c2", number=1, for_s=5, virtual=True)
        doing = asyncio.create_task(people.do(item))
        await asyncio.sleep(1)
        assert await cordoned() == ["mcs-c2"]
        await doing

        doing = asyncio.create_task(people.do(RemoveNode(at_s=0, cluster="c2", number=0, for_s=5)))
        await asyncio.sleep(1)
        assert world.places["c2"].nodes == set()
        await doing
        assert world.places["c2"].nodes == {"c2-n1x"}

    played(scene)


def test_clusters_are_cordoned_by_a_command_in_the_log():
    async def scene(world, people):
        await people.do(CordonCluster(at_s=0, cluster="c2", for_s=5))
        verbs = []
        for stored in world.broker.streams[Stream.OBSERVATIONS].messages:
            frame, _ = codec.decode_observation(stored.subject, stored.data)
            verbs += [each.verb for each in frame.events if isinstance(each, OperatorCommanded)]
        assert verbs == ["cordon", "uncordon"]

    played(scene)


def test_a_cluster_leaves_and_comes_back():
    async def scene(world, people):
        doing = asyncio.create_task(people.do(Leave(at_s=0, cluster="c2", for_s=20)))
        await asyncio.sleep(10)
        state = world.schedulers["scheduler-1"].state
        assert state.membership.members["c2"].left
        await doing
        await asyncio.sleep(10)
        assert not state.membership.members["c2"].left

    played(scene)


def test_a_pod_is_released_by_a_command():
    async def scene(world, people):
        await people.do(BURST)
        await asyncio.sleep(3)
        world.places["c2"].cluster.stop()  # so that its delegate's end is not told
        await people.do(ReleasePod(at_s=0, number=0))
        await asyncio.sleep(20)
        assert "b-0" not in await pods(world, "c1")

    played(scene)


@pytest.mark.parametrize("cut", [False, True], ids=["dead", "cut off"])
def test_a_cluster_is_removed_and_returns(cut):
    async def scene(world, people):
        state = world.schedulers["scheduler-1"].state
        removal = RemoveCluster(at_s=0, cluster="c2", cut=cut, silent_s=1, for_s=10)
        doing = asyncio.create_task(people.do(removal))
        await asyncio.sleep(5)
        assert state.membership.members["c2"].removed
        await doing
        await asyncio.sleep(30)
        assert not state.membership.members["c2"].removed

    played(scene)


def test_a_closed_namespace_takes_no_delegates_for_a_while():
    async def scene(world, people):
        closing = asyncio.create_task(people.do(CloseNamespace(at_s=0, cluster="c2", for_s=10)))
        await asyncio.sleep(0.5)
        pinned = msgspec.structs.replace(BURST, pin="c2")
        await people.do(pinned)
        await asyncio.sleep(2)
        frames = [stored.data for stored in world.broker.streams[Stream.OBSERVATIONS].messages]
        assert any(b"NamespaceNotOptedIn" in data for data in frames)
        assert await pods(world, "c2") == {}
        await closing
        await asyncio.sleep(20)
        assert len(await pods(world, "c2")) == 2

    played(scene)
