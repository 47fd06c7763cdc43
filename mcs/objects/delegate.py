"""The delegate: the user's pod, as it is created in the target cluster.

Deterministic, since the scheduler writes the result into ``PodPlaced`` and a replay must give the
same bytes. What ties a pod to its source cluster stays behind: its owner (else it would be garbage
collected in seconds), its labels under their own keys (else local ReplicaSets and Services would
take it), its priority, overhead and service-account token (the target's admission plugins set their
own and refuse others).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple, cast

import msgspec

from mcs.errors import BadManifest
from mcs.names import Keys, PodKey
from mcs.objects import tolerations
from mcs.objects.manifest import parsed

Json = dict[str, object]

TOKEN_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 # a well-known path
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")

_DROPPED: Final = (
    "nodeName",
    "priority",
    "preemptionPolicy",
    "overhead",
    "schedulingGroup",  # names an object of the source's API server; see ``grouping``
    "workloadRef",
    "schedulingGates",  # open by now, or the proxy would not have been placed
    "ephemeralContainers",  # cannot be created with a pod
)
_TOKEN_VOLUME: Final = "kube-api-access-"  # noqa: S105 # a prefix of names
_LABEL_NAME_MAX: Final = 63
_LABELS_KEPT: Final = 4096  # pods by the thousand have the same few
_HASH: Final = 10
_SUBDOMAIN: Final = re.compile(r"[a-z0-9][-a-z0-9.]*\Z")


class _Mount(msgspec.Struct, rename="camel"):
    name: str | None = None
    mount_path: str | None = None


class _Container(msgspec.Struct, rename="camel"):
    volume_mounts: list[_Mount] | None = None


class _Volume(msgspec.Struct):
    name: str | None = None


class _Spec(msgspec.Struct, rename="camel"):
    tolerations: list[dict[str, object]] | None = None
    volumes: list[_Volume] | None = None
    containers: list[_Container] | None = None
    init_containers: list[_Container] | None = None


class _Metadata(msgspec.Struct):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Shape(msgspec.Struct):
    """What is read of a manifest has the form that Kubernetes gives it, whoever wrote it."""

    metadata: _Metadata | None = None
    spec: _Spec | None = None


def delegate_manifest(
    manifest: str, *, keys: Keys, source: str, pod: PodKey, uid: str, attempt: int, name: str
) -> Json:
    """The delegate ``name`` of proxy ``pod`` (its ``uid``) in cluster ``source``.

    ``manifest`` is the user's pod as ``ProxyObserved`` carries it.

    Raises:
        BadManifest: it cannot be read.
    """
    written = parsed(manifest)
    try:
        msgspec.convert(written, _Shape)
    except msgspec.ValidationError as error:
        raise BadManifest(f"unreadable manifest: {error}") from error
    metadata = _object(written, "metadata")
    own = _own(keys)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": pod.namespace,
            "labels": {
                **delegate_labels(cast(dict[str, str], _object(metadata, "labels")), keys),
                own.uid: uid,
                own.attempt: str(attempt),
                own.source: source,
            },
            "annotations": {
                **_annotations(cast(dict[str, str], _object(metadata, "annotations")), keys),
                own.namespace: pod.namespace,
                own.name: pod.name,
            },
        },
        "spec": _spec(_object(written, "spec")),
    }


def delegate_labels(labels: dict[str, str], keys: Keys) -> dict[str, str]:
    """A pod's labels, or a selector's, as its delegate carries them."""
    return {delegate_label(key, keys): labels[key] for key in sorted(labels)}


@lru_cache(maxsize=_LABELS_KEPT)
def delegate_label(key: str, keys: Keys) -> str:
    """One label key as a delegate carries it: ``<our domain>/<key with / as _>``.

    It ends in ten hex digits of the key's SHA-256 where that would be too long for a label, one of
    our own labels, or what another key gives: a key without prefix that looks like prefix and name
    (``app.io_x``), or a prefix that looks like a word (``app/x``, as ``app_x`` is common). So
    different keys never meet, and a key gives the same everywhere.
    """
    prefix, slash, name = key.rpartition("/")
    plain = f"{prefix}_{name}" if slash else key
    head, underscore, _ = plain.partition("_")
    ambiguous = (
        "." not in prefix if slash else bool(underscore and "." in head and _SUBDOMAIN.match(head))
    )
    reserved = keys.key(plain) in {keys.proxy_uid, keys.attempt, keys.source}
    if ambiguous or reserved or len(plain) > _LABEL_NAME_MAX:
        digest = hashlib.sha256(key.encode()).hexdigest()[:_HASH]
        plain = f"{plain[: _LABEL_NAME_MAX - _HASH - 1].rstrip('-_.')}-{digest}"
    return keys.key(plain)


class _Own(NamedTuple):
    """Our keys on every delegate."""

    uid: str
    attempt: str
    source: str
    namespace: str
    name: str


@lru_cache(maxsize=1)
def _own(keys: Keys) -> _Own:
    return _Own(keys.proxy_uid, keys.attempt, keys.source, keys.proxy_namespace, keys.proxy_name)


def _annotations(annotations: dict[str, str], keys: Keys) -> dict[str, str]:
    """Other people's annotations; what kubectl last applied is the proxy's own business."""
    return {
        key: annotations[key]
        for key in sorted(annotations)
        if not keys.ours(key) and key != LAST_APPLIED
    }


def _spec(written: Json) -> Json:
    spec = {key: value for key, value in written.items() if key not in _DROPPED}
    stated = cast(list[Json], spec.get("tolerations") or [])
    kept = [item for item in stated if not tolerations.is_default(item)]
    if len(kept) != len(stated):
        _set(spec, "tolerations", kept)
    tokens = _token_volumes(written)
    if tokens:
        volumes = cast(list[Json], written.get("volumes") or [])
        _set(spec, "volumes", [item for item in volumes if item.get("name") not in tokens])
        for kind in CONTAINERS:
            if kind in spec:
                spec[kind] = [_without(container, tokens) for container in _list(written, kind)]
    return spec


def _token_volumes(spec: Json) -> set[object]:
    """Names of volumes that hold the source's service-account token, as admission adds them.

    A volume of another type at the same path is its user's way to hide the token, and stays.
    """
    volumes = _list(spec, "volumes")
    if not volumes:
        return set()
    mounted = {
        mount.get("name")
        for kind in CONTAINERS
        for container in _list(spec, kind)
        for mount in _list(container, "volumeMounts")
        if str(mount.get("mountPath", "")).rstrip("/") == TOKEN_PATH
    }
    return {
        volume.get("name")
        for volume in volumes
        if ("projected" in volume and str(volume.get("name", "")).startswith(_TOKEN_VOLUME))
        or (("projected" in volume or "secret" in volume) and volume.get("name") in mounted)
    }


def _without(container: Json, volumes: set[object]) -> Json:
    mounts = _list(container, "volumeMounts")
    kept = [mount for mount in mounts if mount.get("name") not in volumes]
    if len(kept) == len(mounts):
        return container
    copy = dict(container)
    _set(copy, "volumeMounts", kept)
    return copy


def _set(place: Json, key: str, items: list[Json]) -> None:
    """``items`` under ``key``, or nothing where there are none, as the API server writes it."""
    if items:
        place[key] = items
    else:
        place.pop(key, None)


def _list(place: Json, key: str) -> Sequence[Json]:
    return cast(Sequence[Json], place.get(key) or [])


def _object(place: Json, key: str) -> Json:
    return cast(Json, place.get(key) or {})
