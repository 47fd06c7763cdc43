"""Decisions as sentences. Source and target stand before them; the subject is the source's pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from mcs.events.decisions import (
    ClusterLost,
    ClusterRecovered,
    ClusterRemoved,
    CycleMarked,
    Decision,
    Fits,
    Lacks,
    Never,
    Partly,
    PlacementWithdrawn,
    PodDeferred,
    PodPlaced,
    Policy,
    PolicyActivated,
    ProxyEvicted,
    ProxyReleased,
    SchedulerClaimed,
    Verdict,
)
from mcs.names import split_placement
from mcs.objects.waiting import group_words
from mcs.views.amounts import amounts
from mcs.views.words import (
    Piece,
    Words,
    bad,
    cluster,
    good,
    listed,
    node,
    pod,
    quiet,
    say,
    verb,
    wait,
)


def decided(event: Decision) -> Words:
    """What the scheduler chose."""
    match event:
        case SchedulerClaimed():
            version = f" (mcs {event.version})" if event.version else ""
            return say("a scheduler ", verb("became active"), f": reign {event.reign}{version}")
        case CycleMarked():
            return say(quiet("nothing to decide"))
        case PolicyActivated():
            rules = f"rules {event.rules}, schema {event.schema}: "
            return say(verb("policy"), " in force, ", rules, policy_words(event.policy))
        case PodPlaced() | PodDeferred() | PlacementWithdrawn():
            return _placing(event)
        case ProxyEvicted() | ProxyReleased():
            return _ending(event)
        case ClusterLost():
            return say("cluster ", cluster(event.cluster), " is ", bad("lost"), ": it is silent")
        case ClusterRecovered():
            return say("cluster ", cluster(event.cluster), " is ", good("back"))
        case ClusterRemoved():
            return say("cluster ", cluster(event.cluster), " is ", bad("removed"), " for good")
        case _:
            assert_never(event)


def verdict_words(verdict: Verdict) -> Words:
    """One cluster's verdict."""
    match verdict:
        case Fits():
            return say(good("fits"))
        case Lacks(resource=resource):
            return say(wait(f"not enough {resource} on any one node"))
        case Never(constraint=constraint):
            return say(bad(constraint))
        case Partly():
            return say(wait("not enough room for the whole group"))
        case _:
            assert_never(verdict)


def reasons_words(reasons: Mapping[str, Verdict]) -> Words:
    """Why no cluster takes a pod, cluster by cluster."""
    if not reasons:
        return say(bad("no cluster is known"))
    each = [say(cluster(name), ": ", verdict_words(reasons[name])) for name in sorted(reasons)]
    return listed(each, "; ")


def policy_words(policy: Policy) -> str:
    """The knobs that people ask about."""
    return (
        f"{policy.score}; a cluster is lost after {policy.lost_after_s}s of silence, a delegate "
        f"tried elsewhere after {policy.unschedulable_after_s}s without a node"
    )


def _placing(event: PodPlaced | PodDeferred | PlacementWithdrawn) -> Words:
    name = pod(event.namespace, event.name)
    match event:
        case PodPlaced():
            where: list[Piece] = [" on ", cluster(event.target), " node ", node(event.node)]
            asks = say(", asking ", amounts(event.requests)) if event.requests else ()
            return say(verb("placed "), name, *where, quiet(_attempt(event.placement)), asks)
        case PodDeferred():
            if event.group is not None:
                return say(name, " ", wait("waits"), f": {group_words(event.group)}")
            return say(name, " ", wait("waits"), ": ", reasons_words(event.reasons))
        case PlacementWithdrawn():
            unless = ", unless it has a node" if event.unbound_only else ""
            where = [" from ", cluster(event.target), quiet(_attempt(event.placement))]
            return say(verb("withdrew "), name, *where, f": {event.reason}{unless}")


def _ending(event: ProxyEvicted | ProxyReleased) -> Words:
    name = pod(event.namespace, event.name)
    if isinstance(event, ProxyEvicted):
        return say(verb("evicted "), name, f": {event.reason}")
    target: tuple[Piece, ...] = (" of ", cluster(event.target)) if event.target else ()
    return say(verb("let go of "), name, *target, f": {event.reason}" if event.reason else "")


def _attempt(placement: str) -> str:
    return f" (attempt {split_placement(placement)[1]})"
