"""Observations as sentences. The cluster that speaks stands before them and is not repeated."""

from __future__ import annotations

from typing import Final, assert_never

from mcs.events import subjects
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
    Phase,
    PodGone,
    PodObserved,
    PodsObserved,
    ProxyDeleted,
    ProxyGone,
    ProxyObserved,
    ResyncCompleted,
    ResyncStarted,
    Ticked,
    Verb,
    VirtualNodeObserved,
)
from mcs.names import virtual_node
from mcs.views.amounts import amounts
from mcs.views.naming import Names
from mcs.views.words import (
    Piece,
    Span,
    Words,
    bad,
    cluster,
    command,
    good,
    node,
    pod,
    quiet,
    say,
    verb,
    wait,
)

_ENDS: Final[dict[End, Piece]] = {
    End.SUCCEEDED: good("it had succeeded"),
    End.FAILED: bad("it had failed"),
    End.DELETED: "it was deleted",
    End.NEVER_CREATED: "it was never created",
    End.UNKNOWN: bad("nobody saw how it ended"),
}


def observed(event: Observation, source: str, channel: str, names: Names) -> Words:
    """What ``source`` says on ``channel``."""
    match event:
        case ClusterJoined() | ClusterHeartbeat() | ClusterLeft():
            return _cluster(event)
        case ResyncStarted() | ResyncCompleted():
            return _resync(event, channel)
        case NodeObserved() | NodeGone() | NodePoolObserved() | NodePoolGone():
            return _node(event)
        case VirtualNodeObserved():
            return _virtual(event)
        case PodObserved() | PodsObserved() | PodGone():
            return _use(event, source, names)
        case ProxyObserved() | ProxyDeleted() | ProxyGone():
            return _proxy(event)
        case DelegateObserved() | DelegateRejected() | DelegateGone():
            return _delegate(event, names)
        case Ticked() | OperatorCommanded():
            return _spoken(event)
        case _:
            assert_never(event)


def phase_word(phase: Phase) -> Span:
    """A phase in the colour of its meaning."""
    match phase:
        case Phase.SUCCEEDED | Phase.RUNNING:
            return good(phase.value)
        case Phase.FAILED | Phase.UNKNOWN:
            return bad(phase.value)
        case Phase.PENDING:
            return wait(phase.value)


def commanded(event: OperatorCommanded) -> Words:
    """A person's command, as it was typed."""
    match event.verb:
        case Verb.CORDON | Verb.UNCORDON:
            typed = f"mcs cluster {event.verb} {event.cluster}"
        case Verb.REMOVE:
            typed = f"mcs cluster remove {event.cluster} --confirm-dead"
        case Verb.RELEASE:
            typed = f"mcs release {event.cluster}/{event.namespace}/{event.name}"
    return say(event.by or "somebody", " commands ", command(typed))


def _spoken(event: Ticked | OperatorCommanded) -> Words:
    if isinstance(event, Ticked):
        return say(quiet("a second passed in which nobody wrote"))
    return commanded(event)


def _use(event: PodObserved | PodsObserved | PodGone, source: str, names: Names) -> Words:
    if isinstance(event, PodGone):
        return say("pod ", names.of_pod(source, event.uid), " uses nothing any more")
    if isinstance(event, PodsObserved):
        return say(f"{len(event.uid)} pods use capacity, on {len(event.nodes)} nodes")
    name = pod(event.namespace, event.name)
    return say("pod ", name, " uses ", amounts(event.requests), " on ", node(event.node))


def _cluster(event: ClusterJoined | ClusterHeartbeat | ClusterLeft) -> Words:
    match event:
        case ClusterJoined():
            version = f" (Kubernetes {event.kubernetes})" if event.kubernetes else ""
            return say(verb("joined"), f" as {' and '.join(event.roles) or 'nothing'}{version}")
        case ClusterHeartbeat():
            counts = f"{event.nodes} nodes, {event.pods} pods, "
            read = f", has read decision {event.decision.sequence}"
            return say(quiet("lives: "), counts, amounts(event.free), " free", quiet(read))
        case ClusterLeft():
            return say(verb("left"), " in good order", _because(event.reason))


def _resync(event: ResyncStarted | ResyncCompleted, channel: str) -> Words:
    of = subjects.delegate_source(channel)
    about: Words = say("delegates of ", cluster(of)) if of else say(channel)
    if isinstance(event, ResyncStarted):
        return say("full account of ", about, " begins", _because(event.reason))
    return say("full account of ", about, f" is whole, from {event.started} on")


def _node(event: NodeObserved | NodeGone | NodePoolObserved | NodePoolGone) -> Words:
    match event:
        case NodeObserved():
            state: list[Piece] = [good("ready") if event.ready else bad("not ready")]
            state += [", ", wait("cordoned")] if event.cordoned else []
            state += [f", tainted {taint.key}:{taint.effect}" for taint in event.taints]
            return say("node ", node(event.name), " has ", amounts(event.allocatable), ", ", *state)
        case NodeGone():
            return say("node ", node(event.name), " is gone")
        case NodePoolObserved():
            return say(f"node pool {event.name} has {event.nodes} nodes")
        case NodePoolGone():
            return say(f"node pool {event.name} is empty")


def _virtual(event: VirtualNodeObserved) -> Words:
    state: Piece = good("in place") if event.present else bad("gone")
    name = node(virtual_node(event.target))
    cordon: tuple[Piece, ...] = (", ", wait("cordoned")) if event.cordoned else ()
    return say("virtual node ", name, " for ", cluster(event.target), " is ", state, *cordon)


def _proxy(event: ProxyObserved | ProxyDeleted | ProxyGone) -> Words:
    name = pod(event.namespace, event.name)
    match event:
        case ProxyObserved(ended=True):
            return say("proxy ", name, " has ended")
        case ProxyObserved():
            more: list[Piece] = []
            if event.cluster:
                more += [", pinned to ", cluster(event.cluster)]
            if event.gates:
                more += [", ", wait(f"gated by {', '.join(event.gates)}")]
            if event.priority:
                more.append(f", priority {event.priority}")
            if event.group is not None:
                spread = ", spread" if event.group.spread else ""
                more.append(f", in group {event.group.name} of {event.group.size}{spread}")
            return say("proxy ", name, " asks ", amounts(event.requests), *more)
        case ProxyDeleted():
            grace = "its own" if event.grace_s is None else f"{event.grace_s}s of"
            return say("proxy ", name, f" is being deleted, with {grace} grace")
        case ProxyGone():
            return say("proxy ", name, " is gone")


def _delegate(event: DelegateObserved | DelegateRejected | DelegateGone, names: Names) -> Words:
    whose, attempt = names.of_placement(event.placement)
    head = say("delegate of ", whose, quiet(f" (attempt {attempt})") if attempt > 1 else "")
    match event:
        case DelegateObserved():
            more: list[Piece] = [" on ", node(event.node)] if event.node else []
            if event.unschedulable:
                more += [": ", bad(event.unschedulable)]
            elif not event.node:
                more.append(", without a node yet")
            more += [", ", wait("being deleted")] if event.deleting else []
            return say(head, " is ", phase_word(event.phase), *more)
        case DelegateRejected():
            return say(head, " was ", bad("rejected"), f": {event.reason}: {event.message}")
        case DelegateGone():
            return say(head, " is gone: ", _ENDS[event.end])


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
