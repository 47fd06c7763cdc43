"""Observations: facts that agents saw, the clock's ticks, and people's commands.

Resource amounts are ``mcs.quantities`` integers; times are RFC 3339 text as Kubernetes gives it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import msgspec

from mcs.events.constraints import Constraints, Dependency, Group, Taint
from mcs.events.event import Count, Event, Last, Number, Part


class ClusterJoined(Event, tag="cluster.joined", frozen=True, kw_only=True):
    """An agent became its cluster's writer; the sequence of this frame is its epoch.

    ``id`` is random, to find the frame again after a lost answer; ``uid`` is that of the cluster's
    ``kube-system`` namespace.
    """

    id: str
    uid: str
    roles: tuple[str, ...] = ("source", "target")
    kubernetes: str = ""
    version: str = ""


class ClusterHeartbeat(Event, tag="cluster.heartbeat", frozen=True, kw_only=True):
    """The agent lives. Carries the summary that other clusters show as a virtual node.

    ``resyncs`` maps each channel to the sequence of the ``ResyncStarted`` of its last completed
    resync; ``decision`` is the last decision the agent read.
    """

    totals: dict[str, Count] = {}
    free: dict[str, Count] = {}
    labels: dict[str, str] = {}
    kubernetes: str = ""
    nodes: Count = 0
    pods: Count = 0
    resyncs: dict[str, Count] = {}
    decision: Last = Last()


class ClusterLeft(Event, tag="cluster.left", frozen=True, kw_only=True):
    """The agent stopped in good order; nobody speaks for the cluster until the next join."""

    reason: str = ""


class ResyncStarted(Event, tag="resync.started", frozen=True, kw_only=True):
    """A channel's full account begins; what it does not announce again is gone (delegates
    excepted).
    """

    reason: str = ""


class ResyncCompleted(Event, tag="resync.completed", frozen=True, kw_only=True):
    """The account that began at sequence ``started`` is whole."""

    started: Count


class NodeObserved(Event, tag="node.observed", frozen=True, kw_only=True):
    """A real node of the cluster as it is now."""

    name: str
    allocatable: dict[str, Count]
    labels: dict[str, str] = {}
    taints: tuple[Taint, ...] = ()
    ready: bool = True
    cordoned: bool = False
    pool: str = "default"


class NodeGone(Event, tag="node.gone", frozen=True, kw_only=True):
    """The node was deleted."""

    name: str


class NodePoolObserved(Event, tag="nodepool.observed", frozen=True, kw_only=True):
    """A node pool has ``nodes`` nodes."""

    name: str
    nodes: Count


class NodePoolGone(Event, tag="nodepool.gone", frozen=True, kw_only=True):
    """The last node of the pool went."""

    name: str


class PodObserved(Event, tag="pod.observed", frozen=True, kw_only=True):
    """A pod that is neither proxy nor delegate is bound to a real node and uses capacity there."""

    uid: str
    namespace: str
    name: str
    node: str
    requests: dict[str, Count] = {}


class PodsObserved(Event, tag="pods.observed", frozen=True, kw_only=True):
    """Many pods at once, as a full account tells them: as many ``PodObserved``, in columns.

    ``uid`` and ``name`` have an entry for each pod; ``namespace``, ``node`` and ``ask`` have one
    too, an index into the words and requests that many pods share: ``namespaces``, ``nodes`` and
    ``asks``.
    """

    uid: tuple[str, ...]
    name: tuple[str, ...]
    namespace: tuple[Count, ...]
    node: tuple[Count, ...]
    ask: tuple[Count, ...]
    namespaces: tuple[str, ...]
    nodes: tuple[str, ...]
    asks: tuple[dict[str, Count], ...]

    @property
    def fits(self) -> bool:
        """Whether the columns belong together: of one length, and no index beyond its words."""
        columns = (self.name, self.namespace, self.node, self.ask)
        indexes = (
            (self.namespace, self.namespaces),
            (self.node, self.nodes),
            (self.ask, self.asks),
        )
        return all(len(column) == len(self.uid) for column in columns) and all(
            max(column, default=-1) < len(words) for column, words in indexes
        )

    def each(self) -> Iterator[PodObserved]:
        """The pods one by one; the columns must fit."""
        for uid, name, space, node, ask in zip(
            self.uid, self.name, self.namespace, self.node, self.ask, strict=True
        ):
            yield PodObserved(
                uid=uid,
                namespace=self.namespaces[space],
                name=name,
                node=self.nodes[node],
                requests=self.asks[ask],
            )


class PodGone(Event, tag="pod.gone", frozen=True, kw_only=True):
    """That pod ended or was deleted; its capacity is free."""

    uid: str


class VirtualNodeObserved(Event, tag="virtualnode.observed", frozen=True, kw_only=True):
    """State of the virtual node for ``target`` in this source cluster."""

    target: str
    cordoned: bool = False
    present: bool = True


class ProxyObserved(Event, tag="proxy.observed", frozen=True, kw_only=True):
    """An elected pod waits for, or has, a place.

    ``manifest`` is the pod as admitted in the source (JSON); ``requests`` are the effective ones;
    ``cluster`` the pin, if any; ``gates`` the scheduling gates still closed; ``ended`` says that
    its phase is terminal; ``group`` with whom it is placed (since schema 2).
    """

    uid: str
    namespace: str
    name: str
    created: str
    manifest: str
    requests: dict[str, Count] = {}
    constraints: Constraints = Constraints()
    priority: Number = 0
    gates: tuple[str, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    cluster: str = ""
    ended: bool = False
    group: Group | None = None


class ProxyDeleted(Event, tag="proxy.deleted", frozen=True, kw_only=True):
    """Somebody asked for the proxy's deletion, with ``grace_s`` seconds; None: with the pod's own
    grace period (Kubernetes gives a pod that was never bound 0, whatever was asked).
    """

    uid: str
    namespace: str
    name: str
    grace_s: Count | None = None


class ProxyGone(Event, tag="proxy.gone", frozen=True, kw_only=True):
    """The proxy object is no longer there."""

    uid: str
    namespace: str
    name: str


class Phase(StrEnum):
    """``status.phase`` of a pod."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    UNKNOWN = "Unknown"

    @property
    def ended(self) -> bool:
        """Whether no container of the pod will run again."""
        return self in _OVER


_OVER: Final = (Phase.SUCCEEDED, Phase.FAILED)


class DelegateObserved(Event, tag="delegate.observed", frozen=True, kw_only=True):
    """A delegate as it is now: the only account of its use of capacity.

    ``node`` is empty until it is bound; ``status`` is the part of ``pod.status`` that feedback may
    show (JSON); ``unschedulable`` holds kube-scheduler's message while it finds no node;
    ``annotations`` are those that others put there.
    """

    placement: str
    namespace: str
    name: str
    uid: str
    phase: Phase = Phase.PENDING
    node: str = ""
    requests: dict[str, Count] = {}
    unschedulable: str = ""
    deleting: bool = False
    annotations: dict[str, str] = {}
    status: msgspec.Raw = msgspec.Raw(b"{}")


class DelegateRejected(Event, tag="delegate.rejected", frozen=True, kw_only=True):
    """The target would not take the delegate; ``message`` holds the API server's words."""

    placement: str
    namespace: str
    name: str
    reason: str
    message: str = ""


class End(StrEnum):
    """How a delegate that is no longer there had ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DELETED = "deleted"  # its deletion was seen before it went
    NEVER_CREATED = "never-created"
    UNKNOWN = "unknown"  # it was there, and then it was not


class DelegateGone(Event, tag="delegate.gone", frozen=True, kw_only=True):
    """The delegate is no longer there, and will never be again."""

    placement: str
    namespace: str
    name: str
    end: End = End.UNKNOWN


class Ticked(Event, tag="clock.ticked", frozen=True, kw_only=True):
    """A second passed in which nobody else wrote."""


class Verb(StrEnum):
    """What people may command."""

    CORDON = "cordon"
    UNCORDON = "uncordon"
    REMOVE = "remove"  # the cluster is dead, says a person
    RELEASE = "release"  # give up waiting for a proxy's delegate


class OperatorCommanded(Event, tag="operator.commanded", frozen=True, kw_only=True):
    """A person's command. Each ``id`` is taken once. ``namespace``/``name`` name a proxy."""

    id: str
    verb: Verb
    cluster: str
    namespace: str = ""
    name: str = ""
    by: str = ""


_TAG: Final = re.compile(r"[a-z][a-z0-9]{0,30}\.[a-z][a-z0-9]{0,30}\Z")


class Unknown(Part, frozen=True, kw_only=True):
    """An event whose tag or fields this version does not know; parked, never folded."""

    tag: str
    error: str = ""

    @property
    def named(self) -> str:
        """The tag, where it is one; whoever wrote it may have put anything there."""
        return self.tag if _TAG.match(self.tag) else "(no tag)"


Observation = (
    ClusterJoined
    | ClusterHeartbeat
    | ClusterLeft
    | ResyncStarted
    | ResyncCompleted
    | NodeObserved
    | NodeGone
    | NodePoolObserved
    | NodePoolGone
    | PodObserved
    | PodsObserved
    | PodGone
    | VirtualNodeObserved
    | ProxyObserved
    | ProxyDeleted
    | ProxyGone
    | DelegateObserved
    | DelegateRejected
    | DelegateGone
    | Ticked
    | OperatorCommanded
)
"""Everything that may stand in a frame of OBSERVATIONS."""
