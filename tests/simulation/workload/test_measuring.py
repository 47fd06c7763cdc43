"""Utilisation, fragmentation and waits, compared with what was counted by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcs.simulation.workload.measuring import measure, percentile, waits_of
from mcs.simulation.workload.playing import Played, Run, play
from tests.simulation.workload.workloads import GPU, cluster, node, pod, workload, workloads


def played(whole, *runs, separate=False):
    """``runs``: pod name, target, node, begin."""
    pods = {each.name: each for each in whole.pods}
    found = tuple(Run(pods[name], *where) for name, *where in runs)
    begun = {run.pod.name for run in found}
    waiting = tuple((each, {}) for each in whole.pods if each.name not in begun)
    return Played(workload=whole, separate=separate, runs=found, waiting=waiting, events=1)


def test_what_is_used_is_averaged_until_the_last_pod_has_its_place():
    whole = workload(pod("a", lasts=30, cpu=1000), pod("b", at=10, lasts=5, cpu=3000))

    level = measure(played(whole, ("a", "c1", "n1", 0), ("b", "c1", "n1", 20))).levels["cpu"]

    assert level.used == 0.25  # from 0 to 20: 1 of 4 cpu
    assert level.peak == 0.25
    assert level.timeline == pytest.approx([0.25] * 24)


def test_where_all_are_placed_at_once_it_is_averaged_while_they_run():
    whole = workload(pod("a", lasts=10, cpu=4000), pod("b", lasts=20, cpu=0, memory=1))

    measures = measure(played(whole, ("a", "c1", "n1", 0), ("b", "c1", "n1", 0)))

    assert measures.levels["cpu"].used == pytest.approx(0.5)
    assert measures.levels["cpu"].peak == 1.0
    assert measures.levels["cpu"].timeline == pytest.approx([1.0] * 12 + [0.0] * 12)
    assert measures.lasted_s == 20


def test_room_is_fragmented_for_the_share_of_pods_that_do_not_fit_in_it():
    small, large = pod("s", cpu=1000), pod("l", cpu=4000)
    runs = [pod("r", lasts=10, cpu=1000), pod("q", lasts=10, cpu=4000)]
    whole = workload(small, large, *runs, clusters=[cluster("c1", node()), cluster("c2", node())])

    level = measure(played(whole, ("r", "c1", "n1", 0))).levels["cpu"]

    # On n1 of c1 3 of 4 cpu are free, of no use to half of the pods; c2 is of use to all.
    assert level.fragmented == pytest.approx(3 / 8 * 0.5)
    assert level.used == pytest.approx(1 / 8)


def test_a_resource_is_measured_with_the_pods_that_ask_for_it():
    clusters = [cluster("c1", node(cpu=1000, **{GPU: 4}))]
    whole = workload(pod("a", cpu=1000), pod("g", cpu=500, **{GPU: 1}), clusters=clusters)

    levels = measure(played(whole, ("a", "c1", "n1", 0))).levels

    assert levels[GPU].fragmented == 1.0  # without any cpu, no GPU is of use
    assert levels["cpu"].fragmented == 0.0  # none is free


def test_pods_that_do_not_ask_for_a_resource_do_not_fragment_it():
    clusters = [cluster("c1", node(cpu=1000, **{GPU: 4}))]
    whole = workload(
        pod("a", cpu=500), pod("b", cpu=1000), pod("g", cpu=500, **{GPU: 1}), clusters=clusters
    )

    levels = measure(played(whole, ("a", "c1", "n1", 0))).levels

    assert levels[GPU].fragmented == 0.0  # b does not fit, but wants none
    assert levels["cpu"].fragmented == pytest.approx(0.5 / 3)


def test_room_on_nodes_that_a_pod_may_not_use_is_fragmented():
    nodes = [node("n1"), node("n2", labels={"zone": "a"})]
    whole = workload(
        pod("a", selector={"zone": ("a",)}, cpu=2000), clusters=[cluster("c1", *nodes)]
    )

    level = measure(played(whole, ("a", "c1", "n2", 0))).levels["cpu"]

    assert level.fragmented == 0.5  # n1


def test_room_in_a_separate_cluster_is_of_use_to_its_own_pods_only():
    clusters = [cluster("c1", node(cpu=2000)), cluster("c2", node(cpu=2000))]
    whole = workload(
        pod("a", "c1", lasts=10, cpu=1000), pod("b", "c2", lasts=10, cpu=2000), clusters=clusters
    )
    runs = [("a", "c1", "n1", 0), ("b", "c2", "n1", 0)]

    together = measure(played(whole, *runs)).levels["cpu"]
    apart = measure(played(whole, *runs, separate=True)).levels["cpu"]

    assert together.fragmented == pytest.approx(0.25 * 0.5)  # 1 of 4 cpu, no use to b
    assert apart.fragmented == 0.0  # b never comes there


def test_rare_shapes_do_not_count_as_fragmentation():
    many = [pod(f"s{number}", cpu=40) for number in range(99)]
    whole = workload(pod("huge", cpu=4000), *many)

    level = measure(played(whole, ("s0", "c1", "n1", 0))).levels["cpu"]

    assert level.fragmented == 0.0


def test_waits_are_counted_over_the_pods_that_ran():
    whole = workload(pod("a"), pod("b", at=5), pod("c", at=6))

    measures = measure(played(whole, ("a", "c1", "n1", 0), ("b", "c1", "n1", 15)))

    assert measures.waits.at_once == 0.5
    assert measures.waits.mean_s == 5
    assert measures.waits.longest_s == 10
    assert (measures.pods, measures.ran, measures.never) == (3, 2, 1)


def test_a_workload_of_nothing_measures_as_nothing():
    measures = measure(played(workload()))

    assert (measures.pods, measures.ran, measures.never, measures.lasted_s) == (0, 0, 0, 0)
    assert measures.levels == {}


def test_percentiles_are_those_of_the_nearest_rank():
    # The example of en.wikipedia.org/wiki/Percentile, "The nearest-rank method".
    ordered = [15, 20, 35, 40, 50]

    assert [percentile(ordered, each) for each in (5, 30, 40, 50, 100)] == [15, 20, 20, 35, 50]


@given(st.lists(st.integers(0, 1000), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values, percent):
    found = percentile(sorted(values), percent)

    def share(limit):
        return 100 * sum(value <= limit for value in values)

    assert share(found) >= percent * len(values)
    assert all(share(value) < percent * len(values) for value in values if value < found)


@given(st.lists(st.integers(0, 1000), min_size=1))
def test_waits_grow_with_their_percentile(values):
    waits = waits_of(values)

    assert 0 <= waits.p50_s <= waits.p90_s <= waits.p99_s <= waits.longest_s == max(values)
    assert 0 <= waits.at_once <= 1


@settings(max_examples=60, deadline=None)
@given(workloads(), st.booleans())
def test_used_and_fragmented_are_never_more_than_there_is(whole, separate):
    for level in measure(play(whole, "most-replicas", separate=separate)).levels.values():
        assert level.used >= 0 and level.fragmented >= -1e-9
        assert level.used + level.fragmented <= 1 + 1e-9
        assert level.used <= level.peak + 1e-9
        assert level.peak <= 1
        assert sum(level.timeline) / len(level.timeline) == pytest.approx(level.used)
