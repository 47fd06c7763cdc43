"""Scenes of a state: clusters that fill, proxies beside their delegates."""

from mcs.events.observations import DelegateGone, DelegateRejected, End, Phase, Verb
from mcs.views.scenes import pairs_of, places_of
from tests.building import World, delegate, deleted, node, pod, proxy

NAMED = {"namespace": "default", "name": "d"}


def world_with(*proxies):
    world = World()
    world.join("c1", node("n1"), node("n2"), pod("dns", "n1", 260))
    world.proxies("c1", *(proxies or (proxy("u1"),)))
    return world


def pair(world, number=0):
    found = pairs_of(world.state)[number]
    return found.proxy, found.shows, found.target, found.node, found.delegate


def gauge(world, number):
    found = places_of(world.state)[0].gauges[number]
    return found.node, found.others, found.booked, found.ours, found.free, found.count


def test_a_booking_becomes_use_when_its_delegate_is_seen_bound():
    world = world_with()
    world.cycle()

    assert gauge(world, 0) == ("n1", 260, 0, 0, 740, 0)
    assert gauge(world, 1) == ("n2", 0, 200, 0, 800, 1)

    world.delegates("c1", "c1", delegate("u1.1", node="n1"))

    assert gauge(world, 0) == ("n1", 260, 0, 200, 540, 1)
    assert gauge(world, 1) == ("n2", 0, 0, 0, 1000, 0)


def test_what_is_wrong_with_a_cluster_is_noted():
    world = world_with()
    world.command(id="1", verb=Verb.CORDON, cluster="c1")

    assert [place.note for place in places_of(world.state)] == ["cordoned"]


def test_a_pod_is_shown_from_waiting_to_its_end():
    world = world_with(proxy("u1", gates=("g",)))
    name = "c1 default/pod-u1"
    assert pair(world) == (name, "gated", "", "", "")

    world.proxies("c1", proxy("u1"))
    assert pair(world) == (name, "waiting", "", "", "")

    world.cycle()
    assert pair(world) == (name, "placed", "c1", "n2", "booked")

    world.delegates("c1", "c1", delegate("u1.1"))
    assert pair(world) == (name, "placed", "c1", "n2", "Pending")

    world.delegates("c1", "c1", delegate("u1.1", node="n1", phase=Phase.RUNNING))
    assert pair(world) == (name, "Running", "c1", "n1", "Running")

    world.delegates("c1", "c1", delegate("u1.1", node="n1", phase=Phase.SUCCEEDED))
    assert pair(world) == (name, "Succeeded", "c1", "n1", "Succeeded")


def test_a_deletion_is_shown_on_both_sides():
    world = world_with()
    world.cycle()
    world.delegates("c1", "c1", delegate("u1.1", node="n1", phase=Phase.RUNNING))
    world.proxies("c1", deleted("u1"))
    world.delegates("c1", "c1", delegate("u1.1", node="n1", deleting=True))

    assert pair(world) == ("c1 default/pod-u1", "Terminating", "c1", "n1", "Terminating")

    world.delegates("c1", "c1", DelegateGone(placement="u1.1", end=End.DELETED, **NAMED))

    assert pair(world)[4] == "gone"


def test_a_refused_pod_waits_again():
    world = world_with()
    world.cycle()
    refused = DelegateRejected(placement="u1.1", reason="Forbidden", message="quota", **NAMED)
    world.delegates("c1", "c1", refused)

    assert pair(world) == ("c1 default/pod-u1", "waiting", "", "", "")


def test_those_that_are_over_come_last_and_the_newest_of_them_first():
    world = world_with(*(proxy(f"u{n}", created=f"2026-01-0{n}T00:00:00Z") for n in (1, 2, 3)))
    world.cycle()
    for uid in ("u1", "u2"):
        ended = delegate(f"{uid}.1", node="n1", phase=Phase.SUCCEEDED)
        world.delegates("c1", "c1", ended)

    names = [found.proxy.removeprefix("c1 default/pod-") for found in pairs_of(world.state)]

    assert names == ["u3", "u2", "u1"]
