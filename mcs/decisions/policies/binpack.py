"""``binpack``: the fullest cluster that takes the pod, so that others stay empty for large pods, or
can be given back.

Of empty clusters it is the smallest, as the pod itself fills that one most.
"""

from __future__ import annotations

import msgspec

from mcs.decisions.policies.candidates import Candidates, Column
from mcs.decisions.policies.shares import fullness
from mcs.quantities import Resources


class Binpack(msgspec.Struct, frozen=True):
    """See the module."""

    def score(self, candidates: Candidates, requests: Resources) -> Column:
        """How full the cluster would be, in thousandths."""
        return fullness(candidates, requests)

    def scale(self, scores: Column) -> Column:
        """It is on the scale already."""
        return scores
