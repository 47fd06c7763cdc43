"""Workloads made from a seed."""

import pytest

from mcs.errors import BadSettings
from mcs.simulation.workload.synthetic import ASKED, KINDS, Size, generate

SIZE = Size(clusters=3, nodes=4, pods=600)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_means_the_same_workload_for_ever(kind):
    assert generate(kind, SIZE, 7) == generate(kind, SIZE, 7)
    assert generate(kind, SIZE, 7) != generate(kind, SIZE, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_workload_has_the_size_that_is_asked_for(kind):
    made = generate(kind, SIZE, 1)

    assert [len(cluster.nodes) for cluster in made.clusters] == [4, 4, 4]
    assert len({pod.name for pod in made.pods}) == 600
    assert {pod.source for pod in made.pods} == {cluster.name for cluster in made.clusters}
    assert list(made.pods) == sorted(made.pods, key=lambda pod: pod.arrival_s)
    assert all(pod.duration_s >= 1 for pod in made.pods)


@pytest.mark.parametrize("kind", KINDS)
def test_its_work_is_the_stated_share_of_the_cpu(kind):
    made = generate(kind, SIZE, 1)

    work = sum(pod.shape.requests["cpu"] * pod.duration_s for pod in made.pods)
    assert work / made.capacity("cpu") / made.lasts_s == pytest.approx(ASKED, rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_pod_fits_an_empty_node(kind):
    made = generate(kind, SIZE, 1)
    node = made.clusters[0].nodes[0]

    assert all(pod.shape.fits(node.allocatable) for pod in made.pods)


def test_bursts_come_at_once_from_one_source():
    pods = generate("bursts", SIZE, 1).pods

    moments = {(pod.arrival_s, pod.source) for pod in pods}
    assert len(moments) < len(pods) / 5


def test_days_differ_from_source_to_source():
    made = generate("diurnal", Size(clusters=2, nodes=4, pods=4000), 1)
    day_s = made.lasts_s / 3

    def by_day(source):
        """Share of a source's pods that come in the first half of a day."""
        times = [pod.arrival_s % day_s < day_s / 2 for pod in made.pods if pod.source == source]
        return sum(times) / len(times)

    assert by_day("cluster1") > 0.7
    assert by_day("cluster2") < 0.3


def test_a_heavy_tail_has_few_pods_with_most_of_the_work():
    made = generate("heavy-tail", SIZE, 1)

    work = sorted((pod.shape.requests["cpu"] * pod.duration_s for pod in made.pods), reverse=True)
    assert sum(work[: len(work) // 10]) > 0.5 * sum(work)


def test_an_unknown_workload_is_refused_with_what_there_is():
    with pytest.raises(BadSettings, match=r"'no-such'; there are steady, bursts"):
        generate("no-such", SIZE, 0)
