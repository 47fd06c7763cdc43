"""A workload: clusters with their nodes, and the pods that arrive in them.

Times are whole seconds from the workload's begin. A pod runs for ``duration_s`` from the moment it
has a place, whatever the node; what it asks for is what it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Final

from mcs.events.constraints import Constraints, Requirement, Term
from mcs.quantities import CPU, MEMORY, PODS, Resources

POD_LIMIT: Final = 110
"""Of a node, as kubelet's ``--max-pods`` has it."""


def chance(what: str, seed: int) -> Random:
    """Chance that is the same for ever for the same words and seed."""
    return Random(f"{what}/{seed}")  # noqa: S311 (a seed, not a secret)


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node. ``allocatable`` names ``pods``, too."""

    name: str
    allocatable: Resources
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster of the federation."""

    name: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Shape:
    """What a pod asks of a node: amounts of resources, each more than 0, ordered by name; and for
    some labels the values that will do.
    """

    amounts: tuple[tuple[str, int], ...]
    selector: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @cached_property
    def requests(self) -> Resources:
        """The amounts, by name."""
        return dict(self.amounts)

    @cached_property
    def constraints(self) -> Constraints:
        """The selector, as a pod's required node affinity."""
        labels = tuple(
            Requirement(key=key, operator="In", values=values) for key, values in self.selector
        )
        return Constraints(affinity=(Term(labels=labels),)) if labels else Constraints()

    def admitted(self, node: Node) -> bool:
        """Whether the node's labels will do."""
        return all(node.labels.get(key) in values for key, values in self.selector)

    def fits(self, free: Mapping[str, int]) -> bool:
        """Whether so much is enough, a pod's own place (``pods``) included."""
        return free.get(PODS, 0) > 0 and all(free.get(name, 0) >= n for name, n in self.amounts)


def shape(
    requests: Mapping[str, int], selector: Mapping[str, tuple[str, ...]] | None = None
) -> Shape:
    """A shape, of amounts in any order; those of 0 are left out."""
    amounts = tuple(sorted((name, amount) for name, amount in requests.items() if amount > 0))
    return Shape(amounts, tuple(sorted((selector or {}).items())))


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod that arrives in cluster ``source`` and wants to run for ``duration_s``."""

    name: str
    source: str
    arrival_s: int
    duration_s: int
    shape: Shape
    priority: int = 0


@dataclass(frozen=True, kw_only=True)
class Workload:
    """``pods`` stand in the order of their arrival. ``notes``: what people should know of it, in
    sentences; above all what was left out, or is only nearly so.
    """

    name: str
    clusters: tuple[Cluster, ...]
    pods: tuple[Pod, ...]
    notes: tuple[str, ...] = ()

    @property
    def nodes(self) -> int:
        """How many there are in all clusters."""
        return sum(len(cluster.nodes) for cluster in self.clusters)

    @property
    def resources(self) -> tuple[str, ...]:
        """Names of what the pods ask for, ``cpu`` and ``memory`` first."""
        first = {CPU: 0, MEMORY: 1}
        asked = {name for shape in {pod.shape for pod in self.pods} for name in shape.requests}
        return tuple(sorted(asked - {PODS}, key=lambda name: (first.get(name, 2), name)))

    @property
    def lasts_s(self) -> int:
        """From the first arrival to the last."""
        return self.pods[-1].arrival_s - self.pods[0].arrival_s if self.pods else 0

    def capacity(self, resource: str) -> int:
        """What all nodes have of it."""
        nodes = (node for cluster in self.clusters for node in cluster.nodes)
        return sum(node.allocatable.get(resource, 0) for node in nodes)

    def asked(self, resource: str) -> float:
        """What the pods ask for, on average while they arrive, as a share of what there is; were
        each started when it arrives.
        """
        last_s = self.pods[-1].arrival_s if self.pods else 0
        work = sum(
            pod.shape.requests.get(resource, 0) * min(pod.duration_s, last_s - pod.arrival_s)
            for pod in self.pods
        )
        return work / max(1, self.capacity(resource) * self.lasts_s)

    def faster(self, times: float) -> Workload:
        """The same pods, arriving ``times`` as fast."""
        if times == 1:
            return self
        pods = tuple(replace(pod, arrival_s=round(pod.arrival_s / times)) for pod in self.pods)
        return replace(
            self, pods=pods, notes=(*self.notes, f"They arrive {times:g} times as fast.")
        )

    def alone(self, source: str) -> Workload:
        """One cluster for itself, with the pods that arrive there."""
        return replace(
            self,
            clusters=tuple(cluster for cluster in self.clusters if cluster.name == source),
            pods=tuple(pod for pod in self.pods if pod.source == source),
        )
