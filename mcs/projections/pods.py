"""Pods that are not ours, in columns: millions of them fit into memory.

Each has a row: its node (a number of ``Places``), its requests (a number of ``Asks``) and the
account that named it last. The digest is the sum of one hash for each pod, settled at cycle
boundaries for the rows that changed; see ``hashing``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from mcs.events.observations import PodsObserved
from mcs.projections.asks import Asks
from mcs.projections.hashing import Lanes, combined, hash_texts
from mcs.projections.loads import Loads, Places, Rows
from mcs.quantities import Resources

_FIRST: Final = 64
_NOBODY: Final = -1
_SETTLED_AT_ONCE: Final = 50_000
"""Rows that are hashed together: of more, the vectors would outgrow the processor's caches."""


class Pods:
    """Pods by cluster and uid, and what they take of nodes."""

    def __init__(self, places: Places) -> None:
        self.rows: dict[str, dict[str, int]] = {}
        self._places = places
        self._asks = Asks()
        self._uids: list[str] = []
        self._free: list[int] = []
        self._place = np.zeros(0, np.int32)
        self._ask = np.zeros(0, np.int32)
        self._resync = np.zeros(0, np.int64)
        self._views: tuple[memoryview, ...] = ()  # of the columns, as in ``Loads``
        self._hashes: Lanes = np.zeros((0, 2), np.uint64)
        self._total: Lanes = np.zeros(2, np.uint64)
        self._marked: list[int] = []

    def __len__(self) -> int:
        return sum(map(len, self.rows.values()))

    def get(self, loads: Loads, uid: str) -> tuple[str, Resources, int] | None:
        """The node, requests and account of a pod of the loads' cluster."""
        row = self.rows.get(loads.cluster, {}).get(uid)
        if row is None:
            return None
        place, ask, accounts = self._views
        node = loads.names[self._places.rows[place[row]]]
        return node, self._asks.requests[ask[row]], accounts[row]

    def each(self, loads: Loads) -> Iterator[tuple[str, str, Resources, int]]:
        """Uid, node, requests and account of every pod of the loads' cluster."""
        for uid in self.rows.get(loads.cluster, {}):
            found = self.get(loads, uid)
            assert found is not None, "its row was just read"
            yield (uid, *found)

    def observe(
        self, loads: Loads, uid: str, node: str, requests: Resources, resync: int
    ) -> str | None:
        """A pod is on a node, in place of what was known of it; returns the node before."""
        known = self.rows.get(loads.cluster)
        if known is None:
            known = self.rows[loads.cluster] = {}
        row, before = known.get(uid), None
        if row is None:
            row = known[uid] = self._new(uid)
        else:
            before = self._discharge(loads, row)
        there = loads.rows[node] if node in loads.rows else loads.row(node)
        loads.add(there, requests)
        place, ask, accounts = self._views
        place[row], ask[row] = loads.places[there], self._asks.take(requests)
        accounts[row] = resync
        self._marked.append(row)
        return before

    def observe_many(self, loads: Loads, event: PodsObserved, resync: int) -> None:
        """What ``observe`` does for each of them, at once; the columns must fit."""
        if len(set(event.uid)) < len(event.uid):
            for pod in event.each():  # the last word on a pod counts
                self.observe(loads, pod.uid, pod.node, pod.requests, resync)
            return
        known = self.rows.setdefault(loads.cluster, {})
        rows: Rows = np.array([known.get(uid, _NOBODY) for uid in event.uid], np.intp)
        ask, node = np.array(event.ask, np.intp), np.array(event.node, np.intp)
        there = np.array([loads.place(name) for name in event.nodes], np.int32)
        found = np.array([self._asks.find(each) for each in event.asks], np.int32)
        same = rows != _NOBODY
        same[same] = (self._place[rows[same]] == there[node[same]]) & (
            self._ask[rows[same]] == found[ask[same]]
        )
        self._resync[rows[same]] = resync
        moved = np.flatnonzero(~same)
        for index in moved.tolist():
            if rows[index] == _NOBODY:
                rows[index] = known[event.uid[index]] = self._new(event.uid[index])
        self._charge(loads, event, rows[moved], node[moved], ask[moved])
        self._resync[rows[moved]] = resync
        self._marked += rows.tolist()

    def drop(self, loads: Loads, uid: str) -> str | None:
        """A pod uses nothing any more; returns the node it was on."""
        row = self.rows.get(loads.cluster, {}).pop(uid, None)
        if row is None:
            return None
        before = self._discharge(loads, row)
        self._views[0][row] = _NOBODY
        self._uids[row] = ""
        self._free.append(row)
        self._marked.append(row)
        return before

    def sweep(self, loads: Loads, resync: int) -> None:
        """Drop the pods of a cluster that the account ``resync`` did not name."""
        known = self.rows.get(loads.cluster, {})
        rows = np.fromiter(known.values(), np.intp, len(known))
        for row in rows[self._resync[rows] < resync].tolist():
            self.drop(loads, self._uids[row])

    def digest(self) -> str:
        """Digest of all pods."""
        marked, self._marked = list(dict.fromkeys(self._marked)), []
        for begin in range(0, len(marked), _SETTLED_AT_ONCE):
            self._settle(np.array(marked[begin : begin + _SETTLED_AT_ONCE], np.intp))
        return "".join(f"{int(lane):016x}" for lane in self._total)

    def _settle(self, rows: Rows) -> None:
        self._total -= self._hashes[rows].sum(axis=0, dtype=np.uint64)
        self._hashes[rows] = 0
        there = rows[self._place[rows] != _NOBODY]
        uids = hash_texts([self._uids[row] for row in there.tolist()])
        places = self._places.lanes()[self._place[there]]
        asks = self._asks.lanes[self._ask[there]]
        self._hashes[there] = combined(uids, places, asks, self._resync[there])
        self._total += self._hashes[there].sum(axis=0, dtype=np.uint64)

    def _charge(self, loads: Loads, event: PodsObserved, rows: Rows, node: Rows, ask: Rows) -> None:
        """Charge pods to other nodes, or with other requests, than before."""
        before = rows[self._place[rows] != _NOBODY]
        given_back = zip(self._place[before].tolist(), self._ask[before].tolist(), strict=True)
        asks = np.zeros(len(event.asks), np.int32)
        counts = np.bincount(ask, minlength=len(event.asks)).tolist()
        for number, count in enumerate(counts):
            if count:
                asks[number] = self._asks.take(event.asks[number], count)
        nodes, places = np.zeros((2, len(event.nodes)), np.intp)
        for number in np.unique(node).tolist():
            nodes[number] = loads.row(event.nodes[number])
            places[number] = loads.places[nodes[number]]
        loads.add_many(nodes[node], ask, event.asks)
        for place, number in given_back:
            loads.take(self._places.rows[place], self._asks.give(number))
        self._place[rows], self._ask[rows] = places[node], asks[ask]

    def _discharge(self, loads: Loads, row: int) -> str:
        """Give back what a pod takes of its node, whose name is returned."""
        place, ask, _ = self._views
        there = self._places.rows[place[row]]
        name = loads.names[there]
        loads.take(there, self._asks.give(ask[row]))
        return name

    def _new(self, uid: str) -> int:
        if self._free:
            row = self._free.pop()
            self._uids[row] = uid
            return row
        row = len(self._uids)
        self._uids.append(uid)
        if row >= len(self._place):
            self._grow(row + max(_FIRST, row // 8))
        return row

    def _grow(self, rows: int) -> None:
        """More rows, by an eighth and in place: a copy of millions would be a pause."""
        before = len(self._place)
        self._views = ()
        self._place.resize(rows, refcheck=False)
        self._ask.resize(rows, refcheck=False)
        self._resync.resize(rows, refcheck=False)
        self._hashes.resize((rows, 2), refcheck=False)
        self._place[before:] = _NOBODY
        self._views = (self._place.data, self._ask.data, self._resync.data)
