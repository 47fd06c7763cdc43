"""Container statuses that a proxy takes over from its delegate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import msgspec

from mcs.objects.kinds import NOTHING, Container, Pod, PodSpec
from mcs.objects.status import ContainerStatus, DelegateStatus

Json = dict[str, object]

_EPHEMERAL: Final = "ephemeral_containers"
_GROUPS: Final = (
    ("containerStatuses", "container_statuses", "containers"),
    ("initContainerStatuses", "init_container_statuses", "init_containers"),
    ("ephemeralContainerStatuses", "ephemeral_container_statuses", _EPHEMERAL),
)


def container_changes(proxy: Pod, now: DelegateStatus, seen: DelegateStatus) -> Json:
    """Statuses of the proxy's own containers, where the delegate's (``seen``) differ from what
    the proxy shows ``now``. Containers that the target injected are not shown.
    """
    changes: Json = {}
    for key, field, group in _GROUPS:
        containers = {item.name: item for item in getattr(proxy.spec, group) or ()}
        old = {item.name: item for item in cast(Sequence[ContainerStatus], getattr(now, field))}
        taken = []
        for item in cast(Sequence[ContainerStatus], getattr(seen, field)):
            if item.name not in containers:
                continue
            before = old.get(item.name)
            final = before is not None and _is_final(
                before, containers[item.name], proxy.spec, ephemeral=group is _EPHEMERAL
            )
            taken.append(before if before and final and item.state.terminated is None else item)
        if taken and taken != list(old.values()):
            changes[key] = [_whole(item) for item in taken]
    return changes


def _is_final(
    status: ContainerStatus, container: Container, spec: PodSpec, *, ephemeral: bool
) -> bool:
    """Whether the container ended and may not run again, so that the API server refuses another
    state (ContainerShouldRestart in k8s.io/kubernetes/pkg/api/v1/pod/util.go). One with rules of
    its own may.
    """
    if status.state.terminated is None:
        return False
    if ephemeral:
        return True
    if container.restart_policy_rules != NOTHING:
        return False
    match container.restart_policy or spec.restart_policy:
        case "Never":
            return True
        case "OnFailure":
            return not status.state.terminated.get("exitCode")
        case _:
            return False


def _whole(item: ContainerStatus) -> Json:
    """A status with the fields that the API server always shows."""
    always: Json = {"ready": False, "restartCount": 0, "image": "", "imageID": ""}
    return always | {"state": {}, "lastState": {}} | cast(Json, msgspec.to_builtins(item))
