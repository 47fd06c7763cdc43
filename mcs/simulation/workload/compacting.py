"""How few nodes would do? Borg's cell compaction: take nodes away until the workload fits no more.

The method is that of Verma et al., "Large-scale cluster management at Google with Borg" (EuroSys
2015, section 5.1) and "Evaluating job packing in warehouse-scale computing" (CLUSTER 2014): nodes
in a random order, the smallest number of first ones that hold the workload, packed from scratch by
the scheduler itself, found by bisection; several orders, and of them the 90th percentile, since the
best one would promise too much. Where all nodes are not enough, the cluster is cloned.

The workload *fits* when it could run without any wait: at its busiest moments (for each resource
the one in which most of it is asked for, were each pod started when it arrives) every pod has a
place. Pods that fit no empty node of their source are left out, on both sides, and counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, TypeVar

import msgspec

from mcs.events.decisions import PodPlaced
from mcs.simulation.workload.measuring import percentile
from mcs.simulation.workload.playing import arrive, join_all, quiet_policy
from mcs.simulation.workload.traces import Cluster, Node, Pod, Workload, chance
from mcs.simulation.writing import Writer

_PERCENT: Final = 90

T = TypeVar("T")
Probed = Callable[[], None]
"""Called after each attempt to pack."""


class Compaction(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes there are, and nodes that would do: for the federation, and for separate clusters in
    sum. ``clusters_needed``: whole clusters that would do for the federation. ``left_out``: pods
    that no empty node of their source could take.
    """

    nodes: int
    clusters: int
    federation: int
    separate: int
    clusters_needed: int
    left_out: int

    @property
    def clusters_saved(self) -> float:
        """The nodes that the federation does without, in clusters of average size."""
        return (self.separate - self.federation) * self.clusters / max(1, self.nodes)


@dataclass(frozen=True)
class _Place:
    """A node of a cluster."""

    cluster: str
    node: Node


def compact(
    workload: Workload, score: str, *, seed: int, trials: int, probed: Probed | None = None
) -> Compaction:
    """Compact the federation, and each of its clusters with only its own pods."""
    homed = _homed(workload)  # orders are drawn alike, so that a single cluster compares as equal
    packer = _Packer(score, probed)
    separate = [0] * trials
    for cluster in workload.clusters:
        alone = homed.alone(cluster.name)
        needed = _nodes_needed(alone, packer, chance("nodes", seed), trials)
        separate = [before + more for before, more in zip(separate, needed, strict=True)]
    federation = _nodes_needed(homed, packer, chance("nodes", seed), trials)
    clusters = _clusters_needed(homed, packer, chance("clusters", seed), trials)
    return Compaction(
        nodes=workload.nodes,
        clusters=len(workload.clusters),
        federation=percentile(sorted(federation), _PERCENT),
        separate=percentile(sorted(separate), _PERCENT),
        clusters_needed=percentile(sorted(clusters), _PERCENT),
        left_out=len(workload.pods) - len(homed.pods),
    )


def busiest(workload: Workload) -> tuple[tuple[Pod, ...], ...]:
    """The pods that would run at the busiest moment of each resource, could each pod start when it
    arrives; a moment that is another one's, too, stands once.
    """
    begins: dict[int, list[Pod]] = defaultdict(list)
    ends: dict[int, list[Pod]] = defaultdict(list)
    for pod in workload.pods:
        begins[pod.arrival_s].append(pod)
        ends[pod.arrival_s + max(1, pod.duration_s)].append(pod)
    asked = dict.fromkeys(workload.resources, 0)
    highest = dict.fromkeys(asked, (0, 0))  # amount and second
    for second in sorted(begins.keys() | ends.keys()):
        for pods, sign in ((ends.get(second, ()), -1), (begins.get(second, ()), 1)):
            for pod in pods:
                for name, amount in pod.shape.amounts:
                    asked[name] = asked.get(name, 0) + sign * amount
        for name, (most, _) in highest.items():
            if asked[name] > most:
                highest[name] = (asked[name], second)
    moments = sorted({second for most, second in highest.values() if most})
    return tuple(
        tuple(
            pod
            for pod in workload.pods
            if pod.arrival_s <= second < pod.arrival_s + max(1, pod.duration_s)
        )
        for second in moments
    )


def fewest(
    units: Sequence[T],
    holds: Callable[[Sequence[T]], bool],
    clone: Callable[[T, int], T],
    orders: Random,
    trials: int,
    *,
    ample: int,
) -> list[int]:
    """For each of some random orders of the units, how many of the first ones are enough. Where all
    are too few, there are two, four and more of each; ``ample`` of each are enough for sure.
    """
    all_of, copies = list(units), 1
    while not holds(all_of):
        assert copies < ample, f"{len(all_of)} units do not hold what fits"
        more = range(copies, 2 * copies)
        all_of += [clone(unit, number) for number in more for unit in units]
        copies *= 2
    found = []
    for _ in range(trials):
        order = orders.sample(all_of, len(all_of))
        low, high = 0, len(order)  # too few, enough
        while high - low > 1:
            middle = (low + high) // 2
            if holds(order[:middle]):
                high = middle
            else:
                low = middle
        found.append(high)
    return found


class _Packer:
    """Does a set of pods fit, says the core."""

    def __init__(self, score: str, probed: Probed | None) -> None:
        self._score, self._probed = score, probed

    def holds(
        self, places: Sequence[_Place], sources: Sequence[str], moments: Sequence[Sequence[Pod]]
    ) -> bool:
        """Whether every pod of each moment gets a node, all at once, from scratch."""
        fits = all(_enough(places, pods) and self._pack(places, sources, pods) for pods in moments)
        if self._probed:
            self._probed()
        return fits

    def _pack(self, places: Sequence[_Place], sources: Sequence[str], pods: Sequence[Pod]) -> bool:
        nodes: dict[str, list[Node]] = {source: [] for source in sources}
        for place in places:
            nodes.setdefault(place.cluster, []).append(place.node)
        writer = Writer(quiet_policy(self._score))
        join_all(writer, tuple(Cluster(name=name, nodes=tuple(nodes[name])) for name in nodes))
        arrive(writer, list(pods))
        return sum(isinstance(event, PodPlaced) for event in writer.settle()) == len(pods)


def _nodes_needed(workload: Workload, packer: _Packer, orders: Random, trials: int) -> list[int]:
    moments = busiest(workload)
    if not moments:
        return [0] * trials
    sources = [cluster.name for cluster in workload.clusters]
    places = [_Place(cluster.name, node) for cluster in workload.clusters for node in cluster.nodes]
    return fewest(
        places,
        lambda some: packer.holds(some, sources, moments),
        lambda place, number: _Place(place.cluster, _renamed(place.node, number)),
        orders,
        trials,
        ample=max(map(len, moments)),  # each pod could have a node for itself
    )


def _clusters_needed(workload: Workload, packer: _Packer, orders: Random, trials: int) -> list[int]:
    moments = busiest(workload)
    if not moments:
        return [0] * trials
    sources = [cluster.name for cluster in workload.clusters]

    def holds(clusters: Sequence[Cluster]) -> bool:
        places = [_Place(cluster.name, node) for cluster in clusters for node in cluster.nodes]
        return packer.holds(places, sources, moments)

    def clone(cluster: Cluster, number: int) -> Cluster:
        return replace(cluster, nodes=tuple(_renamed(node, number) for node in cluster.nodes))

    ample = max(map(len, moments))
    return fewest(workload.clusters, holds, clone, orders, trials, ample=ample)


def _renamed(node: Node, number: int) -> Node:
    return replace(node, name=f"{node.name}-{number}")


def _homed(workload: Workload) -> Workload:
    """Without the pods that fit no empty node of their source."""
    nodes = {cluster.name: cluster.nodes for cluster in workload.clusters}
    fitting = {
        (source, shape)
        for source, shape in {(pod.source, pod.shape) for pod in workload.pods}
        if any(shape.admitted(n) and shape.fits(n.allocatable) for n in nodes.get(source, ()))
    }
    return replace(
        workload,
        pods=tuple(pod for pod in workload.pods if (pod.source, pod.shape) in fitting),
    )


def _enough(places: Sequence[_Place], pods: Sequence[Pod]) -> bool:
    """Whether they could fit at all, were the nodes one: what packing need not be asked for."""
    asked: dict[str, int] = defaultdict(int)
    offered: dict[str, int] = defaultdict(int)
    for pod in pods:
        for name, amount in pod.shape.amounts:
            asked[name] += amount
    for place in places:
        for name, amount in place.node.allocatable.items():
            offered[name] += amount
    return all(offered[name] >= amount for name, amount in asked.items())
