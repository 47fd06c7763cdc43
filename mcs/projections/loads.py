"""What is charged to each node of one cluster, in columns: one per resource, one row per node.

A row belongs to a name, whether the node itself was observed or not (a pod may be told of first),
and is given to another name when neither the node nor any charge is left. Which row a node has is
nobody's business: nothing may be decided by it.

Readers that keep something derived from the rows (``decisions.columns``) ask what changed since
they looked last: ``changes`` lists rows, ``since`` is the number of the first one listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mcs.projections.hashing import Lanes, hash_texts
from mcs.quantities import PODS, Resources

Column = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]

_FIRST: Final = 8
_LISTED: Final = 4096
"""Changes that are listed at least, beside as many as there are rows; older ones are dropped."""
_WORD: Final = 1 << 64
_HALF: Final = 1 << 63


class Places:
    """Nodes of all clusters by number, with a hash of each one's name; numbers are used again."""

    def __init__(self) -> None:
        self.rows: list[int] = []  # each one's row in the loads of its cluster
        self._names: list[str] = []
        self._free: list[int] = []
        self._lanes: Lanes = np.zeros((0, 2), np.uint64)
        self._pending: list[int] = []

    def take(self, name: str, row: int) -> int:
        """A number for a node, which has this row in its cluster's loads."""
        if self._free:
            number = self._free.pop()
            self._names[number], self.rows[number] = name, row
        else:
            number = len(self._names)
            self._names.append(name)
            self.rows.append(row)
        self._pending.append(number)
        return number

    def give(self, number: int) -> None:
        """The node is not known any more."""
        self._free.append(number)

    def lanes(self) -> Lanes:
        """The hashes, by number; those of many new names are made at once."""
        if len(self._lanes) < len(self._names):
            more = np.zeros((2 * len(self._names) - len(self._lanes), 2), np.uint64)
            self._lanes = np.concatenate((self._lanes, more))
        if self._pending:
            self._lanes[self._pending] = hash_texts([self._names[each] for each in self._pending])
            self._pending.clear()
        return self._lanes


class Loads:
    """Rows of one cluster's nodes, and what is used on each of them."""

    def __init__(self, cluster: str, places: Places) -> None:
        self.cluster = cluster
        self.rows: dict[str, int] = {}
        self.names: list[str] = []
        self.places: list[int] = []  # number of each row's node
        self._registry = places
        self.used: dict[str, Column] = {}
        self.changes: list[int] = []
        self.since = 0
        self._counts: list[int] = []  # charges of each row
        self._observed: list[bool] = []
        self._free: list[int] = []
        self._views: dict[str, memoryview] = {}  # ten times quicker than the array, one by one
        self._room, self._listed = 0, 2 * _LISTED
        self._add_column(PODS)

    @property
    def position(self) -> int:
        """Number of all changes so far."""
        return self.since + len(self.changes)

    def row(self, name: str) -> int:
        """The row of a node, which gets one if it has none."""
        row = self.rows.get(name)
        if row is None:
            row = self._free.pop() if self._free else self._append()
            self.rows[name] = row
            self.names[row] = name
            self.places[row] = self._registry.take(f"{self.cluster}/{name}", row)
        return row

    def place(self, name: str) -> int:
        """The number of a node, -1 if it has no row."""
        row = self.rows.get(name)
        return self.places[row] if row is not None else -1

    def observe(self, name: str, *, there: bool) -> None:
        """Note that the node is there, or not any more."""
        row = self.row(name)
        self._observed[row] = there
        self.touch(row)
        if not there:
            self._give_back(row)

    def add(self, row: int, requests: Resources, sign: int = 1) -> None:
        """Charge one pod; with ``sign`` -1, take it away (see ``take``)."""
        self._counts[row] += sign
        views = self._views
        try:
            views[PODS][row] += sign
        except ValueError:
            self._wrap(PODS, row, sign)
        for name, amount in requests.items():
            try:
                views[name][row] += sign * amount
            except (KeyError, ValueError):  # no such column yet, or more than 64 bits hold
                self._wrap(name, row, sign * amount)
        self.changes.append(row)
        if len(self.changes) > self._listed:
            self._trim()

    def take(self, row: int, requests: Resources) -> None:
        """Take one pod's charge away again."""
        self.add(row, requests, -1)
        if not self._counts[row]:
            self._give_back(row)

    def add_many(self, rows: Rows, asks: npt.NDArray[np.intp], table: Sequence[Resources]) -> None:
        """Charge many pods: the requests of pod i are ``table[asks[i]]``."""
        values, counts = np.unique(rows, return_counts=True)
        for row, count in zip(values.tolist(), counts.tolist(), strict=True):
            self._counts[row] += count
            self.touch(row)
        for name in dict.fromkeys([PODS, *(name for each in table for name in each)]):
            amounts = [wrapped(each.get(name, 0) + (name == PODS)) for each in table]
            np.add.at(self._column(name), rows, np.array(amounts, np.int64)[asks])

    def of(self, name: str) -> Resources:
        """What is used on a node, with the number of pods under ``pods``; zeros left out."""
        row = self.rows.get(name)
        if row is None:
            return {}
        return {name: view[row] for name, view in self._views.items() if view[row]}

    def touch(self, row: int) -> None:
        """List a row as changed."""
        self.changes.append(row)
        if len(self.changes) > self._listed:
            self._trim()

    def _wrap(self, name: str, row: int, amount: int) -> None:
        column = self._column(name)
        column[row] = wrapped(int(column[row]) + amount)

    def _trim(self) -> None:
        keep = self._listed // 2
        self.since += len(self.changes) - keep
        del self.changes[: len(self.changes) - keep]

    def _give_back(self, row: int) -> None:
        if not self._observed[row] and not self._counts[row]:
            del self.rows[self.names[row]]
            self.names[row] = ""
            self._registry.give(self.places[row])
            self._free.append(row)

    def _append(self) -> int:
        row = len(self.names)
        self.names.append("")
        self.places.append(0)
        self._counts.append(0)
        self._observed.append(False)
        if row >= self._room:
            self._room = max(_FIRST, 2 * self._room)
            self._listed = 2 * (_LISTED + self._room)
            for resource, column in self.used.items():
                self.used[resource] = np.concatenate(
                    (column, np.zeros(self._room - len(column), np.int64))
                )
                self._views[resource] = self.used[resource].data
        return row

    def _column(self, name: str) -> Column:
        if name not in self.used:
            self._add_column(name)
        return self.used[name]

    def _add_column(self, name: str) -> None:
        self.used[name] = np.zeros(self._room, np.int64)
        self._views[name] = self.used[name].data


def wrapped(amount: int) -> int:
    """As 64 bits hold it: who sums up nonsense gets nonsense, and takes it back without loss."""
    return amount if -_HALF <= amount < _HALF else (amount + _HALF) % _WORD - _HALF
