"""Which group a pod belongs to: pods that are placed all or none.

Our annotations say so: the group's name, its size, and whether it may be spread over clusters. In
place of our name, a name that the pod bears anyway will do:

- ``spec.schedulingGroup.podGroupName``, Kubernetes 1.36 (alpha, feature gate GenericWorkload);
- ``spec.workloadRef``, the same in 1.35;
- label ``scheduling.x-k8s.io/pod-group``, of the coscheduling plugin.

Sources: kubernetes.io/docs/concepts/workloads/pods/scheduling-group and .../workload-reference;
github.com/kubernetes-sigs/scheduler-plugins, pkg/coscheduling/README.md. There the size stands in
the object of that name (PodGroup, Workload), which an agent does not read: so the size is always
our annotation, and without it such a pod is placed by itself, with a warning at its creation.

A delegate does not carry these fields of the spec: its kube-scheduler would hold it back until an
object of that name exists in the target, and the group is placed whole by mcs already.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from mcs.errors import BadGroup
from mcs.events.constraints import Group
from mcs.names import Keys
from mcs.objects.kinds import Camel

POD_GROUP_LABEL: Final = "scheduling.x-k8s.io/pod-group"
ONE_CLUSTER: Final = "one-cluster"
SPREAD: Final = "spread"
SIZE_MAX: Final = 10_000
"""A cycle holds some thousand placements (``Policy.cycle_bytes``): more is a mistake."""

_NAME: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,251}[A-Za-z0-9])?\Z")
_SIZE: Final = re.compile(r"[1-9][0-9]{0,8}\Z")


class _Metadata(Camel, frozen=True, kw_only=True):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _SchedulingGroup(Camel, frozen=True, kw_only=True):
    pod_group_name: str | None = None


class _WorkloadRef(Camel, frozen=True, kw_only=True):
    name: str = ""
    pod_group: str = ""
    pod_group_replica_key: str | None = None


class _Spec(Camel, frozen=True, kw_only=True):
    scheduling_group: _SchedulingGroup | None = None
    workload_ref: _WorkloadRef | None = None


class Grouped(Camel, frozen=True, kw_only=True):
    """A pod, as far as it tells its group."""

    metadata: _Metadata = _Metadata()
    spec: _Spec = _Spec()


def group_of(pod: Grouped, keys: Keys) -> Group | None:
    """The group that the pod belongs to; None: none, or one of a size that it does not tell.

    Raises:
        BadGroup: its annotations describe none; the message names the annotation and the remedy.
    """
    annotations = pod.metadata.annotations or {}
    ours, size = annotations.get(keys.group), annotations.get(keys.group_size)
    where = annotations.get(keys.group_placement, ONE_CLUSTER)
    if ours is not None and not _NAME.match(ours):
        raise BadGroup(
            f"annotation {keys.group} is {ours!r}: use letters, digits, '-', '_' and '.', "
            f"at most 253, starting and ending with a letter or digit"
        )
    name = ours or named(pod)
    if size is None and (ours is not None or keys.group_placement in annotations):
        raise BadGroup(f"add annotation {keys.group_size}: how many pods are placed at once")
    if size is None:
        return None
    if not name:
        raise BadGroup(f"annotation {keys.group_size} needs {keys.group}: the name of the group")
    if not _SIZE.match(size) or int(size) > SIZE_MAX:
        raise BadGroup(
            f"annotation {keys.group_size} is {size!r}: use a whole number from 1 to {SIZE_MAX}"
        )
    if where not in {ONE_CLUSTER, SPREAD}:
        raise BadGroup(
            f"annotation {keys.group_placement} is {where!r}: use {ONE_CLUSTER!r} or {SPREAD!r}"
        )
    return Group(name=name, size=int(size), spread=where == SPREAD)


def named(pod: Grouped) -> str:
    """The name that Kubernetes or the coscheduling plugin know the pod's group by, or nothing."""
    group, workload = pod.spec.scheduling_group, pod.spec.workload_ref
    if group is not None and group.pod_group_name:
        return group.pod_group_name
    if workload is not None:
        parts = (workload.name, workload.pod_group, workload.pod_group_replica_key or "")
        return "/".join(part for part in parts if part)
    return (pod.metadata.labels or {}).get(POD_GROUP_LABEL, "")


def saved_group(manifest: str, keys: Keys) -> Group | None:
    """The group in a saved manifest; None for one that says nothing clear.

    The webhook refuses unclear ones, so one here came past it: it is better placed by itself than
    never. What people write on a proxy later does not move it into another group.
    """
    try:
        return group_of(msgspec.json.decode(manifest, type=Grouped), keys)
    except (BadGroup, msgspec.DecodeError, UnicodeError, RecursionError):
        return None
