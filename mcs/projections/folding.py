"""What each event does to the projections: a table for observations, cases for decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, assert_never

from mcs.events import subjects
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
from mcs.events.frames import ObservationFrame
from mcs.events.observations import (
    ClusterHeartbeat,
    ClusterJoined,
    ClusterLeft,
    DelegateGone,
    DelegateObserved,
    DelegateRejected,
    End,
    NodeGone,
    NodeObserved,
    NodePoolGone,
    NodePoolObserved,
    Observation,
    OperatorCommanded,
    PodGone,
    PodObserved,
    PodsObserved,
    ProxyDeleted,
    ProxyGone,
    ProxyObserved,
    ResyncCompleted,
    ResyncStarted,
    Ticked,
    VirtualNodeObserved,
)
from mcs.projections.backlog import Backoff, Proxy
from mcs.projections.ledger import ENDED, REJECTED, Intent, Placement

if TYPE_CHECKING:
    from mcs.projections.state import State

DelegateEvent = DelegateObserved | DelegateRejected | DelegateGone
ProxyEvent = ProxyObserved | ProxyDeleted | ProxyGone
Fold = Callable[["State", ObservationFrame, int, Any], str | None]


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
            _settle(state, event.uid, placement)
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
            _settle(state, event.uid, state.ledger.apply(event))
        case ProxyEvicted():
            placement = state.ledger.evict(event.placement)
            if proxy := state.backlog.proxies.get(event.uid):
                proxy.ended = True
            _settle(state, event.uid, placement)
        case ProxyReleased():
            placement = state.ledger.apply(event)
            state.inventory.unbook(event.placement)
            if proxy := state.backlog.proxies.get(event.uid):
                proxy.released = True
            _settle(state, event.uid, placement)
        case ClusterLost() | ClusterRecovered():
            state.membership.decide(event)
        case ClusterRemoved():
            _remove(state, event)
        case _:
            assert_never(event)


def _node(state: State, frame: ObservationFrame, resync: int, event: NodeObserved) -> None:
    state.inventory.observe_node(frame.source, event, resync)


def _node_gone(state: State, frame: ObservationFrame, _: int, event: NodeGone) -> None:
    state.inventory.drop_node(frame.source, event.name)


def _pod(state: State, frame: ObservationFrame, resync: int, event: PodObserved) -> None:
    state.inventory.observe_pod(frame.source, event.uid, event.node, event.requests, resync)


def _pods(state: State, frame: ObservationFrame, resync: int, event: PodsObserved) -> str | None:
    if not event.fits:
        return "columns that do not fit together"
    state.inventory.observe_pods(frame.source, event, resync)
    return None


def _pod_gone(state: State, frame: ObservationFrame, _: int, event: PodGone) -> None:
    state.inventory.drop_pod(frame.source, event.uid)


def _heard(state: State, frame: ObservationFrame, _: int, event: ClusterHeartbeat) -> None:
    state.membership.hear(frame.source, event)


def _left(state: State, frame: ObservationFrame, _: int, __: ClusterLeft) -> None:
    state.membership.leave(frame.source)


def _virtual_node(
    state: State, frame: ObservationFrame, _: int, event: VirtualNodeObserved
) -> None:
    state.membership.cordon_virtual(frame.source, event.target, cordoned=event.cordoned)


def _start(state: State, frame: ObservationFrame, _: int, __: ResyncStarted) -> None:
    state.membership.start_resync(frame.source, frame.channel, state.observed.sequence)


def _complete(state: State, frame: ObservationFrame, resync: int, event: ResyncCompleted) -> None:
    source, channel = frame.source, frame.channel
    if not state.membership.complete_resync(source, channel, event.started):
        return
    if channel == subjects.CAPACITY:
        state.inventory.sweep(source, resync)
    elif channel == subjects.PROXY:
        for uid in state.backlog.unnamed(source, resync):
            _gone(state, state.backlog.proxies[uid])


def _nothing(*_: object) -> None:
    """A join counts by its frame; ticks and commands have writers of their own; pools are for
    people, since every node names its own.
    """


def _proxy(state: State, frame: ObservationFrame, resync: int, event: ProxyEvent) -> str | None:
    known = state.backlog.proxies.get(event.uid)
    if known is not None and known.source != frame.source:
        return "another cluster's proxy"
    match event:
        case ProxyObserved():
            state.backlog.observe(frame.source, event, resync)
            _settle(state, event.uid)
        case ProxyDeleted():
            if known is not None:
                known.deleting, known.grace_s = True, event.grace_s
                state.backlog.refresh(event.uid)
        case ProxyGone():
            if known is not None:
                _gone(state, known)
        case _:
            assert_never(event)
    return None


def _delegate(state: State, frame: ObservationFrame, _: int, event: DelegateEvent) -> str | None:
    target = frame.source
    known = state.ledger.placements.get(event.placement)
    if known is not None and known.decided:
        right = subjects.delegate_channel(known.source)
        if target != known.target or frame.channel != right:
            return "another cluster's placement, or on another channel"
    placement = state.ledger.apply(event, elapsed_ms=state.elapsed_ms)
    if placement is None:
        return "no placement id"
    changed = False  # the proxy, that is
    match event:
        case DelegateObserved():
            if placement.stage is ENDED:
                state.inventory.discharge(placement.id)
            elif event.node:
                state.inventory.charge(placement.id, target, event.node, event.requests)
        case DelegateRejected() | DelegateGone():
            state.inventory.discharge(placement.id)
            _retry_or_end(state, placement, target)
            changed = True
        case _:
            assert_never(event)
    if placement.stage is ENDED and (proxy := state.backlog.proxies.get(placement.uid)):
        proxy.ended = changed = True
    _settle(state, placement.uid, placement, changed=changed)
    return None


def _retry_or_end(state: State, placement: Placement, target: str) -> None:
    """A delegate that never ran is tried elsewhere, after a while also here; one that ran has
    ended its proxy.
    """
    proxy = state.backlog.proxies.get(placement.uid)
    if proxy is None:
        return
    never_ran = placement.stage is REJECTED or placement.end is End.NEVER_CREATED
    tried = placement.intent is Intent.WITHDRAWN_IF_UNBOUND and not placement.wanted
    if not (never_ran or tried):
        proxy.ended = True
        return
    before = proxy.backoff.get(target)
    wait_ms = min(
        before.wait_ms * 2 if before else state.policy.backoff_s * 1000,
        state.policy.backoff_max_s * 1000,
    )
    proxy.backoff[target] = Backoff(
        until_ms=state.elapsed_ms + wait_ms,
        wait_ms=wait_ms,
        reason=placement.reason or "never created",
    )


def _gone(state: State, proxy: Proxy) -> None:
    proxy.gone, proxy.stranded = True, False
    _settle(state, proxy.uid)


def _remove(state: State, event: ClusterRemoved) -> None:
    """Forget a cluster. Its proxies are as good as gone, but should it return, then so do they:
    those that were placed once are remembered, or they would be placed again as if for the first
    time.
    """
    state.membership.decide(event)
    state.inventory.forget(event.cluster)
    for uid in state.backlog.unnamed(event.cluster, state.observed.sequence + 1):
        proxy = state.backlog.proxies[uid]
        if not state.ledger.of(uid):
            _gone(state, proxy)
            continue
        proxy.gone = proxy.stranded = True
        proxy.manifest = ""
        state.backlog.refresh(uid)


def _settle(
    state: State, uid: str, placement: Placement | None = None, *, changed: bool = True
) -> None:
    """Bring the indexes in line after a change of a proxy or one of its placements; ``changed``:
    of the proxy itself.
    """
    if placement is not None:
        if placement.evictable or placement.stuck:
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


OBSERVED: Final[Mapping[type[Observation], Fold]] = {
    NodeObserved: _node,
    NodeGone: _node_gone,
    NodePoolObserved: _nothing,
    NodePoolGone: _nothing,
    PodObserved: _pod,
    PodsObserved: _pods,
    PodGone: _pod_gone,
    ProxyObserved: _proxy,
    ProxyDeleted: _proxy,
    ProxyGone: _proxy,
    DelegateObserved: _delegate,
    DelegateRejected: _delegate,
    DelegateGone: _delegate,
    ClusterHeartbeat: _heard,
    ClusterJoined: _nothing,
    ClusterLeft: _left,
    ResyncStarted: _start,
    ResyncCompleted: _complete,
    VirtualNodeObserved: _virtual_node,
    Ticked: _nothing,
    OperatorCommanded: _nothing,
}
"""What each kind of event in a cluster's frame does, its channel being in the account of that
number; it returns why the event was parked (one of few kinds), or nothing.
"""
