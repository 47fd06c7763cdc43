"""Decisions: what the active scheduler chose, and the rules it chose by."""

from __future__ import annotations

from mcs.events.event import Count, Event, Part


class Fits(Part, tag="fits", tag_field="verdict", frozen=True, kw_only=True):
    """The pod fits now."""


class Lacks(Part, tag="lacks", tag_field="verdict", frozen=True, kw_only=True):
    """Not enough of ``resource`` on any one eligible node; may change: wait for capacity."""

    resource: str


class Never(Part, tag="never", tag_field="verdict", frozen=True, kw_only=True):
    """``constraint`` rules the cluster out until the pod or the cluster changes."""

    constraint: str


class Partly(Part, tag="partly", tag_field="verdict", frozen=True, kw_only=True):
    """There is room for the pod, but not for its whole group."""


Verdict = Fits | Lacks | Never | Partly


class Incomplete(Part, tag="incomplete", tag_field="verdict", frozen=True, kw_only=True):
    """Fewer than ``size`` members of the pod's group are ready for a place, or have one."""

    size: Count


class BeyondBudget(Part, tag="beyond-budget", tag_field="verdict", frozen=True, kw_only=True):
    """Not even a whole cycle holds the placements of the pod's group."""


GroupVerdict = Incomplete | BeyondBudget


class Policy(Part, frozen=True, kw_only=True):
    """The knobs of a scheduler, recorded when they take effect. Times are seconds of log time."""

    score: str = "most-replicas"  # see mcs.decisions.policies.chosen
    lost_after_s: Count = 40  # heartbeats missing so long make a cluster lost
    unschedulable_after_s: Count = 30  # a delegate without a node so long is tried elsewhere
    backoff_s: Count = 10  # first wait before a cluster that failed a pod is tried again
    backoff_max_s: Count = 300
    jump_s: Count = 5  # the most that one gap between messages counts
    cycle_bytes: Count = 4 * 1024 * 1024
    cycle_frames: Count = 256


class SchedulerClaimed(Event, tag="scheduler.claimed", frozen=True, kw_only=True):
    """A scheduler became the active one; ``id`` is random, to find its own claim again."""

    reign: Count
    id: str
    version: str = ""


class CycleMarked(Event, tag="cycle.marked", frozen=True, kw_only=True):
    """Nothing was decided; observations up to the frame's ``based_on`` were folded."""


class PolicyActivated(Event, tag="policy.activated", frozen=True, kw_only=True):
    """From here on these rules hold; observations use tags and fields of ``schema``."""

    rules: Count
    schema: Count
    version: str
    policy: Policy


class PodPlaced(Event, tag="pod.placed", frozen=True, kw_only=True):
    """Run this proxy's delegate in ``target``.

    ``manifest`` is the delegate as it is to be created (JSON); ``node`` is the one that the
    booking of ``requests`` is charged to until the delegate is seen bound.
    """

    placement: str
    uid: str
    source: str
    target: str
    namespace: str
    name: str
    delegate: str
    manifest: str
    node: str
    requests: dict[str, Count] = {}


class PodDeferred(Event, tag="pod.deferred", frozen=True, kw_only=True):
    """No cluster takes the pod now, and why, by cluster; it waits. ``group``: why no cluster was
    even looked at, for a pod of a group.
    """

    uid: str
    source: str
    namespace: str
    name: str
    reasons: dict[str, Verdict] = {}
    group: GroupVerdict | None = None


class PlacementWithdrawn(Event, tag="placement.withdrawn", frozen=True, kw_only=True):
    """The placement is over: delete its delegate, or never create it.

    ``unbound_only``: only if it has no node yet. ``grace_s``: None means the pod's own.
    """

    placement: str
    uid: str
    source: str
    target: str
    namespace: str
    name: str
    delegate: str
    reason: str
    grace_s: Count | None = None
    unbound_only: bool = False


class ProxyEvicted(Event, tag="proxy.evicted", frozen=True, kw_only=True):
    """The delegate is being deleted by others: delete the proxy, so that its owner may replace
    it.
    """

    uid: str
    source: str
    namespace: str
    name: str
    placement: str
    reason: str


class ProxyReleased(Event, tag="proxy.released", frozen=True, kw_only=True):
    """Nothing runs for this proxy any more: let it go. ``placement`` is empty, or the last one."""

    uid: str
    source: str
    namespace: str
    name: str
    placement: str = ""
    target: str = ""
    reason: str = ""


class ClusterLost(Event, tag="cluster.lost", frozen=True, kw_only=True):
    """The cluster's heartbeats stopped."""

    cluster: str


class ClusterRecovered(Event, tag="cluster.recovered", frozen=True, kw_only=True):
    """A lost cluster speaks again."""

    cluster: str


class ClusterRemoved(Event, tag="cluster.removed", frozen=True, kw_only=True):
    """A person said that the cluster is dead; its epoch is over."""

    cluster: str


Decision = (
    SchedulerClaimed
    | CycleMarked
    | PolicyActivated
    | PodPlaced
    | PodDeferred
    | PlacementWithdrawn
    | ProxyEvicted
    | ProxyReleased
    | ClusterLost
    | ClusterRecovered
    | ClusterRemoved
)
"""Everything that may stand in a frame of DECISIONS."""
