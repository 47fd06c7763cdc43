"""Moves what happens in a plan closer together, and ends it sooner.

Some things go wrong only when two others meet within a second: a cluster that is taken for dead
returns before the next cycle, say. Where all times are drawn evenly that is one plan in thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, Final, TypeVar

import msgspec

from mcs.simulation.plan import Accident, Work

Item = TypeVar("Item", Work, Accident)

_MOVED: Final = 0.7  # of all items
_GAP_S: Final = 0.7  # between a moment and what is moved to it, on average
_HASTENED: Final = 0.5  # of those that are moved
_LASTING: Final = ("for_s", "down_s")


class Crowd:
    """A few moments of act one, to which things are moved."""

    def __init__(self, random: Random, act_s: float) -> None:
        self._random, self._latest_s = random, act_s * 0.95
        self._moments_s = [random.uniform(4, act_s * 0.8) for _ in range(random.randint(1, 3))]

    def gather(self, items: Sequence[Item]) -> list[Item]:
        """These items, most of them at other times."""
        return [self._moved(item) if self._happens(_MOVED) else item for item in items]

    def _moved(self, item: Item) -> Item:
        random = self._random
        at_s = random.choice(self._moments_s) + random.expovariate(1 / _GAP_S)
        changes: dict[str, Any] = {"at_s": round(min(at_s, self._latest_s), 2)}
        for name in _LASTING:
            if hasattr(item, name) and self._happens(_HASTENED):
                changes[name] = round(getattr(item, name) * random.uniform(0.02, 0.3), 2)
        return msgspec.structs.replace(item, **changes)

    def _happens(self, rate: float) -> bool:
        return self._random.random() < rate
