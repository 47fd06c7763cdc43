"""The indexes over proxies and placements, brought in line after a change of either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcs.projections.backlog import Proxy
from mcs.projections.ledger import Placement

if TYPE_CHECKING:
    from mcs.projections.state import State


def settle(
    state: State, uid: str, placement: Placement | None = None, *, changed: bool = True
) -> None:
    """After a change of a proxy or one of its placements; ``changed``: of the proxy itself."""
    if placement is not None:
        if placement.evictable or placement.stuck or placement.releasable:
            state.attention[placement.id] = None
        else:
            state.attention.pop(placement.id, None)
    live = state.ledger.live(uid)
    proxy = state.backlog.proxies.get(uid)
    if proxy is not None:
        if not changed and proxy.placed == (live is not None) and not proxy.gone:
            return
        proxy.placed = live is not None
        if proxy.stranded or not proxy.gone or live is not None:
            state.backlog.refresh(uid)
            return
        state.backlog.drop(uid)
    if live is None:
        for forgotten in state.ledger.of(uid):
            state.attention.pop(forgotten.id, None)
        state.ledger.forget(uid)


def gone(state: State, proxy: Proxy) -> None:
    """A proxy is there no more."""
    proxy.gone, proxy.stranded = True, False
    settle(state, proxy.uid)


def strand(state: State, cluster: str) -> None:
    """What lives in a cluster that was removed is to be let go of."""
    state.attention |= dict.fromkeys(state.ledger.strand(cluster))
