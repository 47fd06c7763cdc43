"""How many pods of one shape each cluster takes: counted out, or bounded from above.

The bound is cheap: a cluster cannot hold more than its free amounts, summed up, divided by what one
replica asks; and none at all where no node has as much free. Either number follows the changes of
nodes by their differences, so what is exact stays exact, and what bounds goes on bounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from mcs.decisions.changes import Changes, Matrix
from mcs.decisions.eligible import Eligible
from mcs.decisions.fitting import REPLICAS_MOST
from mcs.projections.loads import Column
from mcs.quantities import LARGEST, PODS, Resources

_FOLLOWED: Final = 1 << 15
"""Changes up to which following is cheaper than bounding and counting anew."""

_ONE_BY_ONE: Final = 4
"""Changes up to which plain arithmetic is quicker than vectors."""


class Shape:
    """One shape of pods over all clusters; ``exact`` tells which numbers are counted out.

    What is owed to earlier bookings is not taken off.
    """

    def __init__(self, requests: Resources, eligible: Eligible, clusters: int) -> None:
        self.requests, self.eligible = requests, eligible
        self.replicas = np.zeros(clusters, np.int64)
        self.exact = np.zeros(clusters, np.bool_)
        self.asks = [(name, requests[name]) for name in sorted(requests) if requests[name] > 0]
        self._restarts = np.full(clusters, -1, np.int64)
        self._at, self._restarted = 0, -1

    def follow(
        self, changes: Changes, left: Mapping[str, Column], most: Mapping[str, Column]
    ) -> None:
        """Bring all numbers up to the changes; ``left``: what is free in each cluster, ``most``: no
        node there has more.
        """
        pending = changes.end - self._at
        anew = self._restarted != changes.restarted
        if pending:
            by_kind = self.eligible.by_kind
            if by_kind is None or self._at < changes.first or pending > _FOLLOWED:
                self._restarts[:] = -1
                anew = True
            else:
                begin, end = self._at - changes.first, changes.end - changes.first
                self._add_up(changes, by_kind, begin, end)
        if anew:
            stale = np.flatnonzero(self._restarts != changes.restarts)
            self._bound(stale, left, most)
            self._restarts[stale] = changes.restarts[stale]
        self._at, self._restarted = changes.end, changes.restarted

    def set(self, cluster: int, replicas: int) -> None:
        """A cluster's number was counted out."""
        self.replicas[cluster], self.exact[cluster] = replicas, True

    def _add_up(self, changes: Changes, by_kind: npt.NDArray[np.bool_], at: int, end: int) -> None:
        if end - at <= _ONE_BY_ONE:
            for each in range(at, end):
                self._add(changes, by_kind, each)
            return
        room = self._room(changes.free, at, end) * by_kind[changes.kinds[:, at:end]]
        np.add.at(self.replicas, changes.clusters[at:end], room[1] - room[0])

    def _add(self, changes: Changes, by_kind: npt.NDArray[np.bool_], at: int) -> None:
        before, after = (
            changes.room(side, at, self.asks) if by_kind[changes.kinds[side, at]] else 0
            for side in (0, 1)
        )
        self.replicas[changes.clusters[at]] += after - before

    def _room(self, free: Mapping[str, Matrix], at: int, end: int) -> Matrix:
        """Replicas before and after each change."""
        room = free[PODS][:, at:end]
        for name, asked in self.asks:
            if name not in free:
                return np.zeros_like(room)
            room = np.minimum(room, free[name][:, at:end] // asked)
        return np.minimum(np.maximum(room, 0), REPLICAS_MOST)

    def _bound(
        self,
        clusters: npt.NDArray[np.intp],
        left: Mapping[str, Column],
        most: Mapping[str, Column],
    ) -> None:
        nothing = np.zeros(len(self.replicas), np.int64)
        room = np.full(len(clusters), LARGEST)
        some = np.ones(len(clusters), np.bool_)
        for name, asked in ((PODS, 1), *self.asks):
            room = np.minimum(room, left.get(name, nothing)[clusters] // asked)
            some &= most.get(name, nothing)[clusters] >= asked
        self.replicas[clusters], self.exact[clusters] = room * some, ~some
