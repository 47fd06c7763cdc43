"""Between which amounts the free ones of a cluster's nodes lie: enough to refuse most of what fits
nowhere, and to say why, without counting nodes.

Changes only widen the bounds, until all nodes are looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mcs.projections.loads import Column
from mcs.quantities import PODS


class Extremes:
    """Bounds by resource: no node has less free than ``least``, none more than ``most``."""

    def __init__(self) -> None:
        self.least: dict[str, int] = {}
        self.most: dict[str, int] = {}

    def measure(self, free: Mapping[str, Column], there: npt.NDArray[np.bool_]) -> None:
        """Look at all nodes; ``there``: the rows that have one."""
        for resource, column in free.items():
            amounts = column[there]
            self.least[resource] = int(amounts.min()) if len(amounts) else 0
            self.most[resource] = int(amounts.max()) if len(amounts) else 0

    def widen(self, resource: str, amount: int) -> None:
        """A node has so much free now."""
        if amount < self.least.get(resource, 0):
            self.least[resource] = amount
        elif amount > self.most.get(resource, 0):
            self.most[resource] = amount

    def lacked(self, asks: Sequence[tuple[str, int]]) -> str:
        """The resource that leaves no room for such a pod on any node, and least of all resources
        on each, ties to the first one (of the pods' number and ``asks``); empty: not known.
        """
        asked = ((PODS, 1), *asks)
        most = [self.most.get(name, 0) // amount for name, amount in asked]
        least = [self.least.get(name, 0) // amount for name, amount in asked]
        room = min(most)
        number = most.index(room)
        known = room <= 0 and all(
            fewest > room if before < number else fewest >= room or before == number
            for before, fewest in enumerate(least)
        )
        return asked[number][0] if known else ""
