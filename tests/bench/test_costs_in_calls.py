"""What folding and deciding cost, in calls: of Python functions, and of C functions by Python.

Seconds would depend on the machine and on who else uses it; calls do not, so they can guard against
what matters most here: work that grows with what it should not grow with. What a single call into
numpy costs is not seen; ``bench/`` measures that.
"""

import sys

from bench.cases import columned
from bench.cycles import Core
from bench.feeding import Feed, cluster_names, local_pod, proxy
from bench.shapes import Shape, node, node_name, shapes
from mcs.events import subjects
from mcs.events.observations import PodGone

SAME = 1.1  # nothing that grows tenfold may show; a cycle's own cost is spread over its pods
NEARLY = 1.3
"""Some more leaders are counted out where there is more to choose from."""


def calls(work):
    """How many calls ``work`` makes."""
    count = 0

    def see(_, event, __):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def federation(clusters, nodes):
    """Clusters with so many nodes each, told and folded; what is fed lands in a list first."""
    core, inbox = Core(), []
    feed = Feed(inbox.append)

    def fold():
        for stored in inbox:
            core.take(stored)
        inbox.clear()

    for name in cluster_names(clusters):
        feed.join(name)
        feed.account(name, subjects.CAPACITY, (node(number) for number in range(nodes)))
    fold()
    core.settle()
    return core, feed, fold


def changes(feed, nodes, count):
    """Pods that come and go in one cluster, four events to a frame, and a node in each frame."""
    for number in range(count // 4):
        pod = local_pod(number, node_name(number % nodes))
        other = local_pod(count + number, node_name(number % nodes))
        changed = node(number % nodes, generation=number)
        feed.observe("c0001", subjects.CAPACITY, pod, other, PodGone(uid=pod.uid), changed)


def per_event(nodes, count=400):
    _, feed, fold = federation(2, nodes)
    changes(feed, nodes, count)
    return calls(fold) / count


def per_placement(clusters, nodes, pods=320):
    """Calls of one placement, after each of 32 shapes was placed once."""
    core, feed, fold = federation(clusters, nodes)
    asked = shapes(32)

    def arrive(first, count):
        told = [proxy(first + number, asked[number % 32]) for number in range(count)]
        feed.observe("c0001", subjects.PROXY, *told)
        fold()

    arrive(0, 32)
    core.settle()
    arrive(32, pods)
    placed = []
    count = calls(lambda: placed.extend(event for cycle in core.settle() for event in cycle.placed))
    assert len(placed) == pods
    return count / pods


def per_idle_cycle(waiting):
    core, feed, fold = federation(2, 10)
    too_much = Shape({"cpu": 1_000_000})
    feed.observe("c0001", subjects.PROXY, *(proxy(number, too_much) for number in range(waiting)))
    fold()
    core.settle()
    return calls(core.cycle)


def test_counting_is_exact_and_sees_c_functions_too():
    def twice():
        len("")
        len("")

    assert calls(twice) - calls(lambda: None) == 2
    assert calls(twice) == calls(twice)


def test_an_event_is_folded_in_few_calls():
    assert per_event(nodes=50) < 30


def test_folding_costs_no_more_calls_in_a_cluster_with_ten_times_the_nodes():
    assert per_event(nodes=500) < SAME * per_event(nodes=50)


def test_a_pod_of_a_full_account_is_folded_in_few_calls():
    _, feed, fold = federation(1, 50)
    pods = [local_pod(number, node_name(number % 50)) for number in range(1000)]
    feed.account("c0001", subjects.CAPACITY, [*(node(n) for n in range(50)), *pods])

    assert calls(fold) / 1050 < 30


def test_a_pod_in_columns_is_folded_in_fewer_calls_than_one_by_itself():
    pods = [local_pod(number, node_name(number % 50)) for number in range(1000)]
    counts = []
    for told in ([*columned(iter(pods))], pods, [*columned(iter(pods))]):
        _, feed, fold = federation(1, 50)
        feed.account("c0001", subjects.CAPACITY, told)
        counts.append(calls(fold))

    _, one_by_one, in_columns = counts  # the first time, numpy makes ready
    assert in_columns < one_by_one


def test_a_pod_is_placed_in_few_calls():
    assert per_placement(clusters=10, nodes=5) < 400


def test_a_placement_costs_no_more_calls_with_ten_times_the_nodes():
    assert per_placement(clusters=10, nodes=500) < NEARLY * per_placement(clusters=10, nodes=50)


def test_a_placement_costs_no_more_calls_with_ten_times_the_clusters():
    assert per_placement(clusters=100, nodes=50) < NEARLY * per_placement(clusters=10, nodes=50)


def test_a_cycle_in_which_nothing_changes_costs_no_more_calls_with_ten_times_the_pods_waiting():
    assert per_idle_cycle(1000) < SAME * per_idle_cycle(100)
