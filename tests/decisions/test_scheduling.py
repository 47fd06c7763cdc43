"""Cycles of the scheduler over a small log: where pods go, why they wait, how they end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcs.decisions.scheduling import schedule
from mcs.events.decisions import (
    ClusterLost,
    ClusterRecovered,
    ClusterRemoved,
    Lacks,
    Never,
    PlacementWithdrawn,
    PodDeferred,
    PodPlaced,
    Policy,
    ProxyEvicted,
    ProxyReleased,
)
from mcs.events.observations import (
    ClusterLeft,
    DelegateGone,
    DelegateRejected,
    End,
    Phase,
    ProxyGone,
    Verb,
    VirtualNodeObserved,
)
from tests.building import World, delegate, deleted, node, pod, proxy


def two_clusters(**policy):
    """The published example: three nodes of 940m each; room for 3 and for 4 steps of 200m."""
    world = World(Policy(**policy))
    for cluster, used in (("c1", (600, 600, 640)), ("c2", (480, 620, 640))):
        nodes = [node(f"n{i}", cpu=940) for i in (1, 2, 3)]
        pods = [pod(f"{cluster}-s{i}", f"n{i}", cpu) for i, cpu in enumerate(used, 1)]
        world.join(cluster, *nodes, *pods)
    return world


def placed(events):
    return {e.name: (e.target, e.node) for e in events if isinstance(e, PodPlaced)}


def gone(placement, end=End.DELETED):
    return DelegateGone(placement=placement, namespace="default", name="d", end=end)


def rejected(placement):
    return DelegateRejected(
        placement=placement, namespace="default", name="d", reason="QuotaExceeded", message="no"
    )


def running(world, uid="u1"):
    """A proxy that was placed on c2 and runs there."""
    world.proxies("c1", proxy(uid))
    world.cycle()
    world.delegates("c2", "c1", delegate(f"{uid}.1", node="n1", phase=Phase.RUNNING))


def test_a_pod_goes_where_most_replicas_fit():
    world = two_clusters()
    world.proxies("c1", proxy())

    assert placed(world.cycle()) == {"pod-u1": ("c2", "n1")}


def test_a_burst_spreads_over_what_is_really_free_i5():
    world = two_clusters()
    world.proxies("c1", *[proxy(f"u{i}") for i in range(10)])
    events = world.cycle()

    targets = [target for target, _ in placed(events).values()]
    assert (targets.count("c1"), targets.count("c2")) == (3, 4)
    waiting = [e for e in events if isinstance(e, PodDeferred)]
    assert [e.reasons for e in waiting] == [
        {"c1": Lacks(resource="cpu"), "c2": Lacks(resource="cpu")}
    ] * 3


def test_ties_go_to_the_clusters_name():
    world = World()
    world.join("b", node())
    world.join("a", node())
    world.proxies("b", proxy())

    assert placed(world.cycle())["pod-u1"][0] == "a"


def test_a_pinned_pod_goes_there_or_waits():
    world = two_clusters()
    world.proxies("c1", proxy("u1", cluster="c1"), proxy("u2", cluster="c9"))
    events = world.cycle()

    assert placed(events)["pod-u1"][0] == "c1"
    deferral = events[-1]
    assert deferral.reasons["c1"] == Never(constraint="pinned to c9")
    assert deferral.reasons["c9"] == Never(constraint="no such target cluster")


def test_priority_then_arrival_decides_who_is_first():
    world = World()
    world.join("c1", node(cpu=200))
    early, late = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    world.proxies(
        "c1",
        proxy("b", created=early),
        proxy("a", created=late),
        proxy("c", created=late, priority=10),
    )

    assert list(placed(world.cycle())) == ["pod-c"]


def test_a_deferral_is_said_once_until_its_reasons_change():
    world = World()
    world.join("c1", node(cpu=100))
    world.proxies("c1", proxy())

    assert [type(e) for e in world.cycle()] == [PodDeferred]
    assert world.cycle() == ()

    world.capacity("c1", node(cpu=1000, cordoned=True))
    assert world.cycle()[0].reasons == {"c1": Never(constraint="node cordoned")}


@pytest.mark.parametrize("gates", [(), ("kueue.x-k8s.io/admission",)])
def test_a_gated_proxy_has_not_arrived(gates):
    world = two_clusters()
    world.proxies("c1", proxy(gates=gates))

    assert len(world.cycle()) == (0 if gates else 1)


def test_a_cluster_is_closed_while_cordoned_lost_left_or_not_current():
    world = World()
    world.join("c1", node())
    world.join("c2", node())
    world.join("c3", node(), roles=("source",))
    world.command(id="1", verb=Verb.CORDON, cluster="c1")
    world.observe("c2", "cluster", ClusterLeft())
    world.proxies("c3", proxy())

    reasons = world.cycle()[0].reasons

    assert reasons == {
        "c1": Never(constraint="cluster cordoned"),
        "c2": Never(constraint="agent stopped"),
    }

    world.command(id="2", verb=Verb.UNCORDON, cluster="c1")
    assert placed(world.cycle())["pod-u1"][0] == "c1"


def test_a_command_is_taken_once():
    world = World()
    world.join("c1", node())
    for verb in (Verb.CORDON, Verb.UNCORDON, Verb.CORDON):
        world.command(id="same", verb=verb, cluster="c1")

    assert world.state.membership.members["c1"].cordoned


def test_a_cordon_of_a_virtual_node_counts_for_its_source_only():
    world = two_clusters()
    world.proxies("c1", VirtualNodeObserved(target="c2", cordoned=True), proxy("u1"))
    world.proxies("c2", proxy("u2"))

    where = placed(world.cycle())
    assert (where["pod-u1"][0], where["pod-u2"][0]) == ("c1", "c2")


def test_a_rejected_delegate_is_tried_elsewhere_and_the_cluster_rests():
    world = two_clusters(backoff_s=10, jump_s=100)
    world.proxies("c1", proxy())
    world.cycle()
    world.delegates("c2", "c1", rejected("u1.1"))

    second = world.cycle()[0]
    assert (second.placement, second.target) == ("u1.2", "c1")

    world.delegates("c1", "c1", rejected("u1.2"))
    reasons = world.cycle()[0].reasons
    assert reasons["c2"] == Never(constraint="tried: QuotaExceeded")

    world.tick(11)
    assert world.cycle()[0].placement == "u1.3"


def test_a_delegate_without_a_node_for_too_long_is_withdrawn_only_if_unbound():
    world = two_clusters(unschedulable_after_s=30, jump_s=100)
    world.proxies("c1", proxy())
    world.cycle()
    world.delegates("c2", "c1", delegate("u1.1", unschedulable="0/3 nodes"))
    world.tick(29)
    assert world.cycle() == ()

    world.tick(2)
    (withdrawal,) = world.cycle()

    assert isinstance(withdrawal, PlacementWithdrawn)
    assert withdrawal.unbound_only
    assert world.cycle() == ()


def test_a_withdrawn_placement_is_tried_elsewhere_only_after_its_delegate_is_gone_i1():
    world = two_clusters(unschedulable_after_s=30, jump_s=100)
    world.proxies("c1", proxy())
    world.cycle()
    world.delegates("c2", "c1", delegate("u1.1", unschedulable="0/3 nodes"))
    world.tick(31)
    world.cycle()
    world.delegates("c2", "c1", delegate("u1.1", deleting=True))
    assert world.cycle() == ()

    world.delegates("c2", "c1", gone("u1.1"))

    assert world.cycle()[0].target == "c1"


def test_a_delegate_that_was_bound_before_its_withdrawal_stays():
    world = two_clusters(unschedulable_after_s=30, jump_s=100)
    world.proxies("c1", proxy())
    world.cycle()
    world.delegates("c2", "c1", delegate("u1.1", unschedulable="0/3 nodes"))
    world.tick(31)
    world.cycle()
    world.delegates("c2", "c1", delegate("u1.1", node="n1", phase=Phase.RUNNING))

    assert world.cycle() == ()
    assert world.state.ledger.placements["u1.1"].wanted

    world.delegates("c2", "c1", gone("u1.1", End.UNKNOWN))
    assert world.cycle() == ()  # it ran: never placed again


def test_a_deleted_proxy_is_withdrawn_with_its_grace_then_released():
    world = two_clusters()
    running(world)
    world.proxies("c1", deleted(grace_s=7))

    (withdrawal,) = world.cycle()
    assert (withdrawal.grace_s, withdrawal.unbound_only) == (7, False)
    assert world.cycle() == ()

    world.delegates("c2", "c1", delegate("u1.1", node="n1", deleting=True), gone("u1.1"))
    (release,) = world.cycle()
    assert isinstance(release, ProxyReleased)
    assert (release.placement, release.target) == ("u1.1", "c2")

    world.proxies("c1", ProxyGone(uid="u1", namespace="default", name="pod-u1"))
    assert world.cycle() == ()
    assert world.state.backlog.proxies == {}
    assert world.state.ledger.placements == {}
    assert world.state.inventory.used("c2", "n1")["cpu"] == 480


def test_a_deletion_that_is_hastened_is_passed_on_once():
    world = two_clusters()
    running(world)
    world.proxies("c1", deleted(grace_s=30))
    world.cycle()
    world.proxies("c1", deleted(grace_s=0))

    (withdrawal,) = world.cycle()

    assert withdrawal.grace_s == 0
    assert world.cycle() == ()


def test_a_proxy_that_was_never_bound_leaves_its_delegate_its_own_grace():
    world = two_clusters()
    running(world)
    world.proxies("c1", deleted(grace_s=None))

    (withdrawal,) = world.cycle()

    assert withdrawal.grace_s is None
    assert world.cycle() == ()


def test_a_deleted_proxy_without_a_placement_is_released_at_once():
    world = World()
    world.join("c1", node(cpu=1))
    world.proxies("c1", proxy(), deleted())

    (release,) = world.cycle()

    assert isinstance(release, ProxyReleased)
    assert release.placement == ""


def test_a_proxy_that_vanished_has_its_placement_withdrawn_and_nothing_released():
    world = two_clusters()
    running(world)
    world.resync("c1", "proxy")

    (withdrawal,) = world.cycle()
    assert withdrawal.reason == "proxy gone"

    world.delegates("c2", "c1", gone("u1.1"))
    assert world.cycle() == ()
    assert world.state.ledger.placements == {}


def test_a_delegate_deleted_by_others_evicts_its_proxy_once():
    world = two_clusters()
    running(world)
    world.delegates("c2", "c1", delegate("u1.1", node="n1", deleting=True))

    (eviction,) = world.cycle()
    assert isinstance(eviction, ProxyEvicted)
    assert world.cycle() == ()

    world.delegates("c2", "c1", gone("u1.1"))
    assert world.cycle() == ()  # never placed again: its controller replaces it
    world.proxies("c1", deleted())
    assert [type(e) for e in world.cycle()] == [ProxyReleased]


def test_a_delegate_that_vanished_by_deletion_evicts_its_proxy_too():
    world = two_clusters()
    running(world)
    world.delegates("c2", "c1", gone("u1.1"))

    assert [type(e) for e in world.cycle()] == [ProxyEvicted]
    assert world.cycle() == ()


def test_a_delegate_that_ended_frees_its_capacity_and_keeps_its_placement():
    world = two_clusters()
    running(world)
    world.delegates("c2", "c1", delegate("u1.1", node="n1", phase=Phase.SUCCEEDED))

    assert world.state.inventory.used("c2", "n1")["cpu"] == 480
    assert world.cycle() == ()
    assert world.state.ledger.live("u1") is not None


def test_a_silent_cluster_is_lost_and_recovers_when_it_speaks():
    world = two_clusters(lost_after_s=40, jump_s=5)
    world.proxies("c1", proxy("u0", cluster="c2"))
    world.cycle()
    for _ in range(9):
        world.tick(5)
        world.heartbeat("c1")

    assert world.cycle() == (ClusterLost(cluster="c2"),)
    assert world.cycle() == ()

    world.heartbeat("c2")
    assert world.cycle() == (ClusterRecovered(cluster="c2"),)


def test_time_in_which_nobody_could_write_makes_nobody_late_i8():
    world = two_clusters(lost_after_s=40, jump_s=5)
    world.tick(100_000)

    assert world.cycle() == ()


def test_a_removed_cluster_releases_what_was_placed_there_and_withdraws_what_it_placed():
    world = two_clusters()
    running(world, "u1")
    world.proxies("c2", proxy("u2", cluster="c1"))
    world.cycle()
    world.command(id="1", verb=Verb.REMOVE, cluster="c2")

    events = world.cycle() + world.cycle()

    assert ClusterRemoved(cluster="c2") in events
    assert [e.placement for e in events if isinstance(e, ProxyReleased)] == ["u1.1"]
    assert [e.placement for e in events if isinstance(e, PlacementWithdrawn)] == ["u2.1"]
    assert world.cycle() == ()


def test_what_a_removed_cluster_held_is_let_go_of_even_if_it_is_back_before_i2():
    world = World(Policy(cycle_frames=2))
    world.join("c1", roles=("source",))
    world.join("c2", node())
    for number in range(5):
        running(world, f"u{number}")
    world.command(id="1", verb=Verb.REMOVE, cluster="c2")
    events = list(world.cycle())

    world.join("c2", node(), id="again")
    world.proxies("c1", proxy("new"))
    while decided := world.cycle():
        events += decided

    released = [event.placement for event in events if isinstance(event, ProxyReleased)]
    assert released == [f"u{number}.1" for number in range(5)]
    assert [(event.uid, event.target) for event in events if isinstance(event, PodPlaced)] == [
        ("new", "c2")
    ]
    assert world.replay().digest() == world.state.digest()


def test_a_cycle_that_removes_a_cluster_places_nothing_there():
    world = two_clusters()
    world.proxies("c1", proxy("u1"), proxy("u2", cluster="c2"))
    world.proxies("c2", proxy("u3"))
    world.command(id="1", verb=Verb.REMOVE, cluster="c2")

    events = world.cycle()

    assert ClusterRemoved(cluster="c2") in events
    assert [(e.uid, e.target) for e in events if isinstance(e, PodPlaced)] == [("u1", "c1")]
    assert [e.reasons for e in events if isinstance(e, PodDeferred)] == [
        {"c1": Never(constraint="pinned to c2"), "c2": Never(constraint="cluster removed")}
    ]
    (deferred,) = world.cycle()
    assert deferred.reasons["c2"] == Never(constraint="no such target cluster")
    assert world.cycle() == ()


def test_what_a_removed_cluster_had_placed_is_not_placed_again_when_it_returns_i1():
    world = two_clusters()
    world.proxies("c2", proxy("placed", cluster="c1"), proxy("home", cluster="c2"))
    world.cycle()
    world.delegates("c1", "c2", delegate("placed.1", node="n1", phase=Phase.RUNNING))
    world.command(id="1", verb=Verb.REMOVE, cluster="c2")
    world.cycle()
    world.cycle()
    world.delegates("c1", "c2", gone("placed.1"))
    (released,) = world.cycle()
    assert (released.uid, released.reason) == ("placed", "cluster removed")

    named = proxy("placed", cluster="c1"), proxy("home", cluster="c2"), proxy("new")
    world.join("c2", node(), id="again", proxies=named)

    assert [each.uid for each in world.cycle()] == ["new"]
    assert world.replay().digest() == world.state.digest()
    world.proxies(
        "c2", *(ProxyGone(uid=u, namespace="default", name=u) for u in ("placed", "home"))
    )
    assert world.state.ledger.of("placed") == world.state.ledger.of("home") == []
    assert set(world.state.backlog.proxies) == {"new"}


def test_a_proxy_that_a_removed_cluster_does_not_name_again_is_forgotten():
    world = two_clusters()
    world.proxies("c2", proxy("u2", cluster="c1"))
    world.cycle()
    world.command(id="1", verb=Verb.REMOVE, cluster="c2")
    world.cycle()
    world.cycle()
    world.delegates("c1", "c2", gone("u2.1"))
    world.cycle()

    world.join("c2", node(), id="again")

    assert "u2" not in world.state.backlog.proxies
    assert world.state.ledger.of("u2") == []


def test_a_release_by_a_person_needs_a_deletion_and_ends_the_wait():
    world = two_clusters()
    running(world)
    world.command(id="1", verb=Verb.RELEASE, cluster="c1", namespace="default", name="pod-u1")
    assert world.cycle() == ()

    world.proxies("c1", deleted())
    (release,) = world.cycle()

    assert (release.reason, release.placement) == ("operator", "u1.1")
    assert not world.state.ledger.placements["u1.1"].live


def test_a_second_pod_of_a_name_gets_a_delegate_name_of_its_own():
    world = two_clusters()
    running(world)
    world.proxies("c1", deleted(), proxy("u2", name="pod-u1", cluster="c2"))

    names = [e.delegate for e in world.cycle() if isinstance(e, PodPlaced)]

    assert names[0].startswith("c1-default-pod-u1-")


def test_a_cycle_stops_at_its_budget_and_goes_on_in_the_next():
    world = two_clusters(cycle_bytes=1)
    world.proxies("c1", proxy("u1"), proxy("u2"))

    assert [len(world.cycle()) for _ in range(3)] == [1, 1, 0]


POD = st.tuples(
    st.sampled_from((50, 200, 500, 950)), st.integers(0, 2), st.sampled_from(("", "c1"))
)


@settings(max_examples=60, deadline=None)
@given(st.lists(POD, max_size=12))
def test_deciding_twice_gives_the_same_and_again_gives_nothing_more(pods):
    world = two_clusters()
    world.proxies(
        "c2", *[proxy(f"u{i}", cpu=c, priority=p, cluster=w) for i, (c, p, w) in enumerate(pods)]
    )
    assert schedule(world.state, world.keys) == schedule(world.state, world.keys)
    before = world.state.decided

    world.cycle()

    assert schedule(world.state, world.keys) == ()
    for cluster, nodes in world.state.inventory.nodes.items():
        for name, state in nodes.items():
            used = world.state.inventory.used(cluster, name)
            assert used.get("cpu", 0) <= state.allocatable["cpu"], "I5"
    assert world.replay().digest() == world.state.digest(), "I3"
    assert before.sequence < world.state.decided.sequence or not pods
