"""``2*most-replicas+spread``: several policies, each with its weight.

Each part is put on the common scale by a map of its own that does not look at other clusters: else
a cluster's score would change with its neighbours'. The blend is the sum of weights times these.
"""

from __future__ import annotations

import msgspec
import numpy as np

from mcs.decisions.policies.candidates import Candidates, Column, Scoring
from mcs.quantities import Resources


class Blend(msgspec.Struct, frozen=True):
    """See the module. ``parts``: weight and policy of each; weights are positive."""

    parts: tuple[tuple[int, Scoring], ...]

    def score(self, candidates: Candidates, requests: Resources) -> Column:
        """The weighted sum: up to 1000 times the sum of the weights."""
        whole = np.zeros(len(candidates.names), np.int64)
        for weight, part in self.parts:
            whole += weight * part.scale(part.score(candidates, requests))
        return whole

    def scale(self, scores: Column) -> Column:
        """The weighted mean."""
        return scores // sum(weight for weight, _ in self.parts)
