"""An executor's next step for one placement: what its ledger says against what its cluster shows.

Two rules make executors safe. A delegate is deleted only because a decision names its placement;
and it is created at most once: never when it was seen before, never after its end or its rejection
was told. So a restart, an outage or a log that begins late deletes nothing and starts nothing
twice; at worst something waits, and says for what.

    delegate is   placement is             step
    ------------  -----------------------  ---------------------------------------------------
    there         unknown                  wait: it is reported by the observer, never deleted
    there         wanted                   nothing
    there         withdrawn, released      delete
    there         withdrawn if unbound     delete it as last read, if it has no node
                                           (whatever it has, if it was told to be over)
    not there     over                     nothing
    not there     seen before              wait: the observer tells how it ended
    not there     wanted, not seen         create
    not there     unwanted, not seen       report that it never was

A create without a definite answer, and a report that is not yet in the log, make it wait.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from mcs.events.observations import DelegateGone, End
from mcs.objects.kinds import Pod
from mcs.projections.ledger import Intent, Placement, Stage


class Creation(Enum):
    """What this process knows of its own create for a placement."""

    NONE = "none"  # it has sent none
    OPEN = "open"  # sent, and no definite answer yet: it may still act
    MADE = "made"  # answered: the delegate is there, or was
    LOST = "lost"  # answered so, and yet the API server has no such pod: it came and went unseen


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What this process knows of a delegate, beyond its ledger.

    ``left``: the watch saw it go, so the observer tells of it, as it does of all that were seen
    once. ``reported``: our own report is on its way to the log.
    """

    pod: Pod | None = None
    creation: Creation = Creation.NONE
    left: bool = False
    reported: bool = False


class Create(msgspec.Struct, frozen=True, kw_only=True):
    """Create the delegate as the decision has it (``manifest`` is JSON)."""

    placement: str
    namespace: str
    manifest: str


class Delete(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for its deletion; ``resource_version`` only if nothing may have changed since it was
    read. ``grace_s`` None: the pod's own.
    """

    placement: str
    namespace: str
    name: str
    uid: str
    resource_version: str = ""
    grace_s: int | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the log."""

    event: DelegateGone


class Wait(msgspec.Struct, frozen=True):
    """Something else must happen first; it will bring this placement up again."""

    reason: str


class Nothing(msgspec.Struct, frozen=True):
    """All is as it shall be."""


Step = Create | Delete | Report | Wait | Nothing


def reconcile(placement: Placement, sight: Sight, *, removed: int = 0) -> Step:
    """The next step for a placement. ``removed``: sequence of the newest decision that removed
    this cluster; what was placed before it is void, and a release follows.
    """
    if sight.pod is None:
        return _absent(placement, sight, removed)
    return _present(placement, sight.pod)


def _present(placement: Placement, pod: Pod) -> Step:
    match placement.intent:
        case Intent.WANTED if not placement.decided:
            return Wait("a delegate of a placement that is not in the log: not ours to delete")
        case Intent.WANTED if placement.stage.over:
            return Wait("a delegate that was told to be over is there: its release ends it")
        case Intent.WANTED:
            return Nothing()
        case Intent.WITHDRAWN_IF_UNBOUND if placement.wanted or not placement.stage.over:
            return _delete_unbound(placement, pod)
        case Intent.WITHDRAWN_IF_UNBOUND | Intent.WITHDRAWN | Intent.RELEASED:
            return _delete(placement, pod)


def _delete_unbound(placement: Placement, pod: Pod) -> Step:
    if pod.spec.node_name or placement.wanted:
        return Wait("it has a node, so it stays: its observation keeps the placement live")
    if pod.metadata.deletion_timestamp:
        return Wait("it is being deleted")
    meta = pod.metadata
    return Delete(
        placement=placement.id,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
        grace_s=placement.grace_s,
    )


def _delete(placement: Placement, pod: Pod) -> Step:
    meta = pod.metadata
    if meta.deletion_timestamp:
        # A second deletion may only shorten the grace period, as in Kubernetes.
        given = meta.deletion_grace_period_seconds
        if placement.grace_s is None or given is None or placement.grace_s >= given:
            return Wait("it is being deleted")
    return Delete(
        placement=placement.id,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        grace_s=placement.grace_s,
    )


def _absent(placement: Placement, sight: Sight, removed: int) -> Step:
    if placement.stage.over:
        return Nothing()
    if sight.creation is Creation.OPEN:
        return Wait("a create has no definite answer yet")
    if placement.stage is not Stage.DECIDED or sight.left or sight.reported:
        return Wait("its end is on its way to the log")
    if sight.creation is Creation.LOST:
        return _gone(placement, End.UNKNOWN)
    if sight.creation is Creation.MADE:
        return Wait("it was created, and is not in view yet")
    return _unseen(placement, removed)


def _unseen(placement: Placement, removed: int) -> Step:
    if not placement.wanted:
        # What was decided before the head of the log may have been there once.
        return _gone(placement, End.NEVER_CREATED if placement.decided else End.UNKNOWN)
    if not placement.decided:
        return Nothing()  # nobody in the log asked for it
    if placement.decided < removed:
        return Wait("this cluster was removed since: a release follows")
    return Create(
        placement=placement.id, namespace=placement.namespace, manifest=placement.manifest
    )


def _gone(placement: Placement, end: End) -> Step:
    if not placement.source:
        return Wait("nobody in the log says whose it was")
    return Report(
        event=DelegateGone(
            placement=placement.id,
            namespace=placement.namespace,
            name=placement.delegate,
            end=end,
        )
    )
