"""What each kind of observation does to the projections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, assert_never

from mcs.events import subjects
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
from mcs.projections.backlog import Backoff
from mcs.projections.ledger import ENDED, REJECTED, Intent, Placement
from mcs.projections.settling import gone, settle

if TYPE_CHECKING:
    from mcs.projections.state import State

DelegateEvent = DelegateObserved | DelegateRejected | DelegateGone
ProxyEvent = ProxyObserved | ProxyDeleted | ProxyGone
Fold = Callable[["State", ObservationFrame, int, Any], str | None]


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
            gone(state, state.backlog.proxies[uid])


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
            settle(state, event.uid)
        case ProxyDeleted():
            if known is not None:
                known.deleting, known.grace_s = True, event.grace_s
                state.backlog.refresh(event.uid)
        case ProxyGone():
            if known is not None:
                gone(state, known)
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
    settle(state, placement.uid, placement, changed=changed)
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
