"""Groups in cycles: all or none, in one append; who is told what; late ones follow."""

import pytest

from mcs.events.constraints import Group
from mcs.events.decisions import (
    BeyondBudget,
    Incomplete,
    Lacks,
    Partly,
    PodDeferred,
    PodPlaced,
    Policy,
)
from mcs.events.observations import DelegateGone, DelegateRejected, End, Phase, Verb
from tests.building import World, delegate, node, pod, proxy


def member(number, size=3, *, spread=False, **fields):
    return proxy(f"m{number}", group=Group(name="train", size=size, spread=spread), **fields)


def two_clusters(first=400, second=700, **policy):
    world = World(Policy(**policy))
    world.join("c1", node(cpu=first))
    world.join("c2", node(cpu=second))
    return world


def targets(events):
    return [(e.uid, e.target) for e in events if isinstance(e, PodPlaced)]


def told(events):
    return {e.uid: e.group or e.reasons for e in events if isinstance(e, PodDeferred)}


def test_a_group_is_placed_whole_in_one_cluster_by_one_append():
    world = two_clusters()
    world.proxies("c1", *[member(number) for number in range(3)])

    assert targets(world.cycle()) == [("m0", "c2"), ("m1", "c2"), ("m2", "c2")]
    assert world.cycle() == ()


def test_members_wait_until_all_are_there():
    world = two_clusters()
    world.proxies("c1", member(0), member(1))
    events = world.cycle()

    assert targets(events) == []
    assert told(events) == {uid: Incomplete(size=3) for uid in ("m0", "m1")}
    assert world.cycle() == ()
    world.proxies("c1", member(2))
    assert len(targets(world.cycle())) == 3


def test_a_group_without_room_as_a_whole_takes_none_and_keeps_nobody_else():
    world = two_clusters(first=400, second=500)
    world.proxies("c1", *[member(number) for number in range(3)], proxy("u9"))
    events = world.cycle()

    assert targets(events) == [("u9", "c1")]
    assert told(events) == {f"m{n}": {"c1": Partly(), "c2": Partly()} for n in range(3)}


def test_a_member_that_fits_nowhere_says_what_lacks():
    world = two_clusters()
    world.proxies("c1", member(0), member(1), member(2, cpu=9000))
    events = world.cycle()

    assert targets(events) == []
    assert told(events)["m2"] == {"c1": Lacks(resource="cpu"), "c2": Lacks(resource="cpu")}
    assert told(events)["m0"] == {"c1": Partly(), "c2": Partly()}


def test_a_group_that_may_be_spread_is():
    world = two_clusters(first=400, second=500)
    world.proxies("c1", *[member(number, spread=True) for number in range(3)])

    assert sorted(target for _, target in targets(world.cycle())) == ["c1", "c1", "c2"]


def test_a_late_member_follows_the_others():
    world = two_clusters(first=5000, second=700)
    world.proxies("c1", *[member(number, cluster="c2") for number in range(3)])
    events = world.cycle()
    for event in events:
        seen = delegate(event.placement, node="n1", phase=Phase.RUNNING)
        world.delegates("c2", "c1", seen)
    world.proxies("c1", member(7))

    events = world.cycle()
    assert targets(events) == []
    assert told(events)["m7"]["c2"] == Lacks(resource="cpu")
    assert told(events)["m7"]["c1"].constraint == "its group runs in c2"
    world.capacity("c2", node(cpu=900))
    assert targets(world.cycle()) == [("m7", "c2")]


@pytest.mark.parametrize("group", [3, 30])
def test_a_group_beyond_any_cycle_says_so_and_nobody_else_waits_for_it(group):
    world = two_clusters(first=9000, second=9000, cycle_bytes=1200)
    world.proxies("c1", *[member(number, size=group) for number in range(group)], proxy("u9"))
    events = world.cycle()

    assert targets(events)[0] == ("u9", "c1")
    assert set(told(events).values()) <= {BeyondBudget()}


def test_a_group_that_this_cycle_has_no_room_for_is_placed_by_the_next():
    world = two_clusters(first=9000, second=9000, cycle_bytes=4000)
    world.proxies("c1", *[proxy(f"a{number}") for number in range(5)])
    world.proxies("c1", *[member(number, size=4) for number in range(4)])

    first, second = world.cycle(), world.cycle()
    assert [uid for uid, _ in targets(first)] == [f"a{number}" for number in range(5)][: len(first)]
    later = [uid for uid, _ in targets(second)]
    while len(more := world.cycle()):
        later += [uid for uid, _ in targets(more)]
    assert [uid for uid in later if uid.startswith("m")] == ["m0", "m1", "m2", "m3"]
    assert world.replay().digest() == world.state.digest()


def test_a_group_may_fill_a_cycle_that_places_few_pods_one_by_one(monkeypatch):
    monkeypatch.setattr("mcs.decisions.placing.PLACING_BYTES", 500)
    world = two_clusters(first=9000, second=9000)
    world.proxies("c1", *[proxy(f"a{number}") for number in range(5)])
    world.proxies("c1", *[member(number, size=8) for number in range(8)])
    cycles = [[uid for uid, _ in targets(world.cycle())] for _ in range(6)]

    assert sum(1 for uids in cycles if any(uid.startswith("m") for uid in uids)) == 1
    assert sorted(uid for uids in cycles for uid in uids) == [
        *(f"a{number}" for number in range(5)),
        *(f"m{number}" for number in range(8)),
    ]


def test_what_others_use_is_no_room_for_a_group():
    world = two_clusters()
    world.capacity("c2", pod("p1", "n1", 200))
    world.proxies("c1", *[member(number) for number in range(3)])

    assert targets(world.cycle()) == []
    assert world.state.inventory.used("c2", "n1") == {"cpu": 200, "pods": 1}


def test_a_member_whose_release_was_commanded_too_early_is_a_member_still():
    """Only what is being deleted is released: until then it waits, and has its place (seed 78)."""
    world = two_clusters()
    world.proxies("c1", member(0), member(1))
    name = {"namespace": "default", "name": "pod-m0"}
    world.command(id="r", verb=Verb.RELEASE, cluster="c1", **name)
    assert told(world.cycle()) == {uid: Incomplete(size=3) for uid in ("m0", "m1")}
    world.proxies("c1", member(2))

    assert len(targets(world.cycle())) == 3


def test_a_member_alone_whose_release_was_commanded_too_early_stops_nobody():
    world = two_clusters()
    world.proxies("c1", member(0))
    name = {"namespace": "default", "name": "pod-m0"}
    world.command(id="r", verb=Verb.RELEASE, cluster="c1", **name)

    assert told(world.cycle()) == {"m0": Incomplete(size=3)}


def running(world, *uids):
    for uid in uids:
        seen = delegate(f"{uid}.1", node="n1", phase=Phase.RUNNING)
        world.delegates("c2", "c1", seen)


def rejected(uid):
    return DelegateRejected(placement=f"{uid}.1", namespace="default", name="d", reason="Forbidden")


def test_one_that_is_tried_again_while_the_others_run_says_that_it_follows_them():
    world = two_clusters()
    world.proxies("c1", *[member(number) for number in range(3)])
    assert {target for _, target in targets(world.cycle())} == {"c2"}
    running(world, "m0", "m1")
    world.delegates("c2", "c1", rejected("m2"))
    world.capacity("c1", node(cpu=9000))
    events = world.cycle()

    assert targets(events) == []
    assert told(events)["m2"]["c1"].constraint == "its group runs in c2"


def test_those_that_come_when_all_others_are_gone_go_to_one_cluster_too():
    world = two_clusters(first=300, second=500)
    world.proxies("c1", member(0, size=1))
    world.cycle()
    gone = DelegateGone(placement="m0.1", namespace="default", name="d", end=End.SUCCEEDED)
    world.delegates("c2", "c1", delegate("m0.1", phase=Phase.SUCCEEDED), gone)
    world.proxies("c1", *[member(number, size=1) for number in range(1, 4)])

    placed = [*targets(world.cycle()), *targets(world.cycle())]
    assert placed == [("m1", "c2"), ("m2", "c2")]


def test_those_that_had_ended_count_also_when_their_cluster_was_removed_and_returns():
    """Seed 1381."""
    world = two_clusters()
    world.proxies("c1", member(0, size=2), member(1, size=2), member(2, size=2, cpu=9000))
    assert len(targets(world.cycle())) == 2
    running(world, "m0", "m1")
    ended = [delegate(f"m{n}.1", node="n1", phase=Phase.SUCCEEDED) for n in range(2)]
    world.delegates("c2", "c1", *ended)
    world.command(id="r", verb=Verb.REMOVE, cluster="c1")
    world.cycle()
    members = [member(n, size=2, ended=n < 2) for n in range(3)]
    world.join("c1", node(cpu=400), id="again", proxies=members)
    while not targets(events := world.cycle()):
        assert events

    assert targets(events) == [("m2", "c2")]
