"""Events about one placement, for the tests of what is decided from them."""

import msgspec

from mcs.events.decisions import PlacementWithdrawn, PodDeferred, PodPlaced, ProxyReleased
from mcs.events.observations import DelegateGone, DelegateObserved, DelegateRejected, End, Phase

UID = "proxy-uid"
ID = f"{UID}.1"
DELEGATE = "c1-default-a"
_NAMES = {"namespace": "default", "name": "a"}


def placed(attempt=1, target="c2"):
    return PodPlaced(
        placement=f"{UID}.{attempt}",
        uid=UID,
        source="c1",
        target=target,
        delegate=DELEGATE,
        manifest='{"metadata":{"name":"c1-default-a"}}',
        node="n1",
        **_NAMES,
    )


def withdrawn(attempt=1, target="c2", unbound_only=False, grace_s=None, reason="deleted"):
    return PlacementWithdrawn(
        placement=f"{UID}.{attempt}",
        uid=UID,
        source="c1",
        target=target,
        delegate=DELEGATE,
        reason=reason,
        unbound_only=unbound_only,
        grace_s=grace_s,
        **_NAMES,
    )


def released(attempt=1, reason="deleted"):
    placement = f"{UID}.{attempt}" if attempt else ""
    return ProxyReleased(uid=UID, source="c1", placement=placement, reason=reason, **_NAMES)


def deferred(**reasons):
    return PodDeferred(uid=UID, source="c1", reasons=reasons, **_NAMES)


def observed(
    attempt=1,
    unschedulable="",
    phase=Phase.PENDING,
    node="",
    deleting=False,
    status=None,
    annotations=None,
):
    return DelegateObserved(
        placement=f"{UID}.{attempt}",
        namespace="default",
        name=DELEGATE,
        uid="u-delegate",
        phase=phase,
        node=node,
        deleting=deleting,
        unschedulable=unschedulable,
        annotations=annotations or {},
        status=msgspec.Raw(msgspec.json.encode(status or {"phase": phase})),
    )


def rejected(attempt=1, reason="QuotaExceeded", message="exceeded quota"):
    return DelegateRejected(
        placement=f"{UID}.{attempt}",
        namespace="default",
        name=DELEGATE,
        reason=reason,
        message=message,
    )


def gone(end, attempt=1):
    assert isinstance(end, End)
    return DelegateGone(placement=f"{UID}.{attempt}", namespace="default", name=DELEGATE, end=end)
