"""Feedback's next steps for one proxy: what the log says of its placements against the proxy.

The proxy tells its user the delegate's story, a little later and never ahead of it. It is bound
only when its delegate has a real node (until then the placement can be tried elsewhere), or when
the cluster that may be running it unseen is lost (then Kubernetes' own eviction must be able to
reach it). Whether anything is written is settled by comparing with the proxy as it is, so that a
restart writes nothing and a status that somebody else changed is restored.

    released                     let it go, with the delegate's end or Failed
    being deleted                show the delegate's last words (or its release does), no more
    evicted                      delete it: its owner may replace it, the finalizer still waits
    gated                        leave it alone
    bound elsewhere              fail it
    delegate vanished            fail it, unless its end or its deletion was seen, or wanted
    delegate on a real node      bind it, show its status
    on a lost cluster            bind it
    rejected or deferred         say why it waits
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import msgspec

from mcs.decisions import announcing
from mcs.events.decisions import PodDeferred, ProxyReleased
from mcs.events.observations import DelegateObserved, End, Phase
from mcs.names import Keys, virtual_node
from mcs.objects import waiting
from mcs.objects.kinds import Pod
from mcs.projections.ledger import Intent, Placement, Stage

BOUND_ELSEWHERE = "BoundElsewhere"
DELEGATE_VANISHED = "DelegateVanished"


class View(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a proxy. ``deferred`` is newer than ``latest``, the newest placement;
    ``lost`` never names the own cluster.
    """

    proxy: Pod
    latest: Placement | None = None
    deferred: PodDeferred | None = None
    released: ProxyReleased | None = None
    evicted: bool = False
    lost: AbstractSet[str] = frozenset()


class Bind(msgspec.Struct, frozen=True):
    """Bind the proxy to a virtual node."""

    node: str


class Show(msgspec.Struct, frozen=True):
    """Show the delegate's status, where it differs. Not ``urgent``: it may wait for the next
    observation, which mostly makes it superfluous.
    """

    delegate: DelegateObserved
    urgent: bool


class Explain(msgspec.Struct, frozen=True):
    """Say on the proxy why it waits (its ``PodScheduled`` condition). ``urgent``: as with Show."""

    reason: str
    message: str
    urgent: bool = True


class Finish(msgspec.Struct, frozen=True):
    """Give the proxy a terminal phase of our own finding."""

    phase: Phase
    reason: str
    message: str


class DeleteProxy(msgspec.Struct, frozen=True):
    """Delete the proxy with its own grace period."""


class Release(msgspec.Struct, frozen=True):
    """Remove our finalizer and give a terminal phase, in one patch; then, if ``delete``, delete it
    with grace 0. The phase is that of ``delegate`` as last seen, or what ``end`` tells, or Failed.
    """

    delegate: DelegateObserved | None
    end: End
    why: str
    delete: bool


Step = Bind | Show | Explain | Finish | DeleteProxy | Release


def reflect(view: View, keys: Keys) -> tuple[Step, ...]:
    """The next steps for a proxy, in order."""
    proxy, latest = view.proxy, view.latest
    if view.released is not None:
        return _release(proxy, latest, view.released, keys)
    if proxy.metadata.deletion_timestamp:
        return _show(view, latest)
    if view.evicted:
        return (DeleteProxy(),)
    if _ended(proxy):
        return _show(view, latest)
    if proxy.spec.scheduling_gates and not proxy.spec.node_name:
        return ()
    if latest is None or not latest.decided:
        return _explain(view)
    return _follow(view, latest)


def _follow(view: View, latest: Placement) -> tuple[Step, ...]:
    """The steps for a proxy that nobody deletes, and that has a placement."""
    if latest.live and view.proxy.spec.node_name not in {None, "", virtual_node(latest.target)}:
        return (_bound_elsewhere(view.proxy, latest),)
    if finish := _finish(latest):
        return (finish,)
    shown = _show(view, latest)
    if shown or not latest.stage.over:
        return (*_bind(view, latest), *shown, *_trying(latest))
    return _explain(view)


def _release(
    proxy: Pod, latest: Placement | None, released: ProxyReleased, keys: Keys
) -> tuple[Step, ...]:
    meta = proxy.metadata
    finalizers = meta.finalizers or ()
    held = keys.finalizer in finalizers
    deleting = meta.deletion_timestamp is not None
    # An ended proxy that nobody deletes stays, as ended pods do: only its finalizer goes. One
    # whose grace is over goes with its last finalizer, without being asked again; if it has none
    # and is still there, then an API server was stopped between ending its grace and removing it.
    delete = not _ended(proxy) or deleting
    if deleting and not meta.deletion_grace_period_seconds and finalizers:
        delete = False
    if not held and not delete:
        return ()
    end = latest.end if latest is not None else None
    return (
        Release(
            delegate=latest.seen if latest else None,
            end=end or End.UNKNOWN,
            why=released.reason,
            delete=delete,
        ),
    )


def _bound_elsewhere(proxy: Pod, latest: Placement) -> Finish:
    node, wanted = proxy.spec.node_name, virtual_node(latest.target)
    message = f"bound to node {node}, while its delegate is placed in {latest.target} ({wanted})"
    return Finish(phase=Phase.FAILED, reason=BOUND_ELSEWHERE, message=message)


def _finish(latest: Placement) -> Finish | None:
    """A terminal phase that no observation of the delegate shows."""
    if latest.stage is not Stage.GONE or latest.phase.ended:
        return None
    where = f"{latest.target}: {latest.namespace}/{latest.delegate}"
    match latest.end:
        case End.SUCCEEDED:
            return Finish(phase=Phase.SUCCEEDED, reason="", message=f"as told by {where}")
        case End.FAILED:
            return Finish(phase=Phase.FAILED, reason="", message=f"as told by {where}")
        case End.UNKNOWN if latest.wanted and not latest.deleting:
            message = f"its delegate ({where}) is no longer there, and nobody saw how it ended"
            return Finish(phase=Phase.FAILED, reason=DELEGATE_VANISHED, message=message)
        case _:
            return None


def _bind(view: View, latest: Placement) -> tuple[Step, ...]:
    if view.proxy.spec.node_name or latest.intent >= Intent.WITHDRAWN:
        return ()
    seen = latest.seen is not None and bool(latest.seen.node)
    unseen = latest.target in view.lost and latest.live
    return (Bind(virtual_node(latest.target)),) if seen or unseen else ()


def _show(view: View, latest: Placement | None) -> tuple[Step, ...]:
    """The delegate's status, once it has a node or an end; of a lost cluster only an end (its
    proxies are not Ready, as Kubernetes said).
    """
    if latest is None or latest.seen is None:
        return ()
    seen = latest.seen
    ended = seen.phase.ended
    if not ended and (not seen.node or latest.target in view.lost or latest.stage is Stage.GONE):
        return ()
    phase = view.proxy.status.phase
    if _ended(view.proxy) and phase != seen.phase:
        return ()  # a phase never goes back
    leaving = view.proxy.metadata.deletion_timestamp is not None
    return (Show(seen, urgent=seen.phase is not Phase.PENDING and not leaving),)


def _trying(latest: Placement) -> tuple[Step, ...]:
    """Where the delegate waits, once the target's own scheduler said that it does."""
    if latest.stage is not Stage.PENDING or not latest.seen or not latest.seen.unschedulable:
        return ()
    where = f"{latest.target} as pod {latest.namespace}/{latest.delegate}"
    message = f"tried in cluster {where}, which finds no node: {latest.seen.unschedulable}"
    return (Explain(waiting.TRYING, message, urgent=False),)


def _explain(view: View) -> tuple[Step, ...]:
    """Why the proxy waits, when there is news: a rejection, or a round without a place."""
    if view.proxy.spec.node_name:
        return ()
    reason, words = waiting.WAITING, []
    if view.latest is not None and view.latest.stage is Stage.REJECTED:
        latest = view.latest
        reason = waiting.REJECTED
        words.append(announcing.rejection(latest.reason, latest.message, latest))
    if view.deferred is not None:
        words.append(waiting.deferral_words(view.deferred))
    return (Explain(reason, "; ".join(words)),) if words else ()


def _ended(proxy: Pod) -> bool:
    return proxy.status.phase in {Phase.SUCCEEDED, Phase.FAILED}
