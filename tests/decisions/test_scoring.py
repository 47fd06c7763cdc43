"""Room for replicas while bookings and kube-scheduler's choices differ."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mcs.events.decisions import Lacks, PodPlaced
from mcs.events.observations import Phase
from mcs.quantities import LARGEST
from tests.building import World, delegate, node, proxy


def burst(world, *, first, count, **fields):
    """So many more pods; the nodes booked for those that were placed, by placement."""
    uids = [f"u{number}" for number in range(first, first + count)]
    world.proxies("c1", *[proxy(uid, **fields) for uid in uids])
    return {e.placement: e.node for e in world.cycle() if isinstance(e, PodPlaced)}


def test_a_room_that_two_are_charged_with_is_owed_by_the_others():
    world = World()
    world.join("c1", node("n1", cpu=400), node("n2", cpu=400))
    booked = burst(world, first=1, count=3)
    assert sorted(booked.values()) == ["n1", "n1", "n2"]

    on_n2 = next(id for id, name in booked.items() if name == "n2")
    on_n1 = [id for id, name in booked.items() if name == "n1"]
    # kube-scheduler exchanged two of them, and only one half of that was told so far
    world.delegates("c1", "c1", delegate(on_n2, node="n1", phase=Phase.RUNNING))
    assert world.state.inventory.used("c1", "n1")["cpu"] == 600
    assert len(burst(world, first=4, count=2)) == 1

    (waiting,) = [world.state.backlog.proxies[uid] for *_, uid in world.state.backlog.waiting]
    assert waiting.deferred == {"c1": Lacks(resource="cpu")}
    world.delegates("c1", "c1", delegate(on_n1[0], node="n2", phase=Phase.RUNNING))
    assert world.cycle() == ()


def test_what_is_owed_counts_by_the_shape_that_asks():
    world = World()
    world.join("c1", node("n1", cpu=400), node("n2", cpu=400), node("n3", cpu=400))
    booked = burst(world, first=1, count=3, cpu=400)
    first, second, _ = booked
    world.delegates("c1", "c1", delegate(first, node=booked[second], requests={"cpu": 400}))

    # one node of 400m looks free, and is owed to the second
    assert burst(world, first=4, count=1, cpu=1) == {}
    assert burst(world, first=5, count=1, cpu=0, requests={"memory": 1}) != {}


def test_a_node_overfull_by_other_means_owes_nothing():
    world = World()
    world.join("c1", node("n1", cpu=400), node("n2", cpu=400))
    booked = burst(world, first=1, count=1)
    placement, name = next(iter(booked.items()))
    world.delegates("c1", "c1", delegate(placement, node=name, requests={"cpu": 200}))
    world.capacity("c1", node(name, cpu=100))

    assert len(burst(world, first=2, count=3)) == 2


ROOM = 4  # replicas on each of three nodes


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_bursts_of_equal_pods_never_exceed_the_cluster_wherever_they_are_bound(data):
    world = World()
    names = ["n1", "n2", "n3"]
    world.join("c1", *[node(name, cpu=200 * ROOM) for name in names])
    pending, really, number = [], dict.fromkeys(names, 0), 0
    while number < 3 * ROOM + 3:
        if pending and data.draw(st.booleans()):
            free = [name for name in names if really[name] < ROOM]
            chosen = data.draw(st.sampled_from(free))
            really[chosen] += 1
            placement = pending.pop(data.draw(st.integers(0, len(pending) - 1)))
            world.delegates("c1", "c1", delegate(placement, node=chosen, phase=Phase.RUNNING))
            pending += [e.placement for e in world.cycle() if isinstance(e, PodPlaced)]
        else:
            number += 1
            pending += burst(world, first=number, count=1)
        placed = sum(really.values()) + len(pending)
        assert placed == min(number, 3 * ROOM)
    assert world.replay().digest() == world.state.digest()


def test_what_is_owed_may_be_more_than_a_number_holds():
    world = World()
    names = ("n1", "n2", "n3")
    world.join("c1", *[node(name, cpu=LARGEST) for name in names])
    assert len(burst(world, first=1, count=3, cpu=LARGEST)) == 3
    world.capacity("c1", *[node(name, cpu=0) for name in names[:2]], node("n4", cpu=1000))

    assert burst(world, first=4, count=1, cpu=1) == {}
    (waiting,) = [world.state.backlog.proxies[uid] for *_, uid in world.state.backlog.waiting]
    assert waiting.deferred == {"c1": Lacks(resource="cpu")}
