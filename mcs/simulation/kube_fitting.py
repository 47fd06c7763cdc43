"""Whether a pod may run on a node, by arithmetic that owes nothing to mcs's."""

from __future__ import annotations

from typing import Final

from mcs.objects.kinds import Node, Pod, TaintSpec, TolerationSpec
from mcs.quantities import parse

RESOURCES: Final = ("cpu", "memory")


def problems(pod: Pod, node: Node, free: dict[str, int]) -> list[str]:
    """Why the pod cannot run there, in kube-scheduler's words; the first kind of reason counts."""
    conditions = {each.type: each.status for each in node.status.conditions or ()}
    labels = node.metadata.labels or {}
    if node.spec.unschedulable:
        return ["node(s) were unschedulable"]
    tolerations = pod.spec.tolerations or ()
    taints = [taint for taint in node.spec.taints or () if taint.effect != "PreferNoSchedule"]
    if any(not any(_tolerates(each, taint) for each in tolerations) for taint in taints):
        return ["node(s) had untolerated taint(s)"]
    if conditions.get("Ready") != "True":
        return ["node(s) were not ready"]
    if any(labels.get(key) != value for key, value in (pod.spec.node_selector or {}).items()):
        return ["node(s) didn't match Pod's node affinity/selector"]
    lacking = [] if free["pods"] >= 1 else ["Too many pods"]
    asked = requests(pod)
    return lacking + [
        f"Insufficient {name}" for name in RESOURCES if asked[name] > max(free[name], 0)
    ]


def requests(pod: Pod) -> dict[str, int]:
    """What the containers ask for; kube-scheduler's full rule is in ``mcs.objects.requests``."""
    totals = {}
    for name in RESOURCES:
        asked = [
            parse(name, str(((each.resources and each.resources.requests) or {}).get(name, 0)))
            for each in pod.spec.containers
        ]
        totals[name] = sum(asked)
    return totals


def _tolerates(toleration: TolerationSpec, taint: TaintSpec) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and (toleration.value or "") == (taint.value or "")
