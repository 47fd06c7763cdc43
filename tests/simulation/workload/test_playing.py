"""Workloads are played through the real core: who ran where, when, and who never could."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcs.errors import BadSettings
from mcs.events.decisions import Lacks, Never
from mcs.simulation.workload.playing import play
from tests.simulation.workload.workloads import cluster, node, pod, workload, workloads

POLICY = "most-replicas"


def ran(played):
    return [(run.pod.name, run.target, run.node, run.begin_s) for run in played.runs]


def test_a_pod_runs_at_once_where_there_is_most_room():
    clusters = [cluster("c1", node(cpu=2000)), cluster("c2", node("big", cpu=8000))]

    played = play(workload(pod("p", "c1", at=7), clusters=clusters), POLICY)

    assert ran(played) == [("p", "c2", "big", 7)]
    assert played.runs[0].waited_s == 0
    assert played.runs[0].end_s == 17


def test_a_pod_waits_until_another_one_ends():
    first, second = pod("a", lasts=30, cpu=4000), pod("b", at=5, cpu=1000)
    later = pod("c", at=33, cpu=1000)

    played = play(workload(first, second, later), POLICY)

    assert ran(played) == [("a", "c1", "n1", 0), ("b", "c1", "n1", 30), ("c", "c1", "n1", 33)]
    assert played.runs[1].waited_s == 25


def test_of_those_that_wait_the_more_important_one_runs_first():
    full = pod("a", lasts=30, cpu=4000)
    early, important = pod("b", at=1, cpu=4000), pod("c", at=2, cpu=4000, priority=1)

    played = play(workload(full, early, important), POLICY)

    assert [name for name, *_ in ran(played)] == ["a", "c", "b"]


def test_of_those_that_wait_the_one_that_came_first_runs_first():
    pods = [pod(name, at=at, cpu=4000) for name, at in (("z", 0), ("y", 9), ("x", 10), ("w", 11))]

    played = play(workload(*pods), POLICY)

    assert [name for name, *_ in ran(played)] == ["z", "y", "x", "w"]


def test_a_pod_that_fits_nowhere_is_told_to_wait_and_why():
    clusters = [cluster("c1"), cluster("c2", node(labels={"gpu": "T4"}))]
    large, elsewhere = pod("large", cpu=9000), pod("picky", selector={"gpu": ("V100", "A100")})

    played = play(workload(large, elsewhere, pod("ok"), clusters=clusters), POLICY)

    assert [name for name, *_ in ran(played)] == ["ok"]
    reasons = {each.name: told for each, told in played.waiting}
    assert reasons["large"] == {name: Lacks(resource="cpu") for name in ("c1", "c2")}
    assert reasons["picky"] == {name: Never(constraint="node affinity") for name in ("c1", "c2")}


def test_a_selector_leads_to_a_node_that_has_one_of_its_values():
    nodes = [node("a"), node("b", labels={"gpu": "T4"}), node("c", labels={"gpu": "A100"})]

    played = play(
        workload(pod(selector={"gpu": ("A100", "V100")}), clusters=[cluster("c1", *nodes)]), POLICY
    )

    assert [run.node for run in played.runs] == ["c"]


def test_in_separate_clusters_every_pod_stays_at_home():
    clusters = [cluster("c1", node(cpu=1000)), cluster("c2", node(cpu=9000))]
    pods = [pod("a"), pod("b"), pod("c", "c2")]

    together = play(workload(*pods, clusters=clusters), POLICY)
    apart = play(workload(*pods, clusters=clusters), POLICY, separate=True)

    assert [run.waited_s for run in together.runs] == [0, 0, 0]
    assert {run.pod.name: run.target for run in apart.runs} == {"a": "c1", "b": "c1", "c": "c2"}
    assert [run.waited_s for run in apart.runs] == [0, 0, 10]


def test_more_events_than_a_frame_takes_are_several_frames():
    many = [pod(f"p{number}", cpu=1, lasts=1) for number in range(1200)]

    played = play(workload(*many, clusters=[cluster("c1", node(cpu=2000, pods=2000))]), POLICY)

    assert [run.waited_s for run in played.runs] == [0] * 1200


def test_progress_counts_every_placed_pod():
    placed = []

    play(workload(pod("a", cpu=4000), pod("b", cpu=4000)), POLICY, progress=placed.append)

    assert sum(placed) == 2


def test_the_policy_chooses_the_cluster():
    clusters = [cluster("c1", node(cpu=2000)), cluster("c2", node(cpu=8000))]

    def target(policy):
        return play(workload(pod("p", "c1"), clusters=clusters), policy).runs[0].target

    assert target("most-replicas") == "c2"
    assert target("binpack") == "c1"
    assert target("prefer:c1") == "c1"


def test_an_unknown_policy_is_refused():
    with pytest.raises(BadSettings, match="no-such"):
        play(workload(), "no-such")


POLICIES = st.sampled_from([POLICY, "binpack", "spread", "prefer:c2", "2*most-replicas+spread"])


@settings(max_examples=60, deadline=None)
@given(workloads(), POLICIES, st.booleans())
def test_every_pod_ran_for_its_time_or_is_told_to_wait(played_workload, policy, separate):
    played = play(played_workload, policy, separate=separate)

    found = [run.pod.name for run in played.runs] + [each.name for each, _ in played.waiting]
    assert sorted(found) == sorted(each.name for each in played_workload.pods)
    assert all(run.waited_s >= 0 for run in played.runs)
    assert all(reasons for _, reasons in played.waiting)
    assert all(run.target == run.pod.source for run in played.runs if separate)


@settings(max_examples=60, deadline=None)
@given(workloads(), POLICIES, st.booleans())
def test_no_node_ever_holds_more_than_it_has(played_workload, policy, separate):
    played = play(played_workload, policy, separate=separate)

    nodes = {
        (each.name, node.name): node.allocatable
        for each in played_workload.clusters
        for node in each.nodes
    }
    for second in {run.begin_s for run in played.runs}:
        for place, allocatable in nodes.items():
            there = [
                run.pod.shape.requests
                for run in played.runs
                if (run.target, run.node) == place and run.begin_s <= second < run.end_s
            ]
            for resource, amount in allocatable.items():
                assert sum(each.get(resource, 0) for each in there) <= amount


@settings(max_examples=40, deadline=None)
@given(workloads())
def test_who_waits_for_ever_fits_no_empty_node(played_workload):
    played = play(played_workload, POLICY)

    nodes = [each for one in played_workload.clusters for each in one.nodes]
    for each, _ in played.waiting:
        assert not any(each.shape.admitted(n) and each.shape.fits(n.allocatable) for n in nodes)
