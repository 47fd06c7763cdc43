"""What an API server does to any object before it stores it: metadata that only it may set, names,
preconditions, finalizers, and the isolation of the status subresource.

The rules are those of Kubernetes' generic registry (apiserver ``registry/rest``) and of
apimachinery's ``ValidateObjectMeta``, as far as we could meet them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from mcs.errors import Conflict, Invalid
from mcs.objects.kinds import Kind

Json = dict[str, Any]

ANNOTATIONS_MAX: Final = 262_144
NAME_MAX: Final = 253
SUFFIX: Final = 5
ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"  # of generated names; no vowels, no words
WITH_STATUS: Final = frozenset({"Pod", "Node", "Namespace"})
_SYSTEM_FIELDS: Final = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "resourceVersion",
)
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_QUALIFIED = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\Z")


def timestamp(unix_s: float) -> str:
    """RFC 3339 in whole seconds, as in metadata."""
    return datetime.fromtimestamp(int(unix_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix(text: str) -> int:
    """The opposite of ``timestamp``."""
    return int(datetime.fromisoformat(text).timestamp())


def invalid(kind: Kind[Any], name: str, text: str) -> Invalid:
    """422 in the API server's words."""
    return Invalid(f'{kind.name} "{name}" is invalid: {text}', code=422, reason="Invalid")


def resource(kind: Kind[Any]) -> str:
    """The word for a kind in messages: ``pods``, ``leases.coordination.k8s.io``."""
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def conflict(word: str, name: str, text: str) -> Conflict:
    """409 in the API server's words; ``word`` is the resource, perhaps with a subresource."""
    return Conflict(
        f'Operation cannot be fulfilled on {word} "{name}": {text}',
        code=409,
        reason="Conflict",
    )


def check_preconditions(kind: Kind[Any], metadata: Json, uid: str, resource_version: str) -> None:
    """Raise Conflict unless the stored object is the one that is meant."""
    name = metadata["name"]
    for field, wanted, actual in (
        ("UID", uid, metadata["uid"]),
        ("ResourceVersion", resource_version, metadata["resourceVersion"]),
    ):
        if wanted and wanted != actual:
            raise conflict(
                kind.name,
                name,
                f"the {field} in the precondition ({wanted}) does not match the {field} in record "
                f"({actual})",
            )


def wipe(metadata: Json) -> None:
    """Remove what only the API server may set (before admission sees a new object)."""
    for field in _SYSTEM_FIELDS:
        metadata.pop(field, None)


def check_metadata(kind: Kind[Any], metadata: Json) -> None:
    """Raise Invalid unless name, annotations and finalizers are acceptable."""
    name = metadata.get("name") or ""
    if not name:
        raise invalid(kind, "", "metadata.name: Required value: name or generateName is required")
    if len(name) > NAME_MAX or not _SUBDOMAIN.match(name):
        raise invalid(
            kind, name, f'metadata.name: Invalid value: "{name}": a lowercase RFC 1123 subdomain'
        )
    annotations = metadata.get("annotations") or {}
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > ANNOTATIONS_MAX:
        raise invalid(
            kind,
            name,
            f"metadata.annotations: Too long: may not be more than {ANNOTATIONS_MAX} bytes",
        )
    for finalizer in metadata.get("finalizers") or ():
        if not _QUALIFIED.match(finalizer):
            text = f'metadata.finalizers: Invalid value: "{finalizer}": name part must consist of'
            raise invalid(kind, name, f"{text} alphanumeric characters, '-', '_' or '.'")


def prepare_update(kind: Kind[Any], old: Json, new: Json, subresource: str) -> Json:
    """The object to store when ``old`` is patched to ``new``.

    Raises:
        Conflict: the patch carried another uid or resourceVersion.
        Invalid: metadata that cannot be.
    """
    was, metadata = old["metadata"], dict(new.get("metadata") or {})
    name = was["name"]
    if metadata.get("resourceVersion", was["resourceVersion"]) != was["resourceVersion"]:
        raise conflict(
            resource(kind),
            name,
            "the object has been modified; please apply your changes to the latest version and "
            "try again",
        )
    if metadata.get("uid", was["uid"]) != was["uid"]:
        # a real one says 422, immutable field; the port makes that the Conflict which it means
        raise Conflict(
            str(invalid(kind, name, "metadata.uid: Invalid value: field is immutable")),
            code=422,
            reason="Invalid",
        )
    for field in ("name", "namespace"):
        if metadata.get(field) != was.get(field):
            raise Invalid(
                f"the {field} of the object ({metadata.get(field)}) does not match the {field} "
                f"on the URL ({was.get(field)})",
                code=400,
                reason="BadRequest",
            )
    wipe(metadata)
    metadata |= {field: was[field] for field in _SYSTEM_FIELDS if field in was}
    result = {**new, "metadata": {key: metadata[key] for key in metadata if metadata[key] != []}}
    if kind.name in WITH_STATUS:
        _isolate(old, result, subresource)
    check_metadata(kind, result["metadata"])
    added = set(metadata.get("finalizers") or ()) - set(was.get("finalizers") or ())
    if added and "deletionTimestamp" in was:
        raise invalid(
            kind,
            name,
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is "
            f"being deleted, found new finalizers {sorted(added)}",
        )
    return result


def _isolate(old: Json, new: Json, subresource: str) -> None:
    """A write to the object leaves its status, one to its status leaves everything but metadata."""
    kept = ("spec",) if subresource == "status" else ("status",)
    for part in kept:
        new.pop(part, None)
        if part in old:
            new[part] = old[part]
    if subresource == "status":  # as pods do it: old kubelets corrupted them
        new["metadata"].pop("ownerReferences", None)
        if "ownerReferences" in old["metadata"]:
            new["metadata"]["ownerReferences"] = old["metadata"]["ownerReferences"]


def ends_with_update(old: Json, new: Json) -> bool:
    """Whether this update removes the object: deletion asked for, no grace left, no finalizer."""
    metadata = old["metadata"]
    return (
        "deletionTimestamp" in metadata
        and not metadata.get("deletionGracePeriodSeconds")
        and not new["metadata"].get("finalizers")
    )
