"""What each event does to the projections: the two tables of cases behind ``State``."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

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
from mcs.projections.ledger import Intent, Placement, Stage

if TYPE_CHECKING:
    from mcs.projections.state import State

DelegateEvent = DelegateObserved | DelegateRejected | DelegateGone
PodEvent = PodObserved | PodsObserved | PodGone
ProxyEvent = ProxyObserved | ProxyDeleted | ProxyGone


def fold_observation(
    state: State, source: str, channel: str, event: Observation, sequence: int
) -> str:
    """Fold one event of a cluster's frame; returns why it was parked (one of few kinds), or
    nothing.
    """
    match event:  # the frequent ones first: a long log is mostly these
        case DelegateObserved() | DelegateRejected() | DelegateGone():
            return _delegate(state, source, channel, event)
        case PodObserved() | PodsObserved() | PodGone():
            return _pods(state, source, channel, event)
        case ProxyObserved() | ProxyDeleted() | ProxyGone():
            return _proxy(state, source, channel, event)
        case ClusterHeartbeat():
            state.membership.hear(source, event)
        case NodeObserved():
            resync = state.membership.resync_of(source, channel)
            state.inventory.observe_node(source, event, resync)
        case NodeGone():
            state.inventory.drop_node(source, event.name)
        case NodePoolObserved() | NodePoolGone():
            pass  # for people; every node names its pool
        case ResyncStarted():
            state.membership.start_resync(source, channel, sequence)
        case ResyncCompleted():
            _complete(state, source, channel, event.started)
        case VirtualNodeObserved():
            state.membership.cordon_virtual(source, event.target, cordoned=event.cordoned)
        case ClusterLeft():
            state.membership.leave(source)
        case ClusterJoined() | Ticked() | OperatorCommanded():
            pass  # a join counts by its frame; the others have writers of their own
        case _:
            assert_never(event)
    return ""


def fold_decision(state: State, event: Decision, sequence: int) -> None:
    """Fold one decision."""
    match event:
        case SchedulerClaimed():
            state.reign, state.claim = event.reign, event.id
        case CycleMarked():
            pass
        case PolicyActivated():
            state.policy, state.rules, state.schema = event.policy, event.rules, event.schema
        case PodPlaced():
            state.ledger.apply(event, sequence=sequence, elapsed_ms=state.elapsed_ms)
            place = (event.target, event.node)
            state.inventory.charge(event.placement, *place, event.requests, booking=True)
            if proxy := state.backlog.proxies.get(event.uid):
                proxy.attempts, proxy.deferred = proxy.attempts + 1, None
                proxy.deferred_group = None
            _settle(state, event.uid, event.placement)
        case PodDeferred():
            if proxy := state.backlog.proxies.get(event.uid):
                proxy.deferred, proxy.deferred_group = event.reasons, event.group
                state.backlog.refresh(event.uid)
        case PlacementWithdrawn():
            state.ledger.apply(event)
            _settle(state, event.uid, event.placement)
        case ProxyEvicted():
            state.ledger.evict(event.placement)
            if proxy := state.backlog.proxies.get(event.uid):
                proxy.ended = True
            _settle(state, event.uid, event.placement)
        case ProxyReleased():
            state.ledger.apply(event)
            state.inventory.unbook(event.placement)
            if proxy := state.backlog.proxies.get(event.uid):
                proxy.released = True
            _settle(state, event.uid, event.placement)
        case ClusterLost() | ClusterRecovered():
            state.membership.decide(event)
        case ClusterRemoved():
            _remove(state, event)
        case _:
            assert_never(event)


def _pods(state: State, source: str, channel: str, event: PodEvent) -> str:
    match event:
        case PodObserved():
            resync = state.membership.resync_of(source, channel)
            state.inventory.observe_pod(source, event.uid, event.node, event.requests, resync)
        case PodsObserved():
            if not event.fits:
                return "columns that do not fit together"
            resync = state.membership.resync_of(source, channel)
            state.inventory.observe_pods(source, event, resync)
        case PodGone():
            state.inventory.drop_pod(source, event.uid)
        case _:
            assert_never(event)
    return ""


def _complete(state: State, source: str, channel: str, started: int) -> None:
    if not state.membership.complete_resync(source, channel, started):
        return
    resync = state.membership.resync_of(source, channel)
    if channel == subjects.CAPACITY:
        state.inventory.sweep(source, resync)
    elif channel == subjects.PROXY:
        for uid in state.backlog.unnamed(source, resync):
            _gone(state, state.backlog.proxies[uid])


def _proxy(state: State, source: str, channel: str, event: ProxyEvent) -> str:
    known = state.backlog.proxies.get(event.uid)
    if known is not None and known.source != source:
        return "another cluster's proxy"
    match event:
        case ProxyObserved():
            resync = state.membership.resync_of(source, channel)
            state.backlog.observe(source, event, resync)
            _settle(state, event.uid, "")
        case ProxyDeleted():
            if known is not None:
                known.deleting, known.grace_s = True, event.grace_s
                state.backlog.refresh(event.uid)
        case ProxyGone():
            if known is not None:
                _gone(state, known)
        case _:
            assert_never(event)
    return ""


def _delegate(state: State, target: str, channel: str, event: DelegateEvent) -> str:
    known = state.ledger.placements.get(event.placement)
    if known is not None and known.decided:
        right = (known.target, subjects.delegate_channel(known.source))
        if (target, channel) != right:
            return "another cluster's placement, or on another channel"
    placement = state.ledger.apply(event, elapsed_ms=state.elapsed_ms)
    if placement is None:
        return "no placement id"
    changed = False  # the proxy, that is
    match event:
        case DelegateObserved():
            if placement.stage is Stage.ENDED:
                state.inventory.discharge(placement.id)
            elif event.node:
                state.inventory.charge(placement.id, target, event.node, event.requests)
        case DelegateRejected() | DelegateGone():
            state.inventory.discharge(placement.id)
            _retry_or_end(state, placement, target)
            changed = True
        case _:
            assert_never(event)
    if placement.stage is Stage.ENDED and (proxy := state.backlog.proxies.get(placement.uid)):
        proxy.ended = changed = True
    _settle(state, placement.uid, placement.id, changed=changed)
    return ""


def _retry_or_end(state: State, placement: Placement, target: str) -> None:
    """A delegate that never ran is tried elsewhere, after a while also here; one that ran has
    ended its proxy.
    """
    proxy = state.backlog.proxies.get(placement.uid)
    if proxy is None:
        return
    never_ran = placement.stage is Stage.REJECTED or placement.end is End.NEVER_CREATED
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
    _settle(state, proxy.uid, "")


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


def _settle(state: State, uid: str, placement_id: str, *, changed: bool = True) -> None:
    """Bring the indexes in line after a change of a proxy or one of its placements; ``changed``:
    of the proxy itself.
    """
    placement = state.ledger.placements.get(placement_id)
    if placement is not None:
        if placement.evictable or placement.stuck:
            state.attention[placement_id] = None
        else:
            state.attention.pop(placement_id, None)
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
