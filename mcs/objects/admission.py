"""The webhook's answer: an elected pod becomes a proxy, or is refused by name. Pure.

Admission may call a webhook again after other plugins changed the pod (reinvocationPolicy
IfNeeded), so the answer for a proxy is what is missing from it: nothing the second time, unless
another webhook changed what the user's pod is, which then changes the saved manifest alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, cast

import msgspec

from mcs.errors import BadGroup, BadManifest, BadSettings
from mcs.names import Keys
from mcs.objects import tolerations
from mcs.objects.delegate import CONTAINERS, LAST_APPLIED
from mcs.objects.grouping import Grouped, group_of, named
from mcs.objects.manifest import parsed
from mcs.objects.proxying import is_proxied, items, proxied, restored

Json = dict[str, object]

MANIFEST_MAX: Final = 200_000
ANNOTATIONS_MAX: Final = 262_144  # bytes of all keys and values, says the API server
ANNOTATIONS_SPARE: Final = 16_384  # what feedback and others may add later

_NOT_SAVED: Final = ("managedFields", "creationTimestamp", "uid", "resourceVersion", "generation")
_TOO_LARGE: Final = 413
_FORBIDDEN: Final = 403
_INVALID: Final = 422
_encoder: Final = msgspec.json.Encoder(order="deterministic")


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of admission. ``env_refused``: a pattern (searched); pods with a literal value in a
    variable whose name matches are refused, because manifests enter the log. Empty: none.

    Raises:
        BadSettings: it is no regular expression.
    """

    env_refused: str = ""

    def __post_init__(self) -> None:
        try:
            re.compile(self.env_refused)
        except re.error as error:
            raise BadSettings(f"{self.env_refused!r} is no regular expression: {error}") from error


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """Let in, after these JSON Patch operations; ``warnings`` are shown to the user."""

    operations: tuple[Json, ...] = ()
    warnings: tuple[str, ...] = ()


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Not let in; the message names the pod and what to do."""

    message: str
    code: int


def mutate(
    pod: Mapping[str, object], keys: Keys, rules: Rules | None = None, *, namespace: str = ""
) -> Admitted | Refused:
    """The answer for a pod that is about to be created.

    ``namespace`` is the request's, where the pod itself does not state it.
    """
    metadata = cast(Json, pod.get("metadata") or {})
    spec = cast(Json, pod.get("spec") or {})
    annotations = cast(dict[str, str], metadata.get("annotations") or {})
    name = _name(metadata, namespace)
    bound = spec.get("nodeName")
    if keys.manifest in annotations and (bound or keys.elect not in annotations):
        return Refused(message=_forged(name, keys), code=_FORBIDDEN)
    if keys.elect not in annotations:
        return Admitted()
    if reason := _stays(metadata, bound, keys):
        return Admitted(warnings=(f"pod {name} is not elected: {reason}",))
    stateful = _owned_by("StatefulSet", metadata)
    grouped = msgspec.convert(pod, Grouped)
    try:
        group = group_of(grouped, keys)
    except BadGroup as error:
        return Refused(message=f"pod {name}: {error}", code=_INVALID)
    try:
        user = _user_spec(spec, annotations.get(keys.manifest), stateful=stateful)
    except BadManifest:
        return Refused(message=_forged(name, keys), code=_FORBIDDEN)
    if found := _secret_variable(user, rules or Rules()):
        return Refused(
            message=(
                f"pod {name} has a literal value in environment variable {found}, which would be "
                f"written to the event log: take it from a Secret (valueFrom.secretKeyRef)"
            ),
            code=_FORBIDDEN,
        )
    manifest = _encoder.encode(_saved(metadata, user, keys)).decode()
    if refusal := _too_large(name, annotations, manifest, keys):
        return refusal
    return Admitted(
        operations=(
            *_annotate(annotations, keys.manifest, manifest),
            *_hold(metadata, keys.finalizer),
            *_replace(spec, proxied(user, stateful=stateful)),
        ),
        warnings=_sizeless(name, named(grouped), keys) if group is None else (),
    )


def _sizeless(name: str, group: str, keys: Keys) -> tuple[str, ...]:
    """A warning about a group of Kubernetes' own whose size is not told."""
    if not group:
        return ()
    words = f"pod {name} is placed by itself, not with its group {group!r}"
    return (f"{words}: annotate {keys.group_size} to have so many placed all or none",)


def _name(metadata: Json, namespace: str) -> str:
    """How a message names the pod; its own name is unknown yet where the API server makes it."""
    name = metadata.get("name") or f"{metadata.get('generateName') or ''}*"
    return f"{metadata.get('namespace') or namespace}/{name}"


def _forged(name: str, keys: Keys) -> str:
    return (
        f"pod {name}: annotation {keys.manifest} is mcs's own; remove it (a pod copied from a "
        f"proxy is its own manifest without that annotation and spec.nodeName)"
    )


def _stays(metadata: Json, bound: object, keys: Keys) -> str:
    """Why a pod that carries the annotation runs where it was created, or nothing."""
    if keys.proxy_uid in cast(Json, metadata.get("labels") or {}):
        return f"it carries the label {keys.proxy_uid} of a delegate, which runs where it is"
    if bound:
        return f"it is bound to node {bound} by hand and runs there; remove spec.nodeName"
    if _owned_by("DaemonSet", metadata):
        return f"it belongs to a DaemonSet and so to a node; remove {keys.elect} from its template"
    return ""


def _owned_by(kind: str, metadata: Json) -> bool:
    return any(
        reference.get("kind") == kind and reference.get("controller")
        for reference in items(metadata, "ownerReferences")
    )


def _user_spec(spec: Json, saved: str | None, *, stateful: bool) -> Json:
    """The spec as its user wrote it and admission completed it: before or after our first call.

    Raises:
        BadManifest: the annotation is not what we write there.
    """
    if saved is None or not is_proxied(spec):
        return spec
    before = parsed(saved).get("spec")
    if not isinstance(before, dict):
        raise BadManifest("no spec in the saved manifest")
    return restored(spec, before, stateful=stateful)


def _saved(metadata: Json, user: Json, keys: Keys) -> Json:
    """What the annotation keeps: the pod as admitted, without our own traces and noise."""
    kept = {key: value for key, value in metadata.items() if key not in _NOT_SAVED}
    annotations = cast(dict[str, str], kept.get("annotations") or {})
    kept["annotations"] = {
        key: value for key, value in annotations.items() if key not in {keys.manifest, LAST_APPLIED}
    }
    finalizers = cast(list[str], kept.pop("finalizers", None) or [])
    if others := [finalizer for finalizer in finalizers if finalizer != keys.finalizer]:
        kept["finalizers"] = others
    return {"apiVersion": "v1", "kind": "Pod", "metadata": kept, "spec": user}


def _secret_variable(spec: Json, rules: Rules) -> str:
    if not rules.env_refused:
        return ""
    pattern = re.compile(rules.env_refused)
    return next((name for name in _literals(spec) if pattern.search(name)), "")


def _literals(spec: Json) -> Iterator[str]:
    for kind in CONTAINERS:
        for container in items(spec, kind):
            for variable in items(container, "env"):
                if variable.get("value"):
                    yield str(variable.get("name"))


def _too_large(name: str, annotations: dict[str, str], manifest: str, keys: Keys) -> Refused | None:
    size = len(manifest.encode())
    others = sum(
        len(key.encode()) + len(value.encode())
        for key, value in annotations.items()
        if key != keys.manifest
    )
    if size <= MANIFEST_MAX and size + others <= ANNOTATIONS_MAX - ANNOTATIONS_SPARE:
        return None
    return Refused(
        message=(
            f"pod {name} is too large to be elected: its manifest has {size} bytes and its "
            f"annotations {others}, of {MANIFEST_MAX} and {ANNOTATIONS_MAX - ANNOTATIONS_SPARE} "
            f"in all; move large values of env, args or annotations into a ConfigMap, or remove "
            f"the annotation {keys.elect}"
        ),
        code=_TOO_LARGE,
    )


def _annotate(annotations: dict[str, str], key: str, value: str) -> Iterator[Json]:
    if annotations.get(key) != value:
        yield {"op": "add", "path": f"/metadata/annotations/{_escaped(key)}", "value": value}


def _hold(metadata: Json, finalizer: str) -> Iterator[Json]:
    held = cast(list[str], metadata.get("finalizers") or [])
    if finalizer not in held:
        yield {"op": "add", "path": "/metadata/finalizers", "value": [*held, finalizer]}


def _replace(spec: Json, wanted: Json) -> Iterator[Json]:
    """One operation for each field of the spec that differs."""
    for key in sorted(spec.keys() | wanted.keys()):
        if key not in wanted:
            yield {"op": "remove", "path": f"/spec/{_escaped(key)}"}
        elif spec.get(key) != wanted[key] and not _settled(key, spec.get(key), wanted[key]):
            yield {"op": "add", "path": f"/spec/{_escaped(key)}", "value": wanted[key]}


def _settled(key: str, actual: object, wanted: object) -> bool:
    """Whether a field that differs is ours with what other plugins add back at every call: a
    namespace's or runtime class's node selector and tolerations, which do no harm on a proxy.
    """
    if key == "nodeSelector" and isinstance(actual, dict):
        return cast(Json, wanted).items() <= actual.items()
    if key == "tolerations" and isinstance(actual, list):
        return tolerations.suffice(cast(list[Json], actual), cast(list[Json], wanted))
    return False


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
