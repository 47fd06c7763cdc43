"""What a proxy shows of its delegate, as one patch for ``pods/status``.

Every function compares with the proxy as it is and gives None when nothing differs, so feedback can
run as often as it likes, repairs what others wrote (Kubernetes marks pods of a silent node not
Ready), and echoes end by themselves. Patches are strategic merges: conditions merge by type and a
finalizer is removed by name, so what others write at the same time stays. Each carries the proxy's
uid as a precondition. ``at`` is the present time (RFC 3339), for conditions that change.

Observations of older attempts are not for this module: the caller knows the live placement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from mcs.errors import BadManifest
from mcs.events.observations import DelegateObserved, End, Phase
from mcs.names import Keys
from mcs.objects import manifest, status
from mcs.objects.admission import ANNOTATIONS_MAX
from mcs.objects.container_changes import container_changes
from mcs.objects.delegate import LAST_APPLIED
from mcs.objects.kinds import Condition, Pod
from mcs.objects.observing import POD_SCHEDULED, phase_of
from mcs.objects.patching import condition_changes, patch_of
from mcs.objects.status import DelegateStatus

Json = dict[str, object]

READY: Final = "Ready"
DELEGATE_LOST: Final = "DelegateLost"
_RANK: Final = {Phase.PENDING: 0, Phase.UNKNOWN: 0, Phase.RUNNING: 1}
_ENDED: Final = 2


def shown(
    proxy: Pod,
    delegate: DelegateObserved,
    keys: Keys,
    *,
    at: str,
    reachable: bool = False,
    lost: bool = False,
) -> Json | None:
    """The proxy after its delegate: status, annotations that others put there, addresses.

    A proxy that is not bound yet shows nothing of a delegate that still runs: it is bound first.
    ``reachable``: the delegate's addresses mean the same here, so they may stand in the status,
    where Services find them. ``lost``: the target is, so Kubernetes marked the
    pods of its virtual node not Ready, once; saying otherwise would claim what nobody knows.

    Raises:
        msgspec.DecodeError: the event's status is not one of ours.
    """
    seen = status.read(delegate.status)
    annotations = _annotations(proxy, delegate, seen, keys)
    changes: Json = {}
    if _may_show(proxy, delegate.phase):
        if lost:
            seen = msgspec.structs.replace(
                seen, conditions=tuple(item for item in seen.conditions if item.type != READY)
            )
        changes = _status(proxy, seen, delegate.phase, at=at, reachable=reachable)
    return patch_of(proxy, annotations=annotations, changes=changes)


def released(
    proxy: Pod,
    keys: Keys,
    *,
    at: str,
    delegate: DelegateObserved | None = None,
    end: End = End.UNKNOWN,
    reason: str = "",
    message: str = "",
) -> Json | None:
    """The proxy let go: a terminal phase, and our finalizer removed, in one patch.

    The phase is the delegate's where it ended, else what ``end`` tells, else Failed with
    ``reason`` (``DelegateLost``): a Job waits for ever for a pod that goes without one.
    """
    annotations: dict[str, str] = {}
    changes: Json = {}
    if delegate is not None and delegate.phase.ended:
        seen = status.read(delegate.status)
        annotations = _annotations(proxy, delegate, seen, keys)
        if _may_show(proxy, delegate.phase):
            changes = _status(proxy, seen, delegate.phase, at=at, reachable=False)
    elif not phase_of(proxy).ended:
        succeeded = end is End.SUCCEEDED
        changes = _ended(
            proxy,
            Phase.SUCCEEDED if succeeded else Phase.FAILED,
            reason="" if succeeded else reason or DELEGATE_LOST,
            message="" if succeeded else message,
            at=at,
        )
    held = keys.finalizer in (proxy.metadata.finalizers or ())
    return patch_of(
        proxy,
        annotations=annotations,
        changes=changes,
        let_go=keys.finalizer if held else "",
    )


def failed(proxy: Pod, *, reason: str, message: str, at: str) -> Json | None:
    """The proxy failed for a reason of ours; its finalizer stays. None when it ended before."""
    return finished(proxy, Phase.FAILED, reason=reason, message=message, at=at)


def finished(
    proxy: Pod, phase: Phase, *, reason: str = "", message: str = "", at: str
) -> Json | None:
    """The proxy ended as no status of its delegate says; its finalizer stays. None when it ended
    before.
    """
    if phase_of(proxy).ended:
        return None
    return patch_of(proxy, changes=_ended(proxy, phase, reason=reason, message=message, at=at))


def _may_show(proxy: Pod, phase: Phase) -> bool:
    """Phases go one way, and an unbound proxy shows only an end."""
    before = phase_of(proxy)
    if before.ended:
        return phase is before
    return phase.ended or (
        bool(proxy.spec.node_name) and _RANK.get(phase, _ENDED) >= _RANK.get(before, _ENDED)
    )


def _status(proxy: Pod, seen: DelegateStatus, phase: Phase, *, at: str, reachable: bool) -> Json:
    now = status.shown(proxy)
    changes: Json = {}
    if phase is not Phase.UNKNOWN and now.phase != phase:
        changes["phase"] = phase.value
    for name, old, new in (
        ("reason", now.reason, seen.reason),
        ("message", now.message, seen.message),
        ("startTime", now.start_time, seen.start_time),
    ):
        if old != new:
            changes[name] = new or None
    wanted = [item for item in seen.conditions if item.type != POD_SCHEDULED]
    if proxy.spec.node_name:
        wanted.append(Condition(type=POD_SCHEDULED, status="True"))
    if conditions := condition_changes(proxy, wanted, at=at):
        changes["conditions"] = conditions
    changes |= container_changes(proxy, now, seen)
    if reachable and now.pod_ips != seen.pod_ips:
        addresses = [item.ip for item in seen.pod_ips]
        changes["podIP"] = addresses[0] if addresses else None
        changes["podIPs"] = [{"$patch": "replace"}, *({"ip": address} for address in addresses)]
    return changes


def _ended(proxy: Pod, phase: Phase, *, reason: str, message: str, at: str) -> Json:
    why = "PodCompleted" if phase is Phase.SUCCEEDED else "PodFailed"
    ready = [
        Condition(type=item.type, status="False", reason=why)
        for item in proxy.status.conditions or ()
        if item.type in {READY, "ContainersReady"} and item.status != "False"
    ]
    changes: Json = {"phase": phase.value, "reason": reason or None, "message": message or None}
    if ready:
        changes["conditions"] = condition_changes(proxy, ready, at=at)
    return changes


def _annotations(
    proxy: Pod, delegate: DelegateObserved, seen: DelegateStatus, keys: Keys
) -> dict[str, str]:
    """Annotations to be set: those put on the delegate since it was made, and its addresses.

    One that the user's own pod carries with that value is not news, so a later edit on the proxy
    stays. What would not fit into the API server's limit is left out.
    """
    have = proxy.metadata.annotations or {}
    written = _written(have.get(keys.manifest, ""))
    news = {
        key: value
        for key, value in sorted(delegate.annotations.items())
        if not keys.ours(key) and key != LAST_APPLIED and written.get(key) != value
    }
    if seen.pod_ips:
        news = {keys.delegate_ips: ",".join(item.ip for item in seen.pod_ips), **news}
    room = ANNOTATIONS_MAX - sum(_size(key, value) for key, value in have.items())
    fitting: dict[str, str] = {}
    for key, value in news.items():
        more = _size(key, value) - (_size(key, have[key]) if key in have else 0)
        if have.get(key) != value and more <= room:
            room -= more
            fitting[key] = value
    return fitting


def _written(text: str) -> Mapping[str, str]:
    try:
        return manifest.decoded(text, Pod).metadata.annotations or {}
    except BadManifest:
        return {}


def _size(key: str, value: str) -> int:
    return len(key.encode()) + len(value.encode())
