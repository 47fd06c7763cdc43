"""Which nodes bar a pod whatever is free there: asked once for each kind of node, not for each one.

Nodes of one kind have the same taints and labels, but for the label that repeats the node's name,
and are alike ready and schedulable. Clusters of thousands of nodes have a handful of kinds. Pods
whose constraints name nodes are the exception: for them each node is asked.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from mcs.decisions.fitting import barred
from mcs.events.constraints import Constraints, Taint
from mcs.projections.inventory import NodeState
from mcs.projections.loads import Column, Rows

HOSTNAME: Final = "kubernetes.io/hostname"
"""The label that repeats a node's name (k8s.io/api/core/v1, LabelHostname)."""

_Key = tuple[bool, bool, tuple[Taint, ...], tuple[tuple[str, str], ...]]
NOBODY: Final = 0
"""The kind of a row without a node."""


class Kinds:
    """Kinds of nodes by number, with a node of each; over all clusters."""

    def __init__(self) -> None:
        self.examples: list[NodeState | None] = [None]
        self._numbers: dict[_Key, int] = {}

    def of(self, node: NodeState | None) -> int:
        """The number of a node's kind."""
        if node is None:
            return NOBODY
        labels = tuple(item for item in node.labels.items() if item != (HOSTNAME, node.name))
        key = (node.ready, node.cordoned, node.taints, labels)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.examples)
            self.examples.append(node)
        return number


class Eligible:
    """What one pod's constraints say to nodes."""

    def __init__(self, constraints: Constraints, kinds: Kinds) -> None:
        self._constraints, self._kinds = constraints, kinds
        self._by_name = _names_nodes(constraints)
        self._bars: list[str] = []
        self._open = np.zeros(0, np.bool_)

    def bar(self, node: NodeState | None, kind: int) -> str:
        """What bars the pod from a node of this kind, or nothing."""
        if node is None:
            return "no node"
        if self._by_name:
            return barred(self._constraints, node)
        return self.bar_of(kind)

    def bar_of(self, kind: int) -> str:
        """What bars the pod from nodes of a kind, or nothing."""
        self._learn(kind)
        return self._bars[kind]

    @property
    def by_kind(self) -> npt.NDArray[np.bool_] | None:
        """Whether nodes of each kind, by number, take the pod; None: each node is to be asked."""
        if self._by_name:
            return None
        self._learn(len(self._kinds.examples) - 1)
        return self._open

    def takes(
        self, nodes: list[NodeState | None], kinds: Column, rows: Rows | slice
    ) -> npt.NDArray[np.bool_]:
        """Whether the nodes of some rows take the pod, if there is room."""
        by_kind = self.by_kind
        if by_kind is not None:
            return by_kind[kinds[rows]]
        asked = nodes[rows] if isinstance(rows, slice) else [nodes[row] for row in rows.tolist()]
        taking = [node is not None and not barred(self._constraints, node) for node in asked]
        return np.array(taking, np.bool_)

    def _learn(self, kind: int) -> None:
        if kind < len(self._bars):
            return
        for example in self._kinds.examples[len(self._bars) :]:
            bar = barred(self._constraints, example) if example is not None else "no node"
            self._bars.append(bar)
        self._open = np.array([not bar for bar in self._bars], np.bool_)


def _names_nodes(constraints: Constraints) -> bool:
    terms = constraints.affinity or ()
    keys = [each.key for term in terms for each in term.labels]
    return any(term.fields for term in terms) or HOSTNAME in (*constraints.selector, *keys)
