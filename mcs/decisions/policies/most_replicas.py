"""``most-replicas``: the cluster where most such pods would still fit.

It spreads a burst over what is really free, node by node, and leaves alone clusters whose free
capacity lies in pieces that are too small. Its scale is logarithmic, since the step from one free
place to ten matters as much as that from ten thousand to a hundred thousand: each doubling counts
50, and a million places or more are 1000.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from mcs.decisions.policies.candidates import SCALE, Candidates, Column
from mcs.quantities import Resources

_DOUBLINGS: Final = 20
_STEP: Final = SCALE // _DOUBLINGS
_POWERS: Final = 2 ** np.arange(_DOUBLINGS + 1, dtype=np.int64)


class MostReplicas(msgspec.Struct, frozen=True):
    """See the module."""

    def score(self, candidates: Candidates, requests: Resources) -> Column:  # noqa: ARG002 # replicas says it
        """The number of replicas."""
        return candidates.replicas

    def scale(self, scores: Column) -> Column:
        """The logarithm, straight between the powers of two: 0 → 0, 1 → 50, 3 → 100."""
        counted = np.clip(scores, 0, _POWERS[-1] - 1) + 1
        doublings = np.searchsorted(_POWERS, counted, side="right") - 1
        power = _POWERS[doublings]
        return np.asarray(doublings * _STEP + (counted - power) * _STEP // power, np.int64)
