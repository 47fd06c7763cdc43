"""What a workload is."""

from mcs.events.constraints import Constraints
from mcs.simulation.workload.traces import chance, shape
from tests.simulation.workload.workloads import GPU, cluster, node, pod, workload


def test_shapes_that_ask_for_the_same_are_equal():
    assert shape({"memory": 2, "cpu": 1, GPU: 0}) == shape({"cpu": 1, "memory": 2})
    assert shape({"cpu": 1}).requests == {"cpu": 1}


def test_a_shape_without_a_selector_has_no_constraints():
    assert shape({"cpu": 1}).constraints == Constraints()
    assert shape({"cpu": 1}).admitted(node())


def test_a_selector_admits_nodes_with_one_of_its_values():
    picky = shape({}, {"gpu": ("T4", "A100")})

    assert picky.admitted(node(labels={"gpu": "A100"}))
    assert not picky.admitted(node(labels={"gpu": "G2"}))
    assert not picky.admitted(node())


def test_a_shape_fits_where_all_of_it_is_free_and_a_pods_place():
    asked = shape({"cpu": 2, GPU: 1})

    assert asked.fits({"cpu": 2, GPU: 1, "pods": 1})
    assert not asked.fits({"cpu": 2, "pods": 1})
    assert not asked.fits({"cpu": 1, GPU: 1, "pods": 1})
    assert not asked.fits({"cpu": 2, GPU: 1, "pods": 0})


def test_resources_are_those_asked_for_with_cpu_and_memory_first():
    pods = [pod("a", **{GPU: 1}), pod("b", memory=3), pod("c", **{"a.example/x": 0})]

    assert workload(*pods).resources == ("cpu", "memory", GPU)


def test_a_faster_workload_has_the_same_pods_in_less_time_and_says_so():
    slow = workload(pod("a", at=0), pod("b", at=100))
    fast = slow.faster(2)

    assert [each.arrival_s for each in fast.pods] == [0, 50]
    assert [each.duration_s for each in fast.pods] == [10, 10]
    assert fast.lasts_s == 50
    assert fast.asked("cpu") > slow.asked("cpu")
    assert "2 times as fast" in fast.notes[-1]
    assert slow.faster(1) is slow


def test_what_is_asked_for_is_work_over_capacity_and_time():
    # Of 4 cpu in 20 s, one pod has 1 for 10 s, the other 2 for the last 5 s; the last pod none yet.
    pods = [pod("a"), pod("b", at=15, cpu=2000), pod("c", at=20)]

    assert workload(*pods).asked("cpu") == (1 * 10 + 2 * 5) / (4 * 20)
    assert workload().asked("cpu") == 0


def test_a_cluster_alone_has_its_own_pods_only():
    both = workload(
        pod("a", "c1"), pod("b", "c2"), clusters=[cluster("c1"), cluster("c2", node("n2"))]
    )

    alone = both.alone("c2")
    assert [each.name for each in alone.clusters] == ["c2"]
    assert [each.name for each in alone.pods] == ["b"]
    assert both.nodes == 2
    assert both.capacity("cpu") == 8000


def test_chance_is_the_same_for_the_same_words_and_seed():
    assert chance("a", 1).random() == chance("a", 1).random()
    assert chance("a", 1).random() != chance("b", 1).random()
