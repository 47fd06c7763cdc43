"""A decision to end something, or to try again, without a cause is found."""

import pytest

from mcs.events import subjects
from mcs.events.decisions import (
    ClusterLost,
    ClusterRemoved,
    PlacementWithdrawn,
    PodPlaced,
    ProxyEvicted,
    ProxyReleased,
)
from mcs.events.observations import (
    DelegateGone,
    DelegateRejected,
    End,
    ResyncCompleted,
    ResyncStarted,
    Verb,
)
from tests.building import delegate, deleted, node, proxy
from tests.simulation.checkers.watched import Watched

DELEGATES = subjects.delegate_channel("c1")
PLACE = {"uid": "u1", "source": "c1", "namespace": "default", "name": "pod-u1"}


class Caused(Watched):
    """One proxy with one placement."""

    def __init__(self):
        super().__init__()
        self.join("c1", node(), proxies=(proxy(),))
        self.cycle()
        self.observe("c1", DELEGATES, ResyncStarted())

    def see(self, **fields):
        self.observe("c1", DELEGATES, delegate("u1.1", **fields))

    def gone(self, end):
        event = DelegateGone(placement="u1.1", namespace="default", name="d", end=end)
        self.observe("c1", DELEGATES, event)

    def causes(self, words):
        return [text for text in self.found() if words in text]


def withdrawn(**fields):
    names = {"placement": "u1.1", "target": "c1", "delegate": "d", "reason": "r"}
    return PlacementWithdrawn(**PLACE, **names, **fields)


def released(**fields):
    return ProxyReleased(**PLACE, placement="u1.1", target="c1", **fields)


def evicted():
    return ProxyEvicted(**PLACE, placement="u1.1", reason="r")


def again():
    return PodPlaced(**PLACE, placement="u1.2", target="c1", delegate="d", manifest="{}", node="n1")


@pytest.mark.parametrize("caused", [True, False])
def test_i7_withdrawn_though_nobody_deleted_the_proxy(caused):
    world = Caused()
    if caused:
        world.observe("c1", subjects.PROXY, deleted())
    world.decide(withdrawn())

    found = world.causes("I7: cycle 3 withdraws u1.1 (default/pod-u1), and nobody deleted")
    assert bool(found) is not caused


def test_a_proxy_that_a_whole_account_does_not_name_is_gone():
    world = Caused()
    started = world.observe("c1", subjects.PROXY, ResyncStarted())
    world.observe("c1", subjects.PROXY, ResyncCompleted(started=started))
    world.decide(withdrawn())

    assert world.causes("I7") == []


@pytest.mark.parametrize(
    ("seen", "caused"),
    [({"unschedulable": "no"}, True), ({}, False), ({"node": "n1", "unschedulable": "no"}, False)],
)
def test_i7_withdrawn_as_unschedulable(seen, caused):
    world = Caused()
    world.see(**seen)
    world.decide(withdrawn(unbound_only=True))

    assert bool(world.causes("I7: cycle 3 withdraws u1.1")) is not caused


@pytest.mark.parametrize(
    ("how", "caused"), [("seen", True), ("gone", True), ("ours", False), ("not", False)]
)
def test_i7_evicted_though_nobody_else_deletes_the_delegate(how, caused):
    world = Caused()
    if how == "ours":
        world.observe("c1", subjects.PROXY, deleted())
        world.decide(withdrawn())
    if how in {"seen", "ours"}:
        world.see(node="n1", deleting=True)
    if how == "gone":
        world.gone(End.DELETED)
    world.decide(evicted())

    assert bool(world.causes("evicts default/pod-u1: nobody else deletes u1.1")) is not caused


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("over", ""),
        ("commanded", ""),
        ("dead", ""),
        ("alive", "while u1.1 may run"),
        ("kept", "and nobody deleted it"),
    ],
)
def test_i7_released(how, words):
    world = Caused()
    if how not in {"kept", "dead"}:
        world.observe("c1", subjects.PROXY, deleted())
    if how in {"over", "kept"}:
        world.gone(End.SUCCEEDED)
    if how in {"commanded", "dead"}:
        verb = Verb.RELEASE if how == "commanded" else Verb.REMOVE
        names = {"namespace": "default", "name": "pod-u1"} if how == "commanded" else {}
        world.command(id="x", verb=verb, cluster="c1", **names)
    if how == "dead":
        world.decide(ClusterRemoved(cluster="c1"))
    world.decide(released())

    found = world.causes("releases default/pod-u1")
    assert bool(found) is bool(words)
    assert all(words in text and "I7: " in text for text in found)


def test_i7_a_cluster_removed_that_nobody_called_dead():
    world = Caused()
    world.decide(ClusterRemoved(cluster="c1"))

    assert world.causes("I7: cycle 3 removes c1, and nobody said that it is dead")


def test_i7_a_cluster_given_up_too_soon():
    world = Caused()
    world.tick(seconds=4, times=2)
    world.decide(ClusterLost(cluster="c1"))

    assert world.causes("I7: cycle 3 gives up c1 after 8.0 s of silence")


def test_a_cluster_given_up_in_time():
    world = Caused()
    world.tick(seconds=4, times=11)
    world.decide(ClusterLost(cluster="c1"))

    assert world.causes("I7") == []


@pytest.mark.parametrize(
    ("how", "caused"),
    [
        ("rejected", True),
        ("never", True),
        ("unbound", True),
        ("unknown", False),
        ("bound", False),
        ("withdrawn", False),
    ],
)
def test_i1_tried_again_though_it_may_have_run(how, caused):
    world = Caused()
    if how == "rejected":
        told = DelegateRejected(placement="u1.1", namespace="default", name="d", reason="r")
        world.observe("c1", DELEGATES, told)
    if how in {"unbound", "bound"}:
        world.see(unschedulable="no")
        world.decide(withdrawn(unbound_only=True))
    if how == "bound":
        world.see(node="n1")
    if how == "withdrawn":
        world.decide(withdrawn())
    if how != "rejected":
        world.gone(End.NEVER_CREATED if how == "never" else End.UNKNOWN)
    world.decide(again())

    assert bool(world.causes("places u1.2, though u1.1 may have run")) is not caused
