"""What a policy sees, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from mcs.quantities import Resources

Column = npt.NDArray[np.int64]
"""One number for each candidate, in their order."""

SCALE: Final = 1000
"""Upper end of every policy's common scale, which blends add up on."""


class Candidates(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The clusters that are open to a pod, in the order of their names.

    ``replicas``: how many such pods would fit, or more (an upper bound). ``totals`` and ``free``:
    what the cluster's schedulable nodes offer, and what is left of that, by resource and in its
    units; exact. A resource that no candidate offers has no column.
    """

    names: tuple[str, ...]
    replicas: Column
    totals: Mapping[str, Column]
    free: Mapping[str, Column]

    def total(self, resource: str) -> Column:
        """What each cluster offers of a resource."""
        return self._column(self.totals, resource)

    def left(self, resource: str) -> Column:
        """What each cluster has left of a resource."""
        return self._column(self.free, resource)

    def _column(self, columns: Mapping[str, Column], resource: str) -> Column:
        found = columns.get(resource)
        return np.zeros(len(self.names), np.int64) if found is None else found


class Scoring(Protocol):
    """A policy. Integers only, so that every machine decides alike."""

    def score(self, candidates: Candidates, requests: Resources) -> Column:
        """How good each cluster is for a pod of these requests.

        Each row's score comes from that row alone, and never falls as its ``replicas`` grow.
        """
        ...

    def scale(self, scores: Column) -> Column:
        """The same order on the common scale, 0 to ``SCALE``: never falling, and from each score
        alone, whatever the others are.
        """
        ...
