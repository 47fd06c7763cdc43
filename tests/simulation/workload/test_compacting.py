"""How few nodes would do, where the answer is known."""

from hypothesis import given
from hypothesis import strategies as st

from mcs.simulation.workload.compacting import busiest, compact, fewest
from mcs.simulation.workload.traces import chance
from tests.simulation.workload.workloads import GPU, cluster, node, pod, workload

POLICY = "most-replicas"


def compacted(whole, **options):
    return compact(whole, POLICY, seed=0, trials=3, **options)


def full(source, at, count):
    """So many pods, each of which fills a node."""
    return [pod(f"{source}-{at}-{each}", source, at=at, cpu=4000) for each in range(count)]


def clusters(*sizes):
    return [
        cluster(f"c{number}", *(node(f"n{each}") for each in range(size)))
        for number, size in enumerate(sizes, 1)
    ]


def test_peaks_at_different_times_share_nodes_only_in_a_federation():
    whole = workload(*full("c1", 0, 3), *full("c2", 50, 3), clusters=clusters(4, 4))

    found = compacted(whole)

    assert (found.separate, found.federation) == (6, 3)
    assert (found.nodes, found.clusters, found.clusters_needed) == (8, 2, 1)
    assert found.clusters_saved == 3 / 4
    assert found.left_out == 0


def test_peaks_at_the_same_time_save_nothing():
    whole = workload(*full("c1", 0, 3), *full("c2", 0, 3), clusters=clusters(4, 4))

    found = compacted(whole)

    assert (found.separate, found.federation, found.clusters_needed) == (6, 6, 2)
    assert found.clusters_saved == 0


def test_a_cluster_that_is_too_small_is_cloned():
    whole = workload(*full("c1", 0, 5), clusters=clusters(2, 4))

    found = compacted(whole)

    assert (found.separate, found.federation) == (5, 5)


def test_a_single_cluster_is_no_federation():
    nodes = [node("a", cpu=9000), node("b"), node("c", memory=9)]
    pods = [pod("x", cpu=9000), pod("y", memory=9), *full("c1", 0, 3)]

    found = compacted(workload(*pods, clusters=[cluster("c1", *nodes)]))

    assert found.federation == found.separate


def test_a_pod_that_no_node_of_its_own_takes_is_left_out_on_both_sides():
    both = [cluster("c1", node()), cluster("c2", node(**{GPU: 1}))]
    whole = workload(pod("a", "c1", **{GPU: 1}), pod("b", "c1"), clusters=both)

    found = compacted(whole)

    assert (found.separate, found.federation, found.left_out) == (1, 1, 1)


def test_each_resource_has_a_busiest_moment():
    cpu, memory = pod("cpu", at=0, cpu=4000), pod("memory", at=50, cpu=100, memory=8)
    short = pod("between", at=20, cpu=100)

    assert busiest(workload(cpu, short, memory)) == ((cpu,), (memory,))
    assert busiest(workload(cpu, pod("same", memory=1))) == ((cpu, pod("same", memory=1)),)


def test_both_busiest_moments_must_fit():
    nodes = [node("a", cpu=4000, memory=1), node("b", cpu=1000, memory=9)]
    pods = [pod("cpu", at=0, cpu=4000), pod("memory", at=50, cpu=1000, memory=9)]

    assert compacted(workload(*pods, clusters=[cluster("c1", *nodes)])).federation == 2


def test_one_that_ends_makes_room_for_one_that_begins_in_the_same_second():
    assert busiest(workload(pod("a", lasts=10), pod("b", at=10, lasts=10))) == ((pod("a"),),)


def test_a_workload_of_nothing_needs_nothing():
    found = compacted(workload(clusters=clusters(2, 2)))

    assert (found.separate, found.federation, found.clusters_needed) == (0, 0, 0)


def test_every_attempt_to_pack_is_told():
    probes = []
    compacted(workload(*full("c1", 0, 2), clusters=clusters(4)), probed=lambda: probes.append(1))

    assert len(probes) > 3


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 5))
def test_bisection_finds_the_smallest_number_that_is_enough(units, needed, seed):
    found = fewest(
        range(units),
        lambda some: len(some) >= needed,
        lambda unit, number: unit + units * number,
        chance("x", seed),
        trials=3,
        ample=needed,
    )

    assert found == [needed] * 3


@given(st.sets(st.integers(0, 19), min_size=1), st.integers(0, 5))
def test_units_are_tried_in_several_orders(needed, seed):
    found = fewest(
        range(20),
        lambda some: needed <= set(some),
        lambda *_: 0,
        chance("x", seed),
        trials=5,
        ample=1,
    )

    assert all(len(needed) <= each <= 20 for each in found)
