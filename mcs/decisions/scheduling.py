"""One cycle: the state in, decisions out. The active scheduler's only idea of what to do.

    1. clusters   lost, recovered, removed
    2. placements withdrawn, proxies evicted and released (``reclaiming``)
    3. places     for the pods that wait, in order (``placing``)

Deciding twice on one state gives the same; deciding again after folding what was decided gives
nothing more. A cycle has a budget; what does not fit is decided in the next one.
"""

from __future__ import annotations

from typing import NamedTuple

from mcs.decisions.budget import Budget
from mcs.decisions.choosing import Choosing
from mcs.decisions.placing import place
from mcs.decisions.reclaiming import reclaim
from mcs.events.decisions import ClusterLost, ClusterRecovered, ClusterRemoved, Decision
from mcs.names import Keys
from mcs.projections.membership import Member
from mcs.projections.state import State


class Decided(NamedTuple):
    """What one cycle decides; not ``whole``: its budget ended first."""

    events: tuple[Decision, ...]
    whole: bool


def decide(state: State, keys: Keys) -> Decided:
    """Everything to decide now, within the policy's budget."""
    budget = Budget(state.policy)
    for name in sorted(state.membership.members):
        event = _cluster(state, state.membership.members[name])
        if event is not None and not budget.take(event):
            return Decided(budget.taken, whole=False)
    whole = reclaim(state, budget) and place(state, keys, budget)
    return Decided(budget.taken, whole)


def schedule(state: State, keys: Keys) -> tuple[Decision, ...]:
    """What ``decide`` decides."""
    return decide(state, keys).events


def prepare(state: State) -> None:
    """Do beforehand what the first ``schedule`` would take long for; nothing follows from it."""
    Choosing(state)


def _cluster(
    state: State, member: Member
) -> ClusterLost | ClusterRecovered | ClusterRemoved | None:
    if member.removed:
        return None
    if member.removing:
        return ClusterRemoved(cluster=member.name)
    silent = state.elapsed_ms - member.heard_ms > state.policy.lost_after_s * 1000
    if silent and not member.lost:
        return ClusterLost(cluster=member.name)
    if member.lost and not silent:
        return ClusterRecovered(cluster=member.name)
    return None
