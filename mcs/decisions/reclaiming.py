"""What ends: placements withdrawn, proxies evicted, proxies released.

proxy deleted or gone, delegate may exist    → PlacementWithdrawn (with the proxy's grace)
proxy deleted, nothing left in any target    → ProxyReleased
a person gives up waiting for the delegate   → ProxyReleased, while the proxy is being deleted
delegate being deleted, and not by us        → ProxyEvicted
delegate without a node for too long         → PlacementWithdrawn, only if still unbound
target removed, should it return or not      → ProxyReleased
source removed, nothing left in any target   → ProxyReleased, should it return after all
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcs.decisions.budget import Budget
from mcs.events.decisions import Decision, PlacementWithdrawn, ProxyEvicted, ProxyReleased
from mcs.projections.backlog import Proxy
from mcs.projections.ledger import Intent, Placement, Stage

if TYPE_CHECKING:  # agents come here too, and do without its numpy: 16 MiB
    from mcs.projections.state import State

PROXY_DELETED = "proxy deleted"
PROXY_GONE = "proxy gone"
UNSCHEDULABLE = "unschedulable"
DELEGATE_DELETED = "delegate deleted"
CLUSTER_REMOVED = "cluster removed"
OPERATOR = "operator"


def reclaim(state: State, budget: Budget) -> bool:
    """Decide every end that is due; False when the budget ended first."""
    return all(budget.take(event) for event in _due(state))


def _due(state: State) -> list[Decision]:
    ends = [_leave(state, state.backlog.proxies[uid]) for uid in sorted(state.backlog.leaving)]
    troubles = [_trouble(state, state.ledger.placements[id]) for id in sorted(state.attention)]
    return [event for event in (*ends, *troubles) if event is not None]


def _leave(state: State, proxy: Proxy) -> Decision | None:
    if proxy.released:
        return None
    live = state.ledger.live(proxy.uid)
    if live is not None:
        if proxy.releasing and proxy.deleting:
            return _released(proxy, live, OPERATOR)
        if not (proxy.deleting or proxy.gone):
            return None
        if live.intent is Intent.WITHDRAWN and not _hastened(proxy, live):
            return None
        return _withdrawn(
            live,
            PROXY_DELETED if proxy.deleting else PROXY_GONE,
            grace_s=proxy.grace_s if proxy.deleting else None,
        )
    if proxy.stranded:
        return _released(proxy, state.ledger.latest(proxy.uid), CLUSTER_REMOVED)
    if proxy.deleting and not proxy.gone:
        return _released(proxy, state.ledger.latest(proxy.uid), PROXY_DELETED)
    return None


def _hastened(proxy: Proxy, live: Placement) -> bool:
    """Whether somebody shortened the grace of a deletion under way (``kubectl delete --force``)."""
    if proxy.gone or proxy.grace_s is None:
        return False
    return live.grace_s is None or proxy.grace_s < live.grace_s


def _trouble(state: State, placement: Placement) -> Decision | None:
    if placement.releasable:
        return _released(placement, placement, CLUSTER_REMOVED)
    proxy = state.backlog.proxies.get(placement.uid)
    if proxy is None or proxy.deleting or proxy.gone or not placement.wanted:
        return None
    if placement.evictable:
        return _evicted(placement)
    if placement.stage is not Stage.PENDING or placement.intent is not Intent.WANTED:
        return None
    seen = placement.seen
    waited_ms = state.elapsed_ms - placement.since_ms
    late = waited_ms > state.policy.unschedulable_after_s * 1000
    if late and seen is not None and seen.unschedulable:
        return _withdrawn(placement, UNSCHEDULABLE, unbound_only=True)
    return None


def _evicted(placement: Placement) -> ProxyEvicted:
    return ProxyEvicted(
        uid=placement.uid,
        source=placement.source,
        namespace=placement.namespace,
        name=placement.name,
        placement=placement.id,
        reason=DELEGATE_DELETED,
    )


def _withdrawn(
    placement: Placement, reason: str, *, grace_s: int | None = None, unbound_only: bool = False
) -> PlacementWithdrawn:
    return PlacementWithdrawn(
        placement=placement.id,
        uid=placement.uid,
        source=placement.source,
        target=placement.target,
        namespace=placement.namespace,
        name=placement.name,
        delegate=placement.delegate,
        reason=reason,
        grace_s=grace_s,
        unbound_only=unbound_only,
    )


def _released(named: Proxy | Placement, placement: Placement | None, reason: str) -> ProxyReleased:
    """``named``: the proxy, or its placement where only that is known."""
    return ProxyReleased(
        uid=named.uid,
        source=named.source,
        namespace=named.namespace,
        name=named.name,
        placement=placement.id if placement else "",
        target=placement.target if placement else "",
        reason=reason,
    )
