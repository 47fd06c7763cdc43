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

KEPT: Final = 1 << 15
"""Changes that are kept at the most; then all are dropped."""


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
        self.free: dict[str, Matrix] = {}  # by resource: before, after
        self._views: dict[str, tuple[memoryview, memoryview]] = {}

    def restart(self, cluster: int) -> None:
        """All rows of a cluster were read anew."""
        self.restarts[cluster] += 1
        self.restarted += 1

    def begin(self, cluster: int, kind: int, free: Mapping[str, memoryview], row: int) -> None:
        """A row is about to change: note how it is."""
        if self.end - self.first == KEPT:
            self.first = self.end
        at = self.end - self.first
        self.clusters[at] = cluster
        self.kinds[0, at] = kind
        for views in self._views.values():
            views[0][at] = views[1][at] = 0
        for resource, view in free.items():
            self._of(resource)[0][at] = view[row]

    def finish(self, kind: int, free: Mapping[str, memoryview], row: int) -> None:
        """The row has changed: note how it is now."""
        at = self.end - self.first
        self.kinds[1, at] = kind
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

    def _of(self, resource: str) -> tuple[memoryview, memoryview]:
        views = self._views.get(resource)
        if views is None:
            made = self.free[resource] = np.zeros((2, KEPT), np.int64)
            views = self._views[resource] = made[0].data, made[1].data
        return views
