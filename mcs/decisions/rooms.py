"""How many pods of one shape each node of one cluster takes, kept up to date row by row.

It is counted out for a shape only in the clusters that come into question for it (``scoring``), and
then follows the changes of these. Each node's number stands above its name's rank in one integer,
so the node to charge a booking to, which takes most replicas (ties go to the name), is the largest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mcs.decisions.columns import FIRST_RANK, Columns
from mcs.decisions.eligible import NOBODY, Eligible
from mcs.decisions.fitting import REPLICAS_MOST
from mcs.events.decisions import Fits, Lacks, Never, Verdict
from mcs.projections.loads import Rows
from mcs.quantities import PODS, Resources

_BITS: Final = (FIRST_RANK + 1).bit_length() - 1
_ONE_BY_ONE: Final = 8
"""Rows up to which plain arithmetic is quicker than vectors."""
_NO_ROOM: Final = -1
_ROOM: Final = -1  # in the place of a resource's number: there is room
_BARRED: Final = -2


class Rooms:
    """Replicas of one shape by row of a cluster's columns."""

    def __init__(self, columns: Columns, requests: Resources, eligible: Eligible) -> None:
        self.sum = 0  # of all nodes
        self.position = -1  # of the columns, when this was right
        self._columns, self._eligible = columns, eligible
        self._asks = [(name, requests[name]) for name in sorted(requests) if requests[name] > 0]
        self._keys = np.zeros(0, np.int64)
        self._limits = np.zeros(0, np.int16)  # the resource that has no room, by number
        self._lacking: list[int] = []  # rows, by that number
        self._open = 0  # rows that are not barred
        self._shuffles = -1

    @property
    def bytes(self) -> int:
        """Memory taken, about."""
        return self._keys.nbytes + self._limits.nbytes + 512

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
            self._rebuild()
        elif len(changed) <= _ONE_BY_ONE:
            for row in changed:
                self._count(row)
        else:
            self._count_many(np.unique(np.array(changed, np.intp)))
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
        if not self._open:
            return Never(constraint=self._bar())
        names = (PODS, *(name for name, _ in self._asks))
        counts = Counter({name: n for name, n in zip(names, self._lacking, strict=True) if n})
        return Lacks(resource=_most_common(counts) if counts else self._owed()[1])

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

    def _rebuild(self) -> None:
        columns = self._columns
        self._keys = np.full(len(columns.nodes), _NO_ROOM, np.int64)
        self._limits = np.full(len(columns.nodes), _BARRED, np.int16)
        self._lacking = [0] * (len(self._asks) + 1)
        self.sum, self._open, self._shuffles = 0, 0, columns.shuffles
        self._fill(self._eligible.rows(columns.nodes, columns.kinds))

    def _fill(self, rows: Rows) -> None:
        """Count rows that are not counted."""
        replicas, limits = self._replicas(rows)
        some = replicas > 0
        self._open += len(rows)
        self._limits[rows] = np.where(some, _ROOM, limits)
        self._lack(limits[~some], 1)
        replicas, rows = replicas[some], rows[some]
        self.sum += int(replicas.sum())
        self._keys[rows] = (replicas << _BITS) | self._columns.rank[rows]

    def _lack(self, limits: npt.NDArray[np.integer], sign: int) -> None:
        for number, count in enumerate(np.bincount(limits, minlength=len(self._lacking)).tolist()):
            self._lacking[number] += sign * count

    def _count_many(self, rows: Rows) -> None:
        before, limits = self._keys[rows], self._limits[rows]
        self.sum -= int((before[before != _NO_ROOM] >> _BITS).sum())
        self._open -= int((limits != _BARRED).sum())
        self._lack(limits[limits >= 0], -1)
        self._keys[rows], self._limits[rows] = _NO_ROOM, _BARRED
        nodes, kinds = self._columns.nodes, self._columns.kinds
        takes = [not self._eligible.bar(nodes[row], int(kinds[row])) for row in rows.tolist()]
        self._fill(rows[np.array(takes, np.bool_)])

    def _count(self, row: int) -> None:
        columns, limit = self._columns, int(self._limits[row])
        if limit == _ROOM:
            self.sum -= int(self._keys[row]) >> _BITS
        elif limit >= 0:
            self._lacking[limit] -= 1
        self._open -= limit != _BARRED
        self._keys[row], self._limits[row] = _NO_ROOM, _BARRED
        if self._eligible.bar(columns.nodes[row], int(columns.kinds[row])):
            return
        room, limit = columns.views[PODS][row], 0
        for number, (name, asked) in enumerate(self._asks, 1):
            view = columns.views.get(name)
            each = view[row] // asked if view is not None else 0
            if each < room:
                room, limit = each, number
        self._open += 1
        if room > 0:
            room = min(room, REPLICAS_MOST)
            self.sum += room
            self._keys[row], self._limits[row] = room << _BITS | int(columns.rank[row]), _ROOM
        else:
            self._limits[row] = limit
            self._lacking[limit] += 1

    def _replicas(self, rows: Rows) -> tuple[Rows, Rows]:
        """How many fit in each row, and the number of the resource that sets the limit."""
        free = self._columns.free
        room = free[PODS][rows]
        limit = np.zeros(len(rows), np.intp)
        for number, (name, asked) in enumerate(self._asks, 1):
            each = free[name][rows] // asked if name in free else np.zeros(len(rows), np.int64)
            less = each < room
            limit[less] = number
            room = np.where(less, each, room)
        return np.minimum(room, REPLICAS_MOST), limit

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


def _most_common(counts: Counter[str]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))
