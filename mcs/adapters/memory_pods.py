"""What an API server does to pods: defaults, admission plugins, refusals, binding.

Sources: Kubernetes ``pkg/apis/core/v1/defaults.go``, ``pkg/apis/core/validation``, and the pod
registry's strategies, each as far as mcs or its tests could notice; tried against a real one in
``tests/contracts/test_cluster.py``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, Final

from mcs.adapters.memory_rules import conflict, invalid
from mcs.errors import Conflict
from mcs.objects.kinds import PODS
from mcs.quantities import parse

Json = dict[str, Any]

GRACE_S: Final = 30
_EVICTION_S: Final = 300  # what the DefaultTolerationSeconds plugin gives a pod on a bad node
_BAD_NODE: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_DEFAULTS: Final[Json] = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": GRACE_S,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
    "serviceAccountName": "default",
    "serviceAccount": "default",
    "enableServiceLinks": True,
    "priority": 0,
    "preemptionPolicy": "PreemptLowerPriority",
}
_CONTAINER_DEFAULTS: Final[Json] = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "IfNotPresent",
}
_MUTABLE: Final = frozenset({"activeDeadlineSeconds", "tolerations", "schedulingGates"})
_CONTAINER_LISTS: Final = ("initContainers", "containers")
_STATUS_LISTS: Final = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


def with_defaults(pod: Json) -> Json:
    """A pod's manifest as decoding and the built-in admission plugins complete it."""
    spec = {**_DEFAULTS, **(pod.get("spec") or {})}
    for field in _CONTAINER_LISTS:
        if field in spec:
            spec[field] = [_container(container) for container in spec[field]]
    return with_tolerations({**pod, "spec": spec})


def with_tolerations(pod: Json) -> Json:
    """A pod as the DefaultTolerationSeconds plugin completes it, on each write."""
    tolerations = list(pod["spec"].get("tolerations") or ())
    for key in _BAD_NODE:
        if not any(
            item.get("key", key) == key and item.get("effect", "NoExecute") == "NoExecute"
            for item in tolerations
        ):
            wait = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _EVICTION_S}
            tolerations.append({"key": key, **wait})
    return {**pod, "spec": {**pod["spec"], "tolerations": tolerations}}


def new_status(pod: Json) -> Json:
    """The status that a new pod gets, whatever its creator wrote there."""
    gated = bool(pod["spec"].get("schedulingGates"))
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates",
    }
    status: Json = {"phase": "Pending", "qosClass": _qos_class(pod["spec"])}
    return {**status, "conditions": [condition]} if gated else status


def check_new(pod: Json) -> None:
    """Raise Invalid for a spec that no API server takes."""
    name, spec = pod["metadata"].get("name", ""), pod["spec"]
    if not spec.get("containers"):
        raise invalid(PODS, name, "spec.containers: Required value")
    for field in _CONTAINER_LISTS:
        for number, container in enumerate(spec.get(field) or ()):
            for wanted in ("name", "image"):
                if not container.get(wanted):
                    raise invalid(PODS, name, f"spec.{field}[{number}].{wanted}: Required value")
    if spec.get("schedulingGates") and spec.get("nodeName"):
        raise invalid(
            PODS, name, "spec.nodeName: Forbidden: cannot be set until all schedulingGates are gone"
        )


def check_update(old: Json, new: Json) -> None:
    """Raise Invalid when a pod's spec changes where it must not."""
    name, was, now = old["metadata"]["name"], old["spec"], new["spec"]
    changed = {key for key in was.keys() | now.keys() if was.get(key) != now.get(key)}
    gates, old_gates = now.get("schedulingGates") or [], was.get("schedulingGates") or []
    if any(gate not in old_gates for gate in gates):
        raise invalid(
            PODS, name, "spec.schedulingGates: Forbidden: only deletion is allowed, but found new"
        )
    loosened = {"nodeSelector", "affinity"} if old_gates else set()
    tolerations = now.get("tolerations") or []
    lost = [item for item in was.get("tolerations") or [] if item not in tolerations]
    images = _without_images(was) == _without_images(now)
    if changed - _MUTABLE - loosened - (set(_CONTAINER_LISTS) if images else set()) or lost:
        raise invalid(
            PODS,
            name,
            "spec: Forbidden: pod updates may not change fields other than "
            "`spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
            "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
            "previously negative)",
        )


def check_status(old: Json, new: Json) -> None:
    """Raise Invalid for a status that the API server refuses (it accepts much that is wrong)."""
    name, was, now = old["metadata"]["name"], old.get("status") or {}, new.get("status") or {}
    if was.get("qosClass") and now.get("qosClass") != was["qosClass"]:
        raise invalid(PODS, name, "status.qosClass: Invalid value: field is immutable")
    if now.get("observedGeneration", 0) < 0:
        raise invalid(PODS, name, "status.observedGeneration: Invalid value: must be non-negative")
    if now.get("podIP"):
        _check_address(name, "status.podIP", now["podIP"])
    for number, address in enumerate(now.get("podIPs") or ()):
        _check_address(name, f"status.podIPs[{number}]", address.get("ip", ""))
    policy = old["spec"].get("restartPolicy")
    if policy == "Always":
        return
    for field in _STATUS_LISTS:
        states = {item["name"]: item.get("state") or {} for item in now.get(field) or ()}
        for item in was.get(field) or ():
            ended = (item.get("state") or {}).get("terminated")
            state = states.get(item["name"])
            if ended is None or state is None or "terminated" in state:
                continue
            if policy == "OnFailure" and ended.get("exitCode"):
                continue
            raise invalid(
                PODS,
                name,
                f"status.{field}.state: Forbidden: may not be transitioned to non-terminated state",
            )


def bound(pod: Json, binding: Json, now: str) -> Json:
    """The pod with ``binding`` carried out.

    Raises:
        Conflict: it is bound already, gated, or being deleted.
        Invalid: the binding names no node.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    name, target = metadata["name"], binding.get("target") or {}
    if target.get("kind", "Node") not in {"", "Node"} or not target.get("name"):
        raise invalid(PODS, name, "target.name: Required value")
    if "deletionTimestamp" in metadata:
        raise _late(name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise _late(name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    if spec.get("schedulingGates"):
        raise _late(name, f"pod {name} has non-empty .spec.schedulingGates")
    status = pod.get("status") or {}
    others = [item for item in status.get("conditions") or () if item["type"] != "PodScheduled"]
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now}
    extra = (binding.get("metadata") or {}).get("annotations") or {}
    if extra:
        metadata = {**metadata, "annotations": {**(metadata.get("annotations") or {}), **extra}}
    return {
        **pod,
        "metadata": metadata,
        "spec": {**spec, "nodeName": target["name"]},
        "status": {**status, "conditions": [*others, scheduled]},
    }


def grace_s(pod: Json, asked: int | None) -> int:
    """Seconds between a pod's deletion and its end, as the pod registry chooses them."""
    if not pod["spec"].get("nodeName") or pod["status"].get("phase") in {"Succeeded", "Failed"}:
        return 0
    wanted = pod["spec"].get("terminationGracePeriodSeconds", 0) if asked is None else asked
    return int(wanted) if wanted >= 0 else 1


def _late(name: str, text: str) -> Conflict:
    return conflict("pods/binding", name, text)


def _container(container: Json) -> Json:
    result = {**_CONTAINER_DEFAULTS, **container}
    resources = result["resources"]
    if limits := resources.get("limits"):
        result["resources"] = {**resources, "requests": {**limits, **resources.get("requests", {})}}
    return result


def _qos_class(spec: Json) -> str:
    """https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/"""
    resources = [container.get("resources") or {} for container in _containers(spec)]
    amounts = [
        [parse(name, str((each.get(side) or {}).get(name, 0))) for side in ("requests", "limits")]
        for each in resources
        for name in ("cpu", "memory")
    ]
    if not any(request or limit for request, limit in amounts):
        return "BestEffort"
    same = all(request and request == limit for request, limit in amounts)
    return "Guaranteed" if same else "Burstable"


def _containers(spec: Json) -> Iterator[Json]:
    for field in _CONTAINER_LISTS:
        yield from spec.get(field) or ()


def _without_images(spec: Json) -> list[Json]:
    return [{**container, "image": ""} for container in _containers(spec)]


def _check_address(name: str, field: str, text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise invalid(
            PODS, name, f'{field}: Invalid value: "{text}": must be a valid IP address'
        ) from None
