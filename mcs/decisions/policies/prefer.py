"""``prefer:c1,c2,…``: the first of these clusters that takes the pod; when none does, another one.

So pods spill over to the rest of the federation, where most replicas fit first, only when the
preferred clusters are full. A cluster that has not joined yet may be named.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

import msgspec
import numpy as np

from mcs.decisions.policies.candidates import SCALE, Candidates, Column
from mcs.decisions.policies.most_replicas import MostReplicas
from mcs.errors import BadName, BadSettings
from mcs.names import cluster_name
from mcs.quantities import Resources

_FIRST: Final = 2**62  # above any number of replicas
_HALF: Final = SCALE // 2
CLUSTERS_MAX: Final = _HALF
"""So many have a place of their own in the upper half of the scale."""

_rest: Final = MostReplicas()


class Prefer(msgspec.Struct, frozen=True):
    """See the module. ``clusters``: most preferred first."""

    clusters: tuple[str, ...]

    @classmethod
    def parse(cls, argument: str) -> Prefer:
        """The policy as it is written behind ``prefer:``.

        Raises:
            BadSettings: no clusters, one of them twice, or none that could be one.
        """
        try:
            clusters = tuple(cluster_name(name.strip()) for name in argument.split(","))
        except BadName as error:
            raise BadSettings(f"prefer: {error}") from error
        if len(set(clusters)) < len(clusters):
            twice = next(name for name in clusters if clusters.count(name) > 1)
            raise BadSettings(f"prefer: {twice} is named twice")
        if len(clusters) > CLUSTERS_MAX:
            raise BadSettings(f"prefer: {len(clusters)} clusters, of at most {CLUSTERS_MAX}")
        return cls(clusters)

    def score(self, candidates: Candidates, requests: Resources) -> Column:
        """The cluster's place in the list, counted from above; behind all, the replicas."""
        scores = np.minimum(_rest.score(candidates, requests), _FIRST - CLUSTERS_MAX)
        for place, name in enumerate(self.clusters):
            row = bisect_left(candidates.names, name)
            if candidates.names[row : row + 1] == (name,):
                scores[row] = _FIRST - place
        return scores

    def scale(self, scores: Column) -> Column:
        """The list from 1000 down to 501 at most, below it the others."""
        listed = SCALE - (_FIRST - scores)
        return np.where(scores > _FIRST - CLUSTERS_MAX, listed, _rest.scale(scores) // 2)
