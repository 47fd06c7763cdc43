"""From the user's pod to its proxy, and back.

The proxy keeps containers, requests and labels, so the source's quotas, limits, policies and
controllers see the pod that its user wrote. It loses what would act in the source though nothing
runs there, and what would keep it off a virtual node.

``proxied`` makes the proxy's spec; ``restored`` undoes it with the saved manifest. Only scheduling
constraints and claims are taken from what was saved, everything else from the proxy as it is: so a
sidecar that another webhook injects after us reaches the delegate, and whoever forges the
annotation can change only what its own pod may state freely anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from mcs.names import PROVIDER, SCHEDULER_NAME, VIRTUAL_NODE_TAINT
from mcs.objects import tolerations
from mcs.objects.delegate import CONTAINERS

Json = dict[str, object]

_REMOVED: Final = ("affinity", "topologySpreadConstraints", "resourceClaims")
_REPLACED: Final = ("schedulerName", "nodeSelector", "tolerations", *_REMOVED)
_CLAIMS: Final = ("persistentVolumeClaim", "ephemeral")
_PLACEHOLDER: Final = "downwardAPI"
_MODE: Final = 420  # 0644, what the API server would fill in


def proxied(spec: Mapping[str, object], *, stateful: bool) -> Json:
    """The spec of the proxy for a pod with ``spec``; ``stateful``: a StatefulSet owns it.

    A volume with a claim becomes an empty volume of the same name, so that its mounts stay valid:
    a downward API volume without items, since an emptyDir would make ``kubectl drain`` ask about
    local data. Raw devices of claims can have no stand-in, so they go. A StatefulSet's controller
    wants to see its claims on its pods and stops with an error where they are missing
    (``storageMatches``), so they stay there: nothing attaches them, as no kubelet runs the proxy
    and no scheduler picks a node for them.
    """
    made = {key: value for key, value in spec.items() if key not in _REPLACED}
    made["schedulerName"] = SCHEDULER_NAME
    made["nodeSelector"] = {VIRTUAL_NODE_TAINT: PROVIDER}
    made["tolerations"] = tolerations.of_proxy(items(spec, "tolerations"))
    if "volumes" in spec:
        made["volumes"] = [_stand_in(volume, stateful) for volume in items(spec, "volumes")]
    gone = {volume.get("name") for volume in items(spec, "volumes") if _acts(volume, stateful)}
    for kind in CONTAINERS:
        if kind in spec:
            made[kind] = [_without_claims(container, gone) for container in items(spec, kind)]
    return made


def is_proxied(spec: Mapping[str, object]) -> bool:
    """Whether ``proxied`` was here, whatever others changed since."""
    selector = cast(Json, spec.get("nodeSelector") or {})
    return selector.get(VIRTUAL_NODE_TAINT) == PROVIDER


def restored(proxy: Mapping[str, object], saved: Mapping[str, object], *, stateful: bool) -> Json:
    """The user's spec, from the proxy as it is now and the spec saved before.

    What we removed and is there again was put there by somebody else since, as was a scheduler's
    name that is not ours. Node selectors and tolerations added since are left to ``manifest``.
    """
    made = {key: value for key, value in proxy.items() if key not in _REPLACED}
    made |= {key: saved[key] for key in _REPLACED if key in saved}
    made |= {key: proxy[key] for key in _REMOVED if key in proxy}
    if proxy.get("schedulerName") != SCHEDULER_NAME:
        made["schedulerName"] = proxy.get("schedulerName")
    claims = {
        volume.get("name"): volume for volume in items(saved, "volumes") if _acts(volume, stateful)
    }
    if "volumes" in proxy:
        made["volumes"] = [
            claims.get(volume.get("name"), volume) if _PLACEHOLDER in volume else volume
            for volume in items(proxy, "volumes")
        ]
    for kind in CONTAINERS:
        before = {container.get("name"): container for container in items(saved, kind)}
        if kind in proxy:
            made[kind] = [
                _with_claims(container, before.get(container.get("name"), {}))
                for container in items(proxy, kind)
            ]
    return made


def items(place: Mapping[str, object], key: str) -> Sequence[Json]:
    """A list of objects in JSON-like data; empty where there is none."""
    return cast(Sequence[Json], place.get(key) or ())


def _acts(volume: Mapping[str, object], stateful: bool) -> bool:
    """Whether the volume would act in the source: ephemeral ones make claims by themselves."""
    return "ephemeral" in volume or ("persistentVolumeClaim" in volume and not stateful)


def _stand_in(volume: Json, stateful: bool) -> Json:
    if not _acts(volume, stateful):
        return volume
    return {key: value for key, value in volume.items() if key not in _CLAIMS} | {
        _PLACEHOLDER: {"defaultMode": _MODE}
    }


def _without_claims(container: Json, gone: set[object]) -> Json:
    """The container without raw devices of volumes that are gone, and without device claims."""
    made = dict(container)
    devices = items(container, "volumeDevices")
    kept = [device for device in devices if device.get("name") not in gone]
    if len(kept) != len(devices):
        made["volumeDevices"] = kept
        if not kept:
            del made["volumeDevices"]
    resources = cast(Json, container.get("resources") or {})
    if "claims" in resources:
        made["resources"] = {key: value for key, value in resources.items() if key != "claims"}
    return made


def _with_claims(container: Json, saved: Json) -> Json:
    made = dict(container)
    if "volumeDevices" in saved:
        made["volumeDevices"] = saved["volumeDevices"]
    claims = cast(Json, saved.get("resources") or {}).get("claims")
    if claims:
        made["resources"] = {**cast(Json, container.get("resources") or {}), "claims": claims}
    return made
