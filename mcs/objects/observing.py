"""API objects as observations: what an agent says about what it saw.

Each function is a pure translation of one object, so the same object always gives an equal event,
and an observer can leave out what it already said. What must not count as capacity or as use of it
gives None: virtual nodes, pods that ended, pods bound nowhere.
"""

from __future__ import annotations

from typing import Final

from mcs.events.constraints import Taint
from mcs.events.observations import (
    DelegateObserved,
    NodeObserved,
    Phase,
    PodObserved,
    ProxyDeleted,
    ProxyObserved,
    VirtualNodeObserved,
)
from mcs.names import Keys
from mcs.objects import manifest, status
from mcs.objects.constraints import constraints, gates
from mcs.objects.dependencies import References, dependencies
from mcs.objects.grouping import saved_group
from mcs.objects.kinds import Node, Object, Pod
from mcs.objects.owning import is_virtual, owner
from mcs.objects.requests import bound_requests, effective_requests
from mcs.quantities import Resources, parse_all

POOL_LABELS: Final = (
    "cloud.google.com/gke-nodepool",
    "agentpool",
    "eks.amazonaws.com/nodegroup",
)
DEFAULT_POOL: Final = "default"
UNSCHEDULABLE: Final = "Unschedulable"
POD_SCHEDULED: Final = "PodScheduled"


class _Referring(Object, frozen=True, kw_only=True):
    spec: References = References()


def node_observed(node: Node, keys: Keys) -> NodeObserved | None:
    """A real node; None for a virtual one.

    Raises:
        BadQuantity: an allocatable amount is none.
    """
    if is_virtual(node):
        return None
    labels = node.metadata.labels or {}
    return NodeObserved(
        name=node.metadata.name,
        allocatable=parse_all(node.status.allocatable or {}),
        labels=dict(sorted(labels.items())),
        taints=tuple(
            Taint(key=taint.key, value=taint.value or "", effect=taint.effect)
            for taint in node.spec.taints or ()
        ),
        ready=any(
            condition.type == "Ready" and condition.status == "True"
            for condition in node.status.conditions or ()
        ),
        cordoned=bool(node.spec.unschedulable),
        pool=pool(labels, keys),
    )


def pool(labels: dict[str, str], keys: Keys) -> str:
    """The node pool that a node belongs to: our own label, else the cloud's, else ``default``."""
    for key in (keys.key("nodepool"), *POOL_LABELS):
        if name := labels.get(key):
            return name
    return DEFAULT_POOL


def virtual_node_observed(node: Node, keys: Keys) -> VirtualNodeObserved | None:
    """State of one of our virtual nodes; None for another node."""
    target = (node.metadata.labels or {}).get(keys.target, "")
    if not is_virtual(node) or not target:
        return None
    return VirtualNodeObserved(target=target, cordoned=bool(node.spec.unschedulable))


def pod_observed(pod: Pod) -> PodObserved | None:
    """What a pod takes of its node that is ``Role.OTHER`` to us; None when it takes nothing: it is
    bound nowhere, or it has ended.

    Raises:
        BadQuantity: a requested amount is none.
    """
    if not pod.spec.node_name or phase_of(pod).ended:
        return None
    return PodObserved(
        uid=pod.metadata.uid,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        node=pod.spec.node_name,
        requests=bound_requests(pod),
    )


def proxy_observed(pod: Pod, keys: Keys) -> ProxyObserved:
    """A proxy (see ``owning.role``): what the user asked for, whatever admission made of it.

    Raises:
        BadManifest: the saved manifest cannot be read.
        BadQuantity: a requested amount in it is none.
    """
    text = manifest.saved(pod, keys)
    spec = manifest.decoded(text, Pod).spec
    references = manifest.decoded(text, _Referring).spec
    return ProxyObserved(
        uid=pod.metadata.uid,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        created=pod.metadata.creation_timestamp or "",
        manifest=text,
        requests=effective_requests(spec),
        constraints=constraints(spec),
        priority=pod.spec.priority or 0,
        gates=gates(pod.spec),
        dependencies=dependencies(references),
        cluster=(pod.metadata.annotations or {}).get(keys.clustername, ""),
        ended=phase_of(pod).ended,
        group=saved_group(text, keys),
    )


def proxy_deleted(pod: Pod) -> ProxyDeleted | None:
    """The deletion asked for; None when nobody asked."""
    if pod.metadata.deletion_timestamp is None:
        return None
    return ProxyDeleted(
        uid=pod.metadata.uid,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        grace_s=pod.metadata.deletion_grace_period_seconds if pod.spec.node_name else None,
    )


def delegate_observed(pod: Pod, keys: Keys) -> DelegateObserved | None:
    """A delegate as it is; None when the pod is none.

    Raises:
        BadQuantity: a requested amount is none.
    """
    owned = owner(pod, keys)
    if owned is None:
        return None
    phase = phase_of(pod)
    annotations = pod.metadata.annotations or {}
    return DelegateObserved(
        placement=owned.placement,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        phase=phase,
        node=pod.spec.node_name or "",
        requests=_used(pod, phase),
        unschedulable=_unschedulable(pod),
        deleting=pod.metadata.deletion_timestamp is not None,
        annotations={key: annotations[key] for key in sorted(annotations) if not keys.ours(key)},
        status=status.carried(pod),
    )


def _used(pod: Pod, phase: Phase) -> Resources:
    """What the delegate takes of its node; before it has one, what it asks for."""
    if phase.ended:
        return {}
    return bound_requests(pod) if pod.spec.node_name else effective_requests(pod.spec)


def phase_of(pod: Pod) -> Phase:
    """A pod's phase; Unknown for one that this version does not know."""
    try:
        return Phase(pod.status.phase or Phase.PENDING)
    except ValueError:
        return Phase.UNKNOWN


def _unschedulable(pod: Pod) -> str:
    for condition in pod.status.conditions or ():
        if condition.type == POD_SCHEDULED and condition.reason == UNSCHEDULABLE:
            return condition.message or UNSCHEDULABLE
    return ""
