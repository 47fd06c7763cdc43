"""What waiting members of a group say must be true by the pods and nodes that are there."""

import pytest

from mcs.objects.grouping import ONE_CLUSTER, SPREAD
from mcs.objects.kinds import PODS
from tests.building import node
from tests.simulation.checkers.test_endings import Ends
from tests.simulation.checkers.watched import KEYS, container

INCOMPLETE = "its group waits for members: 2 are placed together, or none"
PARTLY = "not enough room for the whole group"


async def group(*names, cpu="600m", where=ONE_CLUSTER, clusters=("c1",), **fields):
    """Clusters of one CPU each, and members of a group of two."""
    world = Ends(*clusters)
    for cluster in clusters:
        await world.furnish(cluster=cluster)
        world.join(cluster, node(cpu=1000))
    await join(world, *names, cpu=cpu, where=where, **fields)
    return world


async def join(world, *names, cpu="600m", where=ONE_CLUSTER, **fields):
    notes = {KEYS.group: "g", KEYS.group_size: "2", KEYS.group_placement: where}
    spec = {"containers": [container(cpu)]}
    return [await world.proxy(name, spec=spec, **notes, **fields) for name in names]


async def say(world, *names, **verdicts):
    words = "; ".join(f"{cluster}: {said}" for cluster, said in verdicts.items())
    for name in names:
        await world.says(f"no cluster takes the pod: {words}", name=name)


async def test_a_group_that_is_not_whole():
    world = await group("p")
    await world.says(INCOMPLETE)

    assert world.ends() == []


async def test_i2_a_group_that_is_whole_and_said_not_to_be():
    world = await group("p", "q")
    for name in ("p", "q"):
        await world.says(INCOMPLETE, name=name)

    assert all("but that is not so" in text for text in world.ends())
    assert len(world.ends()) == 2


async def test_i2_a_pod_of_no_group_that_waits_for_members():
    world = await group()
    await world.proxy()
    await world.says(INCOMPLETE)

    assert "but that is not so: None" in world.ends()[0]


async def test_one_that_is_being_deleted_is_no_company():
    world = await group("p", "q")
    await world.clusters["c1"].delete(PODS, "q", namespace="default", grace_s=0)
    await world.says(INCOMPLETE)

    assert [text for text in world.ends() if "/p " in text] == []


@pytest.mark.parametrize(("cpu", "true"), [("600m", True), ("500m", False), ("1100m", False)])
async def test_i2_a_group_that_has_room_as_a_whole_or_not_even_for_one(cpu, true):
    world = await group("p", "q", cpu=cpu)
    await say(world, "p", "q", c1=PARTLY)

    assert ["that is not so" in text for text in world.ends()] == ([] if true else [True, True])


@pytest.mark.parametrize("where", [ONE_CLUSTER, SPREAD])
async def test_i2_a_group_that_finds_room_if_it_may_be_spread(where):
    world = await group("p", "q", where=where, clusters=("c1", "c2"))
    await say(world, "p", "q", c1=PARTLY, c2=PARTLY)

    assert len(world.ends()) == (4 if where == SPREAD else 0)


async def test_i2_a_member_that_follows_the_others_or_says_so_without_reason():
    world = await group("q", cpu="500m", clusters=("c1", "c2"))
    (uid,) = await join(world, "p", cpu="500m")
    led = {"c1": "ruled out by its group runs in c2", "c2": "not enough cpu on any one node"}
    await say(world, "q", **led)
    alone = [text for text in world.ends() if "/q " in text]
    assert ["node n1 has room for it" in text for text in alone] == [True, True]

    for number, whose in enumerate((uid, "another", "one more", "a fifth", "a sixth")):
        await world.delegate(whose, name=f"d{number}", cluster="c2")
    assert [text for text in world.ends() if "/q " in text] == []
    await say(world, "q", **led | {"c1": PARTLY})
    (text,) = [text for text in world.ends() if "/q " in text]
    assert "that is not so: its group runs in c2" in text
