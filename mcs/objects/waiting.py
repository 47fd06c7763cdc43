"""Why a proxy has no place yet, in people's words: its ``PodScheduled`` condition.

The reasons are our own and never ``Unschedulable``, at which autoscalers buy nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mcs.events.decisions import (
    BeyondBudget,
    Fits,
    GroupVerdict,
    Incomplete,
    Lacks,
    Never,
    Partly,
    PodDeferred,
    Verdict,
)
from mcs.objects.kinds import Condition, Pod
from mcs.objects.observing import POD_SCHEDULED, phase_of
from mcs.objects.patching import Json, condition_changes, patch_of

WAITING: Final = "WaitingForCluster"
TRYING: Final = "WaitingForDelegate"
REJECTED: Final = "DelegateRejected"
_MESSAGE_MAX: Final = 1000


def waiting(proxy: Pod, reasons: Mapping[str, Verdict], *, at: str) -> Json | None:
    """No cluster takes the pod now, for these ``reasons``. See ``condition``."""
    return condition(proxy, reason=WAITING, message=waiting_words(reasons), at=at)


def trying(
    proxy: Pod, target: str, delegate: str, *, unschedulable: str = "", at: str
) -> Json | None:
    """Its delegate was sent to ``target``, and has no node there yet. See ``condition``."""
    message = f"being tried in cluster {target} as pod {delegate}"
    if unschedulable:
        message += f", which finds no node: {unschedulable}"
    return condition(proxy, reason=TRYING, message=message, at=at)


def rejected(proxy: Pod, target: str, message: str, *, at: str) -> Json | None:
    """``target`` did not take the delegate, in its API server's words. See ``condition``."""
    words = f"cluster {target} rejected the delegate: {message}"
    return condition(proxy, reason=REJECTED, message=words, at=at)


def condition(proxy: Pod, *, reason: str, message: str, at: str) -> Json | None:
    """The patch that makes a proxy show ``reason`` and ``message`` while it has no place.

    None where it shows them, and for a proxy that is bound, ended or gated (which says so itself).
    """
    if proxy.spec.node_name or proxy.spec.scheduling_gates or phase_of(proxy).ended:
        return None
    wanted = Condition(
        type=POD_SCHEDULED, status="False", reason=reason, message=message[:_MESSAGE_MAX]
    )
    changed = condition_changes(proxy, [wanted], at=at)
    return patch_of(proxy, changes={"conditions": changed} if changed else {})


def deferral_words(event: PodDeferred) -> str:
    """Why a pod waits: its group, or the reason of each cluster."""
    if event.group is not None:
        return group_words(event.group)
    return waiting_words(event.reasons)


def group_words(verdict: GroupVerdict) -> str:
    """Why no cluster was looked at for a pod of a group."""
    match verdict:
        case Incomplete(size=size):
            return f"its group waits for members: {size} are placed together, or none"
        case BeyondBudget():
            return "its group is too large to be placed at once"


def waiting_words(reasons: Mapping[str, Verdict]) -> str:
    """The reason of each cluster, in order of names: ``… c1: not enough cpu on any one node``."""
    if not reasons:
        return "no cluster has joined the federation"
    return "no cluster takes the pod: " + "; ".join(
        f"{cluster}: {_words(reasons[cluster])}" for cluster in sorted(reasons)
    )


def _words(verdict: Verdict) -> str:
    match verdict:
        case Fits():
            return "it fits, in a later cycle"
        case Lacks(resource=resource):
            return f"not enough {resource} on any one node"
        case Never(constraint=constraint):
            return f"ruled out by {constraint}"
        case Partly():
            return "not enough room for the whole group"
