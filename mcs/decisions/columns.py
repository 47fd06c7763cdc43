"""What each node of a cluster has left, in columns: one per resource, one row per node.

It follows from the inventory, and is kept beside it because making it anew for every cycle would
cost too much; what changed since is taken over row by row. Bookings that a cycle makes are counted
here at once, and only here: the next cycle looks at those rows again, and finds what was folded.

``position`` counts changes of rows, bookings too. Each is also told to ``changes``, with what was
free before and after, for those who keep sums.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np

from mcs.decisions.changes import Changes
from mcs.decisions.eligible import NOBODY, Kinds
from mcs.decisions.extremes import Extremes
from mcs.decisions.fitting import DEFAULT_PODS
from mcs.projections.inventory import Inventory, NodeState
from mcs.projections.loads import Column, Loads, wrapped
from mcs.quantities import PODS, Resources

_LISTED: Final = 4096
_MANY: Final = 256
"""Rows up to which each is read by itself, however few others there are."""
FIRST_RANK: Final = (1 << 20) - 1
"""Of the first name; a cluster has fewer nodes than that."""


class Columns:
    """One cluster's nodes; rows are those of its loads."""

    def __init__(
        self, number: int, cluster: str, inventory: Inventory, kinds: Kinds, log: Changes
    ) -> None:
        self.cluster = cluster
        self._number, self._log = number, log
        self.kinds = np.zeros(0, np.int64)  # numbers of the rows' kinds
        self.nodes: list[NodeState | None] = []
        self.rows = 0  # up to the last one that has had a node; behind them there is none
        self.free: dict[str, Column] = {}
        self.totals: dict[str, int] = {}  # allocatable, of nodes that take pods at all
        self.left: dict[str, int] = {}  # what is free on those, nothing where it is overdrawn
        self.extremes = Extremes()  # of what is free, whether nodes take pods or not
        self.present: Counter[int] = Counter()  # nodes of each kind
        self.position = 0
        self.changes: list[int] = []
        self.since = 0
        self.shuffles = 0  # how often names or rows were ordered anew
        self.rank = np.zeros(0, np.int64)  # of names, the first one highest
        self.debts: list[Resources] = []  # what is owed to earlier bookings, node by node
        self._inventory, self._numbers = inventory, kinds
        self._seen = -1  # position in the loads
        self._measured = 0  # position, when the extremes were measured
        self._booked: dict[int, None] = {}  # rows booked since they were taken over
        self._names: list[str] = []  # in order
        self.views: dict[str, memoryview] = {}  # of ``free``: quicker, one by one
        self._add(PODS)

    def refresh(self) -> bool:
        """Take over what changed; whether anything did."""
        loads = self._inventory.loads.get(self.cluster)
        if loads is None or (loads.position == self._seen and not self._booked):
            return False
        stale = self._seen < loads.since or len(loads.names) > len(self.rank)
        changed = () if stale else dict.fromkeys(loads.changes[self._seen - loads.since :])
        self._seen = loads.position
        debts = self._inventory.owed(self.cluster)
        same, self.debts = debts == self.debts, debts
        if stale or len(changed) > max(_MANY, len(loads.names) // 2):
            self._rebuild(loads)
        else:
            for row in dict.fromkeys((*changed, *self._booked)):
                if not (same and self._stands(loads, row)):
                    self._take_over(loads, row)
        self._booked.clear()
        if self.position - self._measured > len(self.nodes):
            self._measure()
        return True

    def book(self, row: int, requests: Resources, sign: int = 1) -> None:
        """Count a pod on a node from now on; with ``sign`` -1 not any more."""
        self._booked[row] = None
        kind = int(self.kinds[row])
        self._log.begin(self._number, kind, self.views, row)
        booked: dict[str, memoryview] = {}
        for name, amount in (*requests.items(), (PODS, 1)):
            view = booked[name] = self.views.get(name) or self._add(name)
            before = view[row]
            after = view[row] = before - sign * amount
            self.left[name] += max(0, after) - max(0, before)
            self.extremes.widen(name, after)
        self._log.finish(kind, booked, row)
        self._touch(row)

    def row_of(self, name: str) -> int:
        """The row of a node that is there."""
        return self._inventory.loads[self.cluster].rows[name]

    def used(self, name: str) -> Resources:
        """What a node is charged with, bookings included; zeros left out."""
        node = self._inventory.nodes.get(self.cluster, {}).get(name)
        if node is None:
            return self._inventory.used(self.cluster, name)
        row = self.row_of(name)
        taken = {each: offered(node, each) - view[row] for each, view in self.views.items()}
        return {each: amount for each, amount in taken.items() if amount}

    def _touch(self, row: int) -> None:
        self.position += 1
        self.changes.append(row)
        if len(self.changes) > 2 * (_LISTED + len(self.nodes)):
            self.since += len(self.changes) - _LISTED
            del self.changes[: len(self.changes) - _LISTED]

    def _stands(self, loads: Loads, row: int) -> bool:
        """Whether a row is as it was told: so it is when what was booked there has been folded."""
        node = self.nodes[row]
        if node is None or self._inventory.nodes.get(self.cluster, {}).get(node.name) is not node:
            return False
        used = loads.of(node.name)
        return used.keys() <= self.views.keys() and all(
            view[row] == _free(node, name, used) for name, view in self.views.items()
        )

    def _take_over(self, loads: Loads, row: int) -> None:
        """Read one row again."""
        name = loads.names[row]
        node = self._inventory.nodes.get(self.cluster, {}).get(name) if name else None
        before = self.nodes[row]
        if (before.name if before else "") != (node.name if node else ""):
            self._rename(row, before, node)
        self._touch(row)
        self._count(row, -1)
        self._log.begin(self._number, int(self.kinds[row]), self.views, row)
        self.present[int(self.kinds[row])] -= 1
        self.nodes[row], self.kinds[row] = node, self._numbers.of(node)
        self.rows = max(self.rows, row + 1)
        self.present[int(self.kinds[row])] += 1
        stated = node.allocatable if node is not None else ()
        used = loads.of(name) if name else {}
        for resource in dict.fromkeys((*self.free, *used, *stated)):
            view = self.views.get(resource) or self._add(resource)
            view[row] = _free(node, resource, used)
            if node is not None:
                self.extremes.widen(resource, view[row])
        self._log.finish(int(self.kinds[row]), self.views, row)
        self._count(row, 1)

    def _count(self, row: int, sign: int) -> None:
        """Add a node to the sums, or take it out."""
        node = self.nodes[row]
        if node is None or not node.ready or node.cordoned:
            return
        for resource, view in self.views.items():
            self.totals[resource] += sign * offered(node, resource)
            self.left[resource] += sign * max(0, view[row])

    def _rename(self, row: int, before: NodeState | None, after: NodeState | None) -> None:
        self.shuffles += 1
        if before is not None:
            at = bisect_left(self._names, before.name)
            del self._names[at]
            self.rank[self.rank < FIRST_RANK - at] += 1
        if after is not None:
            at = bisect_left(self._names, after.name)
            insort(self._names, after.name)
            self.rank[self.rank <= FIRST_RANK - at] -= 1
            self.rank[row] = FIRST_RANK - at

    def _rebuild(self, loads: Loads) -> None:
        """Read everything again."""
        known = self._inventory.nodes.get(self.cluster, {})
        count, room = len(loads.names), len(loads.used[PODS])
        self.nodes = [known.get(name) if name else None for name in loads.names]
        self.rows = count
        self._names = sorted(known)
        self.rank = np.zeros(max(room, count), np.int64)
        there = {loads.rows[name]: known[name] for name in self._names}
        self.rank[list(there)] = FIRST_RANK - np.arange(len(there))
        taking = [row for row, node in there.items() if node.ready and not node.cordoned]
        stated = (name for node in known.values() for name in node.allocatable)
        self.free, self.views = {}, {}
        for resource in dict.fromkeys((PODS, *self.totals, *loads.used, *stated)):
            self._read(resource, loads, there, taking)
        self.nodes += [None] * (len(self.rank) - count)
        self.kinds = np.array([self._numbers.of(node) for node in self.nodes], np.int64)
        self.present = Counter(self.kinds.tolist())
        self.shuffles += 1
        self.position += 1
        self.since = self.position
        self.changes.clear()
        self._log.restart(self._number)
        self._measure()

    def _read(
        self, resource: str, loads: Loads, there: Mapping[int, NodeState], taking: list[int]
    ) -> None:
        """Make one resource's column; ``taking``: the rows of nodes that take pods at all."""
        self._add(resource)
        stated = np.zeros(len(self.rank), np.int64)
        stated[list(there)] = [offered(node, resource) for node in there.values()]
        column = self.free[resource]
        column[:] = stated  # in place, as its view looks at it
        if resource in loads.used:
            column[: len(self.nodes)] -= loads.used[resource][: len(self.nodes)]
        self.totals[resource] = sum(stated[taking].tolist())
        self.left[resource] = sum(np.maximum(column[taking], 0).tolist())

    def _measure(self) -> None:
        self._measured = self.position
        self.extremes.measure(self.free, self.kinds != NOBODY)

    def _add(self, resource: str) -> memoryview:
        self.free[resource] = np.zeros(len(self.rank), np.int64)
        self.totals[resource] = self.left[resource] = 0
        self.views[resource] = self.free[resource].data
        return self.views[resource]


def offered(node: NodeState, resource: str) -> int:
    """What a node offers of a resource; an absent one counts as none."""
    return node.allocatable.get(resource, DEFAULT_PODS if resource == PODS else 0)


def _free(node: NodeState | None, resource: str, used: Mapping[str, int]) -> int:
    return wrapped((offered(node, resource) if node is not None else 0) - used.get(resource, 0))
