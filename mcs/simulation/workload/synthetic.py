"""Workloads made from a seed: small models of what federations are made for.

The work of all pods (cpu times duration) is ``ASKED`` of what the federation's cpu can do while
they arrive; workloads differ in how it is spread over time, over sources and over sizes of pods.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from mcs.errors import BadSettings
from mcs.quantities import CPU, MEMORY, PODS
from mcs.simulation.workload.traces import (
    POD_LIMIT,
    Cluster,
    Node,
    Pod,
    Shape,
    Workload,
    chance,
    shape,
)

ASKED: Final = 0.7
_GIB: Final = 1 << 30
_NODE_CPU: Final = 16_000
_NODE_MEMORY: Final = 64 * _GIB
_MEAN_S: Final = 300
_DAYS: Final = 3

_MIX: Final = (  # how many of each, cpu, memory
    (35, 500, _GIB),
    (30, 1_000, 2 * _GIB),
    (15, 1_000, 8 * _GIB),
    (12, 4_000, 8 * _GIB),
    (8, 8_000, 24 * _GIB),
)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large: ``nodes`` of each cluster, ``pods`` of all."""

    clusters: int = 4
    nodes: int = 6
    pods: int = 2000


class _Job(NamedTuple):
    """A pod that has no source and no arrival yet."""

    shape: Shape
    duration_s: int


def generate(name: str, size: Size, seed: int) -> Workload:
    """The workload of that name.

    Raises:
        BadSettings: there is none.
    """
    if name not in KINDS:
        raise BadSettings(f"there is no workload {name!r}; there are {', '.join(KINDS)}")
    told, make = KINDS[name]
    clusters = tuple(_cluster(number, size.nodes) for number in range(1, size.clusters + 1))
    sources = [cluster.name for cluster in clusters]
    arrivals = sorted(make(chance(name, seed), size), key=lambda arrival: arrival[0])
    width = len(str(size.pods))
    pods = tuple(
        Pod(
            name=f"{name}-{number:0{width}}",
            source=sources[source],
            arrival_s=int(moment),
            duration_s=job.duration_s,
            shape=job.shape,
        )
        for number, (moment, source, job) in enumerate(arrivals, 1)
    )
    return Workload(
        name=name, clusters=clusters, pods=pods, notes=(told, f"Made from seed {seed}.")
    )


_Arrivals = Iterable[tuple[float, int, _Job]]


def _steady(drawn: Random, size: Size) -> _Arrivals:
    jobs = [_mixed(drawn) for _ in range(size.pods)]
    span_s = _span(jobs, size)
    return [(drawn.uniform(0, span_s), drawn.randrange(size.clusters), job) for job in jobs]


def _bursts(drawn: Random, size: Size) -> _Arrivals:
    """Whole batches of like pods, in one source at one moment."""
    batches: list[list[_Job]] = []
    left = size.pods
    while left:
        count = min(left, drawn.randint(1, 4 * size.nodes))
        kind = _mixed(drawn).shape
        batches.append([_Job(kind, _exponential(drawn)) for _ in range(count)])
        left -= count
    span_s = _span([job for batch in batches for job in batch], size)
    found = []
    for batch in batches:
        moment, source = drawn.uniform(0, span_s), drawn.randrange(size.clusters)
        found += [(moment, source, job) for job in batch]
    return found


def _diurnal(drawn: Random, size: Size) -> _Arrivals:
    """Days and nights, at another time in each source."""
    jobs = [_mixed(drawn) for _ in range(size.pods)]
    span_s = _span(jobs, size)
    return [(*_by_day(drawn, span_s, size.clusters), job) for job in jobs]


def _by_day(drawn: Random, span_s: float, clusters: int) -> tuple[float, int]:
    while True:
        moment, source = drawn.uniform(0, span_s), drawn.randrange(clusters)
        hour = _DAYS * moment / span_s + source / clusters
        if drawn.random() < (1 + math.sin(2 * math.pi * hour)) / 2:
            return moment, source


def _heavy(drawn: Random, size: Size) -> _Arrivals:
    """Most pods are small and short; a few take half a node, or run for most of it all."""
    jobs = []
    for _ in range(size.pods):
        cpu = min(_NODE_CPU // 2, 250 * round(drawn.paretovariate(1.1)))
        memory = min(_NODE_MEMORY // 2, int(cpu / 1000 * drawn.choice((1, 2, 4, 8)) * _GIB))
        lasts_s = int(min(_MEAN_S / 4 * drawn.paretovariate(1.3), 6 * _MEAN_S))
        jobs.append(_Job(shape({CPU: cpu, MEMORY: memory}), lasts_s))
    span_s = _span(jobs, size)
    return [(drawn.uniform(0, span_s), drawn.randrange(size.clusters), job) for job in jobs]


KINDS: Final[dict[str, tuple[str, Callable[[Random, Size], _Arrivals]]]] = {
    "steady": ("Pods of five sizes arrive evenly in all sources.", _steady),
    "bursts": ("Batches of like pods arrive at once, now in one source, now in another.", _bursts),
    "diurnal": (
        f"{_DAYS} days and nights; the sources lie around the globe, so their days differ.",
        _diurnal,
    ),
    "heavy-tail": (
        "Most pods are small and short; a few take half a node, or run for most of it all.",
        _heavy,
    ),
}
"""Every workload there is: what it models, in a sentence, and the function that draws it."""


def _cluster(number: int, nodes: int) -> Cluster:
    allocatable = {CPU: _NODE_CPU, MEMORY: _NODE_MEMORY, PODS: POD_LIMIT}
    width = len(str(nodes))
    return Cluster(
        name=f"cluster{number}",
        nodes=tuple(
            Node(name=f"node{each:0{width}}", allocatable=allocatable, labels={})
            for each in range(1, nodes + 1)
        ),
    )


def _mixed(drawn: Random) -> _Job:
    ((_, cpu, memory),) = drawn.choices(_MIX, weights=[each[0] for each in _MIX])
    return _Job(shape({CPU: cpu, MEMORY: memory}), _exponential(drawn))


def _exponential(drawn: Random) -> int:
    return 1 + int(drawn.expovariate(1 / _MEAN_S))


def _span(jobs: Iterable[_Job], size: Size) -> float:
    """Seconds in which so much work is ``ASKED`` of the cpu there is."""
    work = sum(job.shape.requests[CPU] * job.duration_s for job in jobs)
    return work / (ASKED * size.clusters * size.nodes * _NODE_CPU)
