"""The Node that stands for a target cluster in a source cluster, and its Lease.

What the agent writes on it is compared with the node as it is, so that people may cordon, label and
taint it like any node; an annotation remembers which labels are ours to take away again. There is
no providerID, at which cloud controllers would look for a machine, and the node is kept out of load
balancers. kubeletVersion is the target's API server's, since an empty one breaks tools.

Its capacity is the target's, but of that no pod is allocatable: to kube-scheduler, which puts no
pod of ours there, the node is full. Pods that tolerate every taint would else be sent there again
and again, as it is mostly the emptiest node, and important ones would have proxies deleted to make
room (decision 0010).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import msgspec

from mcs.events.observations import ClusterHeartbeat
from mcs.names import PROVIDER, VIRTUAL_NODE_TAINT, Keys, virtual_node
from mcs.objects.kinds import Condition, Node
from mcs.objects.patching import Json
from mcs.objects.summary import may_stand_for_a_cluster
from mcs.quantities import PODS, Resources, parse_all, render

LEASE_NAMESPACE: Final = "kube-node-lease"
LEASE_SECONDS: Final = 40
TAINT: Final[Json] = {"key": VIRTUAL_NODE_TAINT, "value": PROVIDER, "effect": "NoSchedule"}
READY: Final = "ClusterReady"
LOST: Final = "ClusterLost"

_TYPE: Final = "virtual-kubelet"


def node_manifest(target: str, heartbeat: ClusterHeartbeat, keys: Keys) -> Json:
    """The node as it is created; its status follows by ``status_patch``."""
    labels = node_labels(target, heartbeat.labels, keys)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": virtual_node(target),
            "labels": labels,
            "annotations": {keys.key("node-labels"): ",".join(labels)},
        },
        "spec": {"taints": [dict(TAINT)]},
    }


def node_labels(target: str, common: Mapping[str, str], keys: Keys) -> dict[str, str]:
    """Labels of the virtual node: those common to the target's nodes, and our own."""
    labels = {key: common[key] for key in common if may_stand_for_a_cluster(key)}
    labels |= {
        "kubernetes.io/hostname": virtual_node(target),
        "kubernetes.io/role": "cluster",
        "node.kubernetes.io/exclude-from-external-load-balancers": "true",
        "type": _TYPE,
        VIRTUAL_NODE_TAINT: PROVIDER,
        keys.target: target,
    }
    return dict(sorted(labels.items()))


def node_patch(node: Node, target: str, heartbeat: ClusterHeartbeat, keys: Keys) -> Json | None:
    """What is missing from the node's labels and taints, as a merge patch; None for nothing.

    With a resourceVersion where it replaces the list of taints, so that nobody's taint is lost.
    """
    wanted = node_labels(target, heartbeat.labels, keys)
    have = node.metadata.labels or {}
    remembered = keys.key("node-labels")
    noted = (node.metadata.annotations or {}).get(remembered, "")
    ours = {key for key in noted.split(",") if key}
    changes: Json = {key: value for key, value in wanted.items() if have.get(key) != value}
    changes |= {key: None for key in sorted(ours - wanted.keys()) if key in have}
    patch: Json = {}
    metadata: Json = {"labels": changes} if changes else {}
    if noted != ",".join(wanted):
        metadata["annotations"] = {remembered: ",".join(wanted)}
    taints = node.spec.taints or ()
    if not any((taint.key, taint.value, taint.effect) == tuple(TAINT.values()) for taint in taints):
        others = [
            cast(Json, msgspec.to_builtins(taint))
            for taint in taints
            if (taint.key, taint.effect) != (TAINT["key"], TAINT["effect"])
        ]
        patch["spec"] = {"taints": [*others, dict(TAINT)]}
        metadata["resourceVersion"] = node.metadata.resource_version
    if metadata:
        patch["metadata"] = metadata
    return patch or None


def status_patch(
    node: Node, heartbeat: ClusterHeartbeat, *, lost: bool = False, at: str
) -> Json | None:
    """What differs in the node's status, as a strategic merge patch; None for nothing.

    ``lost``: the log says that the cluster is, so the node is not ready. ``at``: the present time.
    """
    changes: Json = {}
    for name, have, wanted in (
        ("capacity", node.status.capacity or {}, heartbeat.totals),
        ("allocatable", node.status.allocatable or {}, {**heartbeat.totals, PODS: 0}),
    ):
        if parse_all(have) != wanted:  # as numbers: the API server writes 1000 as 1k
            gone = dict.fromkeys(sorted(have.keys() - wanted.keys()))
            changes[name] = {**amounts(wanted), **gone}
    if node.status.node_info.kubelet_version != heartbeat.kubernetes:
        changes["nodeInfo"] = {"kubeletVersion": heartbeat.kubernetes}
    if conditions := _conditions(node, lost=lost, at=at):
        changes["conditions"] = conditions
    return {"status": changes} if changes else None


def amounts(totals: Resources) -> dict[str, str]:
    """Resources as a node's status shows them."""
    return {name: render(name, totals[name]) for name in sorted(totals)}


def lease_manifest(node: Node, *, holder: str, at: str) -> Json:
    """The lease that shows the node alive; it goes with its node. ``at`` with microseconds."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": node.metadata.name,
            "namespace": LEASE_NAMESPACE,
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Node",
                    "name": node.metadata.name,
                    "uid": node.metadata.uid,
                }
            ],
        },
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": at,
        },
    }


def lease_patch(*, holder: str, at: str) -> Json:
    """A renewal, as a merge patch."""
    return {"spec": {"holderIdentity": holder, "renewTime": at}}


def _conditions(node: Node, *, lost: bool, at: str) -> list[Json]:
    """Ready, and the conditions that a node's observers want to see at rest."""
    if lost:
        ready = ("Ready", "False", LOST, "no heartbeat of the cluster arrives")
    else:
        ready = ("Ready", "True", READY, "the cluster's agent sends heartbeats")
    calm = [
        (type, "False", READY, "")
        for type in ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
    ]
    have = {condition.type: condition for condition in node.status.conditions or ()}
    return [
        {
            "type": type,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": at,
            "lastTransitionTime": _since(have.get(type), status, at),
        }
        for type, status, reason, message in (ready, *calm)
        if not _says(have.get(type), status, reason)
    ]


def _says(condition: Condition | None, status: str, reason: str) -> bool:
    return condition is not None and (condition.status, condition.reason) == (status, reason)


def _since(condition: Condition | None, status: str, at: str) -> str:
    if condition is None or condition.status != status:
        return at
    return condition.last_transition_time or at
