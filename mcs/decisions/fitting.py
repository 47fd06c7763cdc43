"""Does a pod fit on a node? The filters of kube-scheduler that placement honours.

Sources: k8s.io/kubernetes/pkg/scheduler/framework/plugins (nodeunschedulable, tainttoleration,
nodeaffinity, noderesources) and k8s.io/component-helpers/scheduling/corev1/nodeaffinity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mcs.events.constraints import Constraints, Requirement, Taint, Term, Toleration
from mcs.projections.inventory import NodeState
from mcs.quantities import PODS, Resources

_BARRING: Final = {"NoSchedule", "NoExecute"}
DEFAULT_PODS: Final = 110
"""kubelet's ``--max-pods``, where a node states no limit."""
REPLICAS_MOST: Final = 1 << 40
"""Replicas on one node, at the most: what is asked for so little counts as nearly nothing."""


def barred(constraints: Constraints, node: NodeState) -> str:
    """The constraint that keeps the pod from this node whatever is free there, or nothing."""
    if not node.ready:
        return "node not ready"
    if node.cordoned:
        return "node cordoned"
    for taint in node.taints:
        if taint.effect in _BARRING and not tolerated(taint, constraints.tolerations):
            return f"taint {taint.key}"
    for key in sorted(constraints.selector):
        if node.labels.get(key) != constraints.selector[key]:
            return f"node selector {key}"
    if constraints.affinity is not None and not any(
        _term(term, node) for term in constraints.affinity
    ):
        return "node affinity"
    return ""


def replicas(requests: Resources, node: NodeState, used: Mapping[str, int]) -> tuple[int, str]:
    """How many such pods fit on the node now, and the resource that sets the limit.

    An absent extended resource counts as none; a request of 0 limits nothing.
    """
    room, limit = node.allocatable.get(PODS, DEFAULT_PODS) - used.get(PODS, 0), PODS
    for name in sorted(requests):
        asked = requests[name]
        if asked <= 0:
            continue
        free = node.allocatable.get(name, 0) - used.get(name, 0)
        if free // asked < room:
            room, limit = free // asked, name
    return min(max(room, 0), REPLICAS_MOST), limit


def tolerated(taint: Taint, tolerations: tuple[Toleration, ...]) -> bool:
    """Whether one of the tolerations matches the taint (k8s.io/api/core/v1 ToleratesTaint)."""
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value


def _term(term: Term, node: NodeState) -> bool:
    if not term.labels and not term.fields:
        return False
    fields = {"metadata.name": node.name}
    return all(_holds(requirement, node.labels) for requirement in term.labels) and all(
        _holds(requirement, fields) for requirement in term.fields
    )


def _holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(requirement, value)
        case _:
            return False  # an operator of a newer Kubernetes: not known to hold


def _compares(requirement: Requirement, value: str | None) -> bool:
    try:
        left, right = int(value or ""), int(requirement.values[0])
    except (ValueError, IndexError):
        return False
    return left > right if requirement.operator == "Gt" else left < right
