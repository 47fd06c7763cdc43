"""What a pod asks of a node, exactly as kube-scheduler adds it up.

The rule is ``PodRequests`` in k8s.io/component-helpers/resource/helpers.go (v0.36.3), which calls
itself part of the API:

- app containers run together: their requests add up;
- init containers run one after another before them, each beside the restartable init containers
  (sidecars) declared earlier, which never stop: so the pod needs, by resource, the larger of
  "all app containers and all sidecars" and "the worst moment of the start";
- requests stated for the whole pod replace those sums (only cpu, memory and huge pages can be);
- the runtime's overhead comes on top.

Limits do not count: where they stand in for requests, the API server has already filled these in.
For a bound pod the scheduler takes, container by container, the largest of what is asked, granted
and in force (``UseStatusResources``), so that a pod being resized is counted at its peak.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from mcs.objects.kinds import Camel, Container, Pod, PodSpec, Raw, ResourceRequirements
from mcs.quantities import CPU, MEMORY, Resources, add, bounded, most, parse

_Amounts = Mapping[str, str | int | float]
_POD_LEVEL: Final = (CPU, MEMORY)
_HUGE_PAGES: Final = "hugepages-"


class _Granted(Camel, frozen=True, kw_only=True):
    """What a kubelet says of one container's resources."""

    name: str = ""
    resources: ResourceRequirements | None = None
    allocated_resources: dict[str, str | int | float] | None = None


_granted = msgspec.json.Decoder(tuple[_Granted, ...] | None)


def effective_requests(spec: PodSpec) -> Resources:
    """What a pod that is not bound yet asks for (``computePodResourceRequest``).

    Raises:
        BadQuantity: an amount that no API server would have let pass.
    """
    return _total(spec, _asked)


def bound_requests(pod: Pod) -> Resources:
    """What a bound pod takes from its node (``PodInfo.CalculateResource``).

    Raises:
        BadQuantity: an amount that no API server would have let pass.
    """
    granted = {
        status.name: status
        for raw in (pod.status.container_statuses, pod.status.init_container_statuses)
        for status in _statuses(raw)
        if status.resources is not None
    }
    if not granted:
        return _total(pod.spec, _asked)
    infeasible = any(
        condition.type == "PodResizePending" and condition.reason == "Infeasible"
        for condition in pod.status.conditions or ()
    )
    # 1.36.3 looks at the status of app containers and sidecars only
    lasting = {container.name for container in pod.spec.containers} | {
        container.name for container in pod.spec.init_containers or () if _is_sidecar(container)
    }

    def peak(container: Container) -> Resources:
        status = granted.get(container.name) if container.name in lasting else None
        if status is None or status.resources is None:
            return _asked(container)
        parts = [_amounts(status.resources.requests), _amounts(status.allocated_resources)]
        return most(parts if infeasible else [_asked(container), *parts])

    return _total(pod.spec, peak)


def _total(spec: PodSpec, requests: Callable[[Container], Resources]) -> Resources:
    running = _sum(requests(container) for container in spec.containers)
    sidecars: Resources = {}
    starting: Resources = {}
    for container in spec.init_containers or ():
        asked = requests(container)
        if _is_sidecar(container):
            running = add(running, asked)
            sidecars = add(sidecars, asked)
            starting = most((starting, sidecars))
        else:
            starting = most((starting, add(asked, sidecars)))
    total = most((running, starting))
    if spec.resources is not None:
        stated = _amounts(spec.resources.requests)
        total |= {name: amount for name, amount in stated.items() if _for_whole_pod(name)}
    if spec.overhead:
        total = add(total, _amounts(spec.overhead))
    return bounded({name: amount for name, amount in total.items() if amount})


def _asked(container: Container) -> Resources:
    return _amounts(container.resources.requests) if container.resources else {}


def _is_sidecar(container: Container) -> bool:
    return container.restart_policy == "Always"


def _for_whole_pod(name: str) -> bool:
    return name in _POD_LEVEL or name.startswith(_HUGE_PAGES)


def _amounts(stated: _Amounts | None) -> Resources:
    return {name: parse(name, str(amount)) for name, amount in (stated or {}).items()}


def _sum(parts: Iterable[Resources]) -> Resources:
    total: Resources = {}
    for part in parts:
        total = add(total, part)
    return total


def _statuses(raw: Raw) -> tuple[_Granted, ...]:
    return _granted.decode(raw) or ()
