"""What changed on nodes, in columns: what was free before and after, and the nodes' kinds.

Who keeps a number that follows from all nodes of a cluster need not look at them again: the changes
since it was right give the difference. They are kept for a while; who comes later counts anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mcs.decisions.fitting import REPLICAS_MOST
from mcs.quantities import PODS

Matrix = npt.NDArray[np.int64]

KEPT: Final = 1 << 16
"""Changes that are kept at the most; then the older half is dropped."""


class Changes:
    """Changes of nodes' rows in all clusters, numbered from 0; ``first`` is the oldest kept.

    ``restarts`` counts, for each cluster, how often all of its rows were read anew.
    """

    def __init__(self, clusters: int) -> None:
        self.first = self.end = 0
        self.restarts = np.zeros(clusters, np.int64)
        self.restarted = 0  # all of them together
        self.clusters = np.zeros(KEPT, np.intp)
        self.kinds = np.zeros((2, KEPT), np.intp)  # before, after
        self._clusters = self.clusters.data  # views are quicker, one by one
        self._kinds = self.kinds[0].data, self.kinds[1].data
        self.free: dict[str, Matrix] = {}  # by resource: before, after
        self._views: dict[str, tuple[memoryview, memoryview]] = {}

    def restart(self, cluster: int) -> None:
        """All rows of a cluster were read anew."""
        self.restarts[cluster] += 1
        self.restarted += 1

    def begin(self, cluster: int, kind: int, free: Mapping[str, memoryview], row: int) -> None:
        """A row is about to change: note how it is."""
        if self.end - self.first == KEPT:
            self._drop()
        if len(free) > len(self._views) or not free.keys() <= self._views.keys():
            for resource in free:
                self._of(resource)
        at = self.end - self.first
        self._clusters[at] = cluster
        self._kinds[0][at] = kind
        for resource, (before, after) in self._views.items():
            view = free.get(resource)
            before[at] = after[at] = view[row] if view is not None else 0

    def finish(self, kind: int, free: Mapping[str, memoryview], row: int) -> None:
        """The row has changed: note how it is now; ``free``: what may be another amount."""
        at = self.end - self.first
        self._kinds[1][at] = kind
        for resource, view in free.items():
            self._of(resource)[1][at] = view[row]
        self.end += 1

    def room(self, side: int, at: int, asks: Sequence[tuple[str, int]]) -> int:
        """How many pods that ask so much fitted before (0) or after (1) the change kept ``at``."""
        room: int = self._of(PODS)[side][at]
        for name, asked in asks:
            views = self._views.get(name)
            room = min(room, views[side][at] // asked if views is not None else 0)
        return min(max(room, 0), REPLICAS_MOST)

    def _drop(self) -> None:
        """Make room for more."""
        rest = KEPT // 2
        self.first = self.end - rest
        for column in (self.clusters, self.kinds, *self.free.values()):
            column[..., :rest] = column[..., KEPT - rest :]

    def _of(self, resource: str) -> tuple[memoryview, memoryview]:
        views = self._views.get(resource)
        if views is None:
            made = self.free[resource] = np.zeros((2, KEPT), np.int64)
            views = self._views[resource] = made[0].data, made[1].data
        return views
