"""What verdicts rest on: every reason that placement can give has facts, and bookings count."""

import pytest

from mcs.events import subjects
from mcs.events.constraints import Constraints, Taint
from mcs.events.decisions import ClusterLost
from mcs.events.observations import (
    ClusterLeft,
    DelegateRejected,
    ResyncStarted,
    Verb,
    VirtualNodeObserved,
)
from mcs.views.reasoning import verdicts_of
from mcs.views.words import plain
from tests.building import World, node, pod, proxy


def world_of_two(*proxies, **fields):
    world = World()
    world.join("c1", node("n1"))
    world.join("c2", node("n9", **fields))
    world.proxies("c1", *(proxies or (proxy("u1", cluster="c2"),)))
    return world


def verdict(world, cluster, uid="u1"):
    return next(row for row in verdicts_of(world.state, uid) if row.cluster == cluster)


def cordoned(world):
    world.command(id="1", verb=Verb.CORDON, cluster="c2")


def lost(world):
    world._append((ClusterLost(cluster="c2"),))


def left(world):
    world.observe("c2", subjects.CLUSTER, ClusterLeft())


def virtual_cordoned(world):
    event = VirtualNodeObserved(target="c2", cordoned=True)
    world.capacity("c1", event)


def anew(world):
    world.join("c2")
    world.channels.pop(("c2", subjects.CAPACITY))
    world.state.membership.members["c2"].channels.pop(subjects.CAPACITY)
    world.observe("c2", subjects.CAPACITY, ResyncStarted())


def refused(world):
    world.cycle()
    event = DelegateRejected(placement="u1.1", namespace="default", name="d", reason="Forbidden")
    world.delegates("c2", "c1", event)


@pytest.mark.parametrize(
    ("happens", "fields", "said", "facts"),
    [
        (cordoned, {}, "cluster cordoned", [("cordon", "c2")]),
        (lost, {}, "cluster lost", [("lost", "c2")]),
        (left, {}, "agent stopped", [("left", "c2")]),
        (virtual_cordoned, {}, "virtual node cordoned in c1", [("virtual", "c1", "c2")]),
        (anew, {}, "capacity not known yet", [("joined", "c2"), ("capacity", "c2")]),
        (refused, {}, "tried: Forbidden", [("charge", "u1.1")]),
        (None, {"ready": False}, "node not ready", [("proxy", "u1"), ("node", "c2", "n9")]),
        (None, {"cordoned": True}, "node cordoned", [("proxy", "u1"), ("node", "c2", "n9")]),
        (
            None,
            {"taints": (Taint(key="k", effect="NoSchedule"),)},
            "taint k",
            [("proxy", "u1"), ("node", "c2", "n9")],
        ),
    ],
)
def test_what_rules_a_cluster_out_is_a_fact(happens, fields, said, facts):
    world = world_of_two(**fields)
    if happens is not None:
        happens(world)

    row = verdict(world, "c2")

    assert plain(row.words).startswith(said)
    assert list(row.grounds.facts) == facts
    assert row.grounds.bookings == ()


def test_a_pin_is_the_pods_own_fact():
    world = world_of_two()

    assert verdict(world, "c1").grounds.facts == (("proxy", "u1"),)


def test_a_pin_to_nowhere_is_too():
    world = world_of_two(proxy("u1", cluster="c9"))

    assert verdict(world, "c9").grounds.facts == (("proxy", "u1"), ("joined", "c9"))


def test_no_nodes_is_what_the_last_account_said():
    world = World()
    world.join("c1")
    world.proxies("c1", proxy("u1"))

    assert verdict(world, "c1").grounds.facts == (("capacity", "c1"),)


def test_a_selector_is_the_pods_and_the_nodes_fact():
    world = world_of_two(proxy("u1", constraints=Constraints(selector={"gpu": "yes"})))

    assert verdict(world, "c2").grounds.facts == (("proxy", "u1"), ("node", "c2", "n9"))


def test_room_and_the_lack_of_it_rest_on_one_node_and_what_is_charged_there():
    world = World()
    world.join("c1", node("n1", cpu=500), node("n2", cpu=900), pod("a", "n2", 300))
    world.proxies("c1", proxy("u1"), proxy("u2", cpu=700))

    fits, lacks = verdict(world, "c1", "u1"), verdict(world, "c1", "u2")

    assert fits.grounds.facts == (("node", "c1", "n2"), ("charge", "c1/a"))
    assert plain(lacks.words).endswith("the freest of 2 nodes (n1) has 500m")
    assert lacks.grounds.facts == (("node", "c1", "n1"),)


def test_bookings_count_until_their_delegates_are_seen_bound():
    world = World()
    world.join("c1", node("n1"))
    world.proxies("c1", proxy("u1"))
    world.cycle()
    world.proxies("c1", proxy("u2"), proxy("u3"))

    found = verdict(world, "c1", "u3").grounds.bookings

    assert [(each.placement, each.name, each.node, each.decision) for each in found] == [
        ("u1.1", "pod-u1", "n1", 2),
        ("u2.1", "pod-u2", "n1", 0),
    ]
