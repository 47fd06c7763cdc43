"""Which clusters are open to a pod, and what the others say."""

from mcs.decisions.openness import Openness
from mcs.events.decisions import Fits, Lacks, Never
from mcs.events.observations import ClusterLeft, Verb
from mcs.projections.lines import Kind
from tests.building import World, node


def world(**roles):
    made = World()
    for name in ("c1", "c2", "c3"):
        made.join(name, node(), roles=roles.get(name, ("source", "target")))
    return made


def kind(**fields):
    return Kind(**{"source": "c1", "namespace": "default", "pin": "", "shape": b"", **fields})


def told(openness, **fields):
    return {name: openness.closed(kind(**fields), n) for n, name in enumerate(openness.clusters)}


def test_targets_are_in_the_order_of_their_names():
    assert Openness(world(c2=("source",)).state).clusters == ("c1", "c3")


def test_a_pinned_pod_has_one_cluster_and_is_told_why():
    openness = Openness(world().state)

    assert openness.of(kind(pin="c2")).tolist() == [False, True, False]
    assert told(openness, pin="c2")["c1"] == "pinned to c2"
    assert told(openness, pin="c2", led=True)["c1"] == "its group runs in c2"
    assert not openness.of(kind(pin="nowhere")).any()


def test_a_cluster_that_failed_the_pod_is_closed_to_its_kind_alone():
    openness = Openness(world().state)
    blocked = (("c3", "full"),)

    assert told(openness, blocked=blocked) == {"c1": "", "c2": "", "c3": "tried: full"}
    assert openness.of(kind(blocked=blocked)).tolist() == [True, True, False]
    assert openness.of(kind()).tolist() == [True, True, True]


def test_a_shut_cluster_is_open_to_nobody():
    made = world()
    members = made.state.membership.members
    before = Openness(made.state).key
    members["c1"].lost = True
    members["c2"].cordoned = True
    made.observe("c3", "cluster", ClusterLeft())
    openness = Openness(made.state)

    assert told(openness) == {"c1": "cluster lost", "c2": "cluster cordoned", "c3": "agent stopped"}
    assert not openness.of(kind()).any()
    assert openness.key != before


def test_a_cluster_of_unknown_capacity_is_not_asked():
    made = world()
    made.state.membership.members["c2"].channels["capacity"].broken = True

    assert told(Openness(made.state))["c2"] == "capacity not known yet"


def test_a_cordoned_virtual_node_closes_a_cluster_to_its_source():
    made = world()
    made.state.membership.cordon_virtual("c1", "c2", cordoned=True)
    openness = Openness(made.state)

    assert told(openness)["c2"] == "virtual node cordoned in c1"
    assert openness.of(kind()).tolist() == [True, False, True]
    assert openness.of(kind(source="c3")).tolist() == [True, True, True]
    assert openness.key != Openness(world().state).key


def test_a_cluster_being_removed_takes_nobody_and_says_so_where_pods_would_fit():
    made = world()
    made.command(id="r1", verb=Verb.REMOVE, cluster="c2")
    assert made.state.membership.members["c2"].removing
    openness = Openness(made.state)

    assert openness.of(kind()).tolist() == [True, False, True]
    assert openness.verdict(1, Fits()) == Never(constraint="cluster removed")
    assert openness.verdict(1, Lacks(resource="cpu")) == Lacks(resource="cpu")
    assert openness.verdict(0, Fits()) == Fits()
    assert openness.key != Openness(world().state).key


def test_nothing_is_started_for_a_source_that_is_not_heard():
    made = world()
    made.state.membership.members["c2"].lost = True
    openness = Openness(made.state)

    assert [openness.speaks(name) for name in ("c1", "c2", "stranger")] == [True, False, False]


def test_equal_states_have_equal_keys():
    assert Openness(world().state).key == Openness(world().state).key
