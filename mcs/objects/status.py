"""The part of ``pod.status`` that feedback may carry from a delegate to its proxy.

A whitelist, so that nothing that is true of one cluster only is shown in another: never qosClass,
observedGeneration, resize, nominatedNodeName or resource allocations.
"""

from __future__ import annotations

import msgspec

from mcs.objects.kinds import Camel, Condition, Pod, Raw


class State(Camel, frozen=True, kw_only=True):
    """``containerStatuses[].state``: exactly one of the three is set, or none."""

    waiting: dict[str, object] | None = None
    running: dict[str, object] | None = None
    terminated: dict[str, object] | None = None


class ContainerStatus(Camel, frozen=True, kw_only=True):
    """One container's status, as far as it is carried."""

    name: str = ""
    state: State = State()
    last_state: State = State()
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    image_id: str = msgspec.field(name="imageID", default="")
    container_id: str = msgspec.field(name="containerID", default="")
    started: bool | None = None


class Address(Camel, frozen=True, kw_only=True):
    """``podIPs[]``."""

    ip: str = ""


class DelegateStatus(Camel, frozen=True, kw_only=True):
    """What ``DelegateObserved.status`` holds."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    start_time: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()
    pod_ips: tuple[Address, ...] = msgspec.field(name="podIPs", default=())


_containers = msgspec.json.Decoder(tuple[ContainerStatus, ...] | None)
_addresses = msgspec.json.Decoder(tuple[Address, ...] | None)
_statuses = msgspec.json.Decoder(DelegateStatus)


def carried(pod: Pod) -> Raw:
    """A delegate's status as its event carries it (JSON)."""
    return Raw(msgspec.json.encode(shown(pod)))


def shown(pod: Pod) -> DelegateStatus:
    """The whitelisted part of a pod's status."""
    status = pod.status
    addresses = _addresses.decode(status.pod_ips) or ()
    if not addresses and status.pod_ip:
        addresses = (Address(ip=status.pod_ip),)
    return DelegateStatus(
        phase=status.phase or "",
        reason=status.reason or "",
        message=status.message or "",
        start_time=status.start_time or "",
        conditions=status.conditions or (),
        container_statuses=_containers.decode(status.container_statuses) or (),
        init_container_statuses=_containers.decode(status.init_container_statuses) or (),
        ephemeral_container_statuses=_containers.decode(status.ephemeral_container_statuses) or (),
        pod_ips=addresses,
    )


def read(raw: Raw) -> DelegateStatus:
    """The status in a ``DelegateObserved``.

    Raises:
        msgspec.DecodeError: it is not one of ours.
    """
    return _statuses.decode(raw)
