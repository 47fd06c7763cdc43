"""How full a cluster is."""

from __future__ import annotations

from typing import Final

import numpy as np

from mcs.decisions.policies.candidates import SCALE, Candidates, Column
from mcs.quantities import PODS, Resources

_EXACT: Final = 2**53  # up to here, a thousandfold fits into 64 bits
_SHIFT: Final = 11  # the largest amount there is, 2**63 - 1, comes below that by so many bits


def fullness(candidates: Candidates, requests: Resources) -> Column:
    """How full each cluster would be with one more such pod, in thousandths.

    It is the mean over the resources that the pod asks for, or over its place among the pods when
    it asks for none, as kube-scheduler's NodeResourcesFit scores a node (MostAllocated).
    """
    asked = {name: amount for name, amount in requests.items() if amount > 0} or {PODS: 1}
    whole = np.zeros(len(candidates.names), np.int64)
    for name, amount in asked.items():
        total = candidates.total(name)
        left = np.minimum(np.maximum(candidates.left(name), 0), total)
        whole += thousandths(total - np.maximum(left - amount, 0), total)
    return whole // len(asked)


def thousandths(part: Column, whole: Column) -> Column:
    """Each part of its whole in thousandths, rounded down; of nothing, everything: 1000.

    ``part`` lies between 0 and ``whole``. Beyond 2**53 the lowest bits do not count.
    """
    if (whole > _EXACT).any():
        shift = np.where(whole > _EXACT, _SHIFT, 0)
        part, whole = part >> shift, whole >> shift
    if whole.all():
        return part * SCALE // whole
    return np.where(whole > 0, part * SCALE // np.maximum(whole, 1), SCALE)
