"""How many pods of one shape each node of one cluster takes, kept up to date row by row.

It is counted out for a shape only in the clusters that come into question for it (``scoring``), and
then follows the changes of these. Each node's number stands above its name's rank in one integer,
so the node to charge a booking to, which takes most replicas (ties go to the name), is the largest;
nodes that take none have negative ones, which say why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import reduce
from typing import Final

import numpy as np

from mcs.decisions.columns import FIRST_RANK, Columns
from mcs.decisions.eligible import NOBODY, Eligible
from mcs.decisions.fitting import REPLICAS_MOST
from mcs.events.decisions import Fits, Lacks, Never, Verdict
from mcs.projections.loads import Column, Rows
from mcs.quantities import PODS

_BITS: Final = (FIRST_RANK + 1).bit_length() - 1
_ONE_BY_ONE: Final = 4
"""Rows up to which plain arithmetic is quicker than vectors."""
_BARRED: Final = -1
_LACKING: Final = -2
"""A node that lacks the first resource; one that lacks the second has a number less, and so on."""


class Rooms:
    """Replicas of one shape by row of a cluster's columns."""

    def __init__(
        self, columns: Columns, asks: Sequence[tuple[str, int]], eligible: Eligible
    ) -> None:
        """``asks``: what a replica asks of resources, in the order of their names."""
        self.position = -1  # of the columns, when this was right
        self._columns, self._eligible = columns, eligible
        self._asks = asks
        self._keys = np.zeros(0, np.int64)  # replicas above rank, or why there are none
        self._shuffles = -1
        self._sum, self._summed = 0, -1

    @property
    def bytes(self) -> int:
        """Memory taken, about."""
        return self._keys.nbytes + 512

    @property
    def sum(self) -> int:
        """Of all nodes."""
        if self._summed != self.position:
            self._sum = int((np.maximum(self._keys, 0) >> _BITS).sum())
            self._summed = self.position
        return self._sum

    @property
    def total(self) -> int:
        """Of all nodes, less what is owed to earlier bookings; none where more is owed."""
        return max(0, self.sum - self._owed()[0]) if self._columns.debts else self.sum

    def update(self) -> None:
        """Bring it up to the columns' position."""
        columns = self._columns
        if self.position == columns.position:
            return
        changed: Sequence[int] | None = None
        if self._shuffles == columns.shuffles and self.position >= columns.since:
            changed = columns.changes[self.position - columns.since :]
        if changed is None or len(changed) > len(columns.nodes) // 4 + _ONE_BY_ONE:
            self._keys = np.full(len(columns.nodes), _BARRED, np.int64)
            self._keys[: columns.rows] = self._count_many(slice(columns.rows))
            self._shuffles = columns.shuffles
        elif len(changed) <= _ONE_BY_ONE:
            for row in changed:
                self._keys[row] = self._count(row)
        else:
            rows = np.array(changed, np.intp)
            self._keys[rows] = self._count_many(rows)
        self.position = columns.position

    def best(self) -> str:
        """The node to charge a booking to: most replicas, ties to the name. kube-scheduler's
        default (LeastAllocated) leans to the same one.
        """
        row = int(self._keys.argmax())
        node = self._columns.nodes[row]
        assert node is not None, "it has room"
        return node.name

    def verdict(self) -> Verdict:
        """Why the shape does not fit the cluster, or that it does."""
        if self.total > 0:
            return Fits()
        counts = self._lacking()
        if not self.sum and not counts:
            return Never(constraint=self._bar())
        return Lacks(resource=_most_common(counts) if counts else self._owed()[1])

    def _lacking(self) -> Counter[str]:
        """How many nodes lack which resource."""
        numbers = _LACKING - self._keys[self._keys <= _LACKING]
        counts = np.bincount(numbers, minlength=len(self._asks) + 1).tolist()
        names = (PODS, *(name for name, _ in self._asks))
        return Counter({name: n for name, n in zip(names, counts, strict=True) if n})

    def _bar(self) -> str:
        """What bars most nodes."""
        columns, bars = self._columns, Counter[str]()
        there = columns.kinds[columns.kinds != NOBODY]
        if self._eligible.by_kind is None:
            bars.update(self._eligible.bar(node, NOBODY) for node in columns.nodes if node)
        else:
            for kind, count in enumerate(np.bincount(there).tolist() if len(there) else ()):
                if count:
                    bars[self._eligible.bar_of(kind)] += count
        return _most_common(bars) if bars else "no nodes"

    def _count(self, row: int) -> int:
        """The key of one row."""
        columns = self._columns
        if self._eligible.bar(columns.nodes[row], int(columns.kinds[row])):
            return _BARRED
        room, limit = columns.views[PODS][row], 0
        for number, (name, asked) in enumerate(self._asks, 1):
            view = columns.views.get(name)
            each = view[row] // asked if view is not None else 0
            if each < room:
                room, limit = each, number
        if room <= 0:
            return _LACKING - limit
        return min(room, REPLICAS_MOST) << _BITS | int(columns.rank[row])

    def _count_many(self, rows: Rows | slice) -> Column:
        """The keys of rows."""
        columns = self._columns
        takes = self._eligible.takes(columns.nodes, columns.kinds, rows)
        rooms = _rooms(columns, self._asks, rows)
        room = reduce(np.minimum, rooms)
        keys = np.minimum(room, REPLICAS_MOST) << _BITS | columns.rank[rows]
        keys[~takes] = _BARRED
        (none,) = (takes & (room <= 0)).nonzero()  # quicker than numpy.flatnonzero
        if len(none):
            keys[none] = _LACKING - _first_least([each[none] for each in rooms])
        return keys

    def _owed(self) -> tuple[int, str]:
        """How many pods have no room, for what is owed to bookings; of which resource most."""
        asked = dict(self._asks) | {PODS: 1}
        pods, most = 0, (0, "")
        for debt in self._columns.debts:
            counts = [(-(-debt[name] // asked[name]), name) for name in asked if name in debt]
            if counts:
                pods += max(counts)[0]
                most = max(most, *counts)
        return pods, most[1]


def counted(columns: Columns, asks: Sequence[tuple[str, int]], eligible: Eligible) -> int:
    """What the sum of such rooms is, without keeping any."""
    rows = slice(columns.rows)
    takes = eligible.takes(columns.nodes, columns.kinds, rows)
    room = reduce(np.minimum, _rooms(columns, asks, rows))
    return int((np.minimum(np.maximum(room, 0), REPLICAS_MOST) * takes).sum())


def _rooms(columns: Columns, asks: Sequence[tuple[str, int]], rows: Rows | slice) -> list[Column]:
    """How many fit in rows, by the pods' number and by each resource alone."""
    free = columns.free
    rooms = [free[PODS][rows]]
    for name, asked in asks:
        rooms.append(free[name][rows] // asked if name in free else np.zeros_like(rooms[0]))
    return rooms


def _first_least(rooms: Sequence[Column]) -> Column:
    """In which of the columns each row is least, ties to the first."""
    least, number = rooms[0], np.zeros_like(rooms[0])
    for index, each in enumerate(rooms[1:], 1):
        number[each < least] = index
        least = np.minimum(least, each)
    return number


def _most_common(counts: Counter[str]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))
