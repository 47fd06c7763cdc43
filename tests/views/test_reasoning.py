"""Why a pod waits: each cluster's verdict, with the numbers behind it."""

from mcs.events.observations import Verb
from mcs.views.reasoning import verdicts_of
from mcs.views.words import plain
from tests.building import World, node, pod, proxy


def said(world, uid="u1"):
    return {row.cluster: plain(row.words) for row in verdicts_of(world.state, uid)}


def test_what_lacks_is_told_with_the_freest_node():
    world = World()
    world.join("c1", node("n1", cpu=940), node("n2", cpu=940), pod("a", "n1", 800))
    world.capacity("c1", pod("b", "n2", 820))
    world.join("c2", node("n9", cpu=100))
    world.proxies("c1", proxy("u1", cpu=200))

    assert said(world) == {
        "c1": "not enough cpu: asks 200m cpu, the freest of 2 nodes (n1) has 140m",
        "c2": "not enough cpu: asks 200m cpu, the only eligible node (n9) has 100m",
    }


def test_the_cluster_with_most_room_is_the_chosen_one():
    world = World()
    world.join("c1", node("n1", cpu=450))
    world.join("c2", node("n1", cpu=900))
    world.proxies("c1", proxy("u1", cpu=200))

    rows = verdicts_of(world.state, "u1")

    assert said(world)["c2"] == "fits: there is room for 4 of its kind"
    assert [(row.cluster, row.score, row.chosen) for row in rows] == [
        ("c1", 2, False),
        ("c2", 4, True),
    ]


def test_those_before_it_in_the_queue_take_their_places_first():
    world = World()
    world.join("c1", node("n1", cpu=300))
    world.proxies("c1", proxy("u1", cpu=200), proxy("u2", cpu=200))

    assert said(world, "u1")["c1"].startswith("fits")
    assert said(world, "u2")["c1"] == (
        "not enough cpu: asks 200m cpu, the only eligible node (n1) has 100m"
    )


def test_a_full_node_counts_pods():
    world = World()
    world.join("c1", node("n1", cpu=4000, pods=1), pod("a", "n1", 100))
    world.proxies("c1", proxy("u1"))

    assert said(world)["c1"] == "not enough pods: the only eligible node (n1) takes 0 more pods"


def test_a_pin_and_a_cordon_are_named():
    world = World()
    world.join("c1", node("n1"))
    world.join("c2", node("n1"))
    world.proxies("c1", proxy("u1", cluster="c2"))
    world.command(id="1", verb=Verb.CORDON, cluster="c2")

    assert said(world) == {"c1": "pinned to c2", "c2": "cluster cordoned"}


def test_the_verdicts_are_those_that_the_scheduler_decides_by():
    world = World()
    world.join("c1", node("n1", cpu=100))
    world.proxies("c1", proxy("u1"))
    before = {row.cluster: row.verdict for row in verdicts_of(world.state, "u1")}

    (deferred,) = world.cycle()

    assert deferred.reasons == before


def test_a_pod_that_does_not_wait_has_none():
    world = World()
    world.join("c1", node("n1"))
    world.proxies("c1", proxy("u1"))
    world.cycle()

    assert verdicts_of(world.state, "u1") == ()
