"""``spread``: the cluster with the largest share left, so that all fill up evenly, large and small.

Unlike ``most-replicas`` it does not prefer large clusters, and looks at what is free in all, not at
whether it lies together.
"""

from __future__ import annotations

import msgspec

from mcs.decisions.policies.candidates import SCALE, Candidates, Column
from mcs.decisions.policies.shares import fullness
from mcs.quantities import Resources


class Spread(msgspec.Struct, frozen=True):
    """See the module."""

    def score(self, candidates: Candidates, requests: Resources) -> Column:
        """What would be left of the cluster, in thousandths."""
        return SCALE - fullness(candidates, requests)

    def scale(self, scores: Column) -> Column:
        """It is on the scale already."""
        return scores
