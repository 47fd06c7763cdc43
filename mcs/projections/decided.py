"""What each decision does to the projections."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from mcs.events.decisions import (
    ClusterLost,
    ClusterRecovered,
    ClusterRemoved,
    CycleMarked,
    Decision,
    PlacementWithdrawn,
    PodDeferred,
    PodPlaced,
    PolicyActivated,
    ProxyEvicted,
    ProxyReleased,
    SchedulerClaimed,
)
from mcs.projections.settling import gone, settle, strand

if TYPE_CHECKING:
    from mcs.projections.state import State


def fold_decision(state: State, event: Decision, sequence: int) -> None:
    """Fold one decision."""
    match event:  # the frequent ones first
        case PodPlaced():
            placement = state.ledger.apply(event, sequence=sequence, elapsed_ms=state.elapsed_ms)
            place = (event.target, event.node)
            state.inventory.charge(event.placement, *place, event.requests, booking=True)
            if proxy := state.backlog.proxies.get(event.uid):
                proxy.attempts, proxy.deferred = proxy.attempts + 1, None
                proxy.deferred_group = None
            settle(state, event.uid, placement)
        case SchedulerClaimed():
            state.reign, state.claim = event.reign, event.id
        case CycleMarked():
            pass
        case PolicyActivated():
            state.policy, state.rules, state.schema = event.policy, event.rules, event.schema
        case PodDeferred():
            if proxy := state.backlog.proxies.get(event.uid):
                proxy.deferred, proxy.deferred_group = event.reasons, event.group
                state.backlog.refresh(event.uid)
        case PlacementWithdrawn():
            settle(state, event.uid, state.ledger.apply(event))
        case ProxyEvicted():
            placement = state.ledger.evict(event.placement)
            if proxy := state.backlog.proxies.get(event.uid):
                proxy.ended = True
            settle(state, event.uid, placement)
        case ProxyReleased():
            placement = state.ledger.apply(event)
            state.inventory.unbook(event.placement)
            if proxy := state.backlog.proxies.get(event.uid):
                proxy.released = True
            settle(state, event.uid, placement)
        case ClusterLost() | ClusterRecovered():
            state.membership.decide(event)
        case ClusterRemoved():
            _remove(state, event)
        case _:
            assert_never(event)


def _remove(state: State, event: ClusterRemoved) -> None:
    """Forget a cluster. What was placed there is let go of, whether or not it returns meanwhile.
    Its proxies are as good as gone, but should it return, then so do they: those that were placed
    once are remembered, or they would be placed again as if for the first time.
    """
    state.membership.decide(event)
    state.inventory.forget(event.cluster)
    strand(state, event.cluster)
    for uid in state.backlog.unnamed(event.cluster, state.observed.sequence + 1):
        proxy = state.backlog.proxies[uid]
        if not state.ledger.of(uid):
            gone(state, proxy)
            continue
        proxy.gone = proxy.stranded = True
        proxy.manifest = ""
        state.backlog.refresh(uid)
