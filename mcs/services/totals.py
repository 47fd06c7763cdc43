"""The cluster in a few numbers, kept as nodes and pods change: what each heartbeat says.

To add up five thousand nodes every five seconds costs more than all else that an agent does at
rest. So what each node has and has left is remembered, and a heartbeat looks only at nodes that
were touched since the last one. ``objects.summary`` says what the numbers are; the tests compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from mcs.events.observations import NodeObserved
from mcs.objects.summary import Summary, common_labels, left
from mcs.quantities import Resources, bounded
from mcs.services.usage import Usage


class Totals:
    """Sums over the real nodes; ``nodes``: those, by name. Pods are counted by ``usage``."""

    def __init__(self, usage: Usage) -> None:
        self.nodes: dict[str, NodeObserved] = {}
        self._usage = usage
        self._totals, self._free = _Sum(), _Sum()
        self._pods = 0
        self._told: dict[str, tuple[Resources, int]] = {}  # what a node adds to free and pods
        self._labels: dict[str, str] | None = {}  # None: to be looked at again

    def node(self, name: str, after: NodeObserved | None) -> None:
        """Take a node as it is now; None: it is gone, or virtual."""
        before = self.nodes.pop(name, None)
        if before is not None:
            self._totals.add(before.allocatable, -1)
        if after is not None:
            self.nodes[name] = after
            self._totals.add(after.allocatable, 1)
        if before is None or after is None or before.labels != after.labels:
            self._labels = None
        self._usage.touched.add(name)

    def summary(self) -> Summary:
        """The numbers of now."""
        for name in self._usage.touched:
            self._look_at(name)
        self._usage.touched.clear()
        if self._labels is None:
            self._labels = common_labels(node.labels for node in self.nodes.values())
        return Summary(
            totals=self._totals.amounts(),
            free=self._free.amounts(),
            labels=self._labels,
            nodes=len(self.nodes),
            pods=self._pods,
        )

    def _look_at(self, name: str) -> None:
        free, pods = self._told.pop(name, ({}, 0))
        self._free.add(free, -1)
        self._pods -= pods
        node = self.nodes.get(name)
        if node is None:
            return
        pods = self._usage.pods.get(name, 0)
        free = left(node, self._usage.used.get(name, {}), pods)
        self._told[name] = free, pods
        self._free.add(free, 1)
        self._pods += pods


class _Sum:
    """A sum of resources that forgets those that nobody has any more."""

    def __init__(self) -> None:
        self._amounts: Counter[str] = Counter()
        self._parts: Counter[str] = Counter()

    def add(self, part: Mapping[str, int], sign: int) -> None:
        for name, amount in part.items():
            self._amounts[name] += sign * amount
            self._parts[name] += sign
            if not self._parts[name]:
                del self._amounts[name], self._parts[name]

    def amounts(self) -> Resources:
        return bounded(self._amounts)
