"""The three patch formats of an API server, over JSON-like data.

Merge (RFC 7396), JSON (RFC 6902), and the strategic merge of lists that have a merge key. Which
lists have one is fixed by Kubernetes' types; the table holds those of the kinds we touch. A list
that is not in the table is replaced whole, as the API server does (container statuses are such).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from mcs.errors import Invalid
from mcs.ports import Patch

Json = dict[str, Any]

_PRIMITIVE: Final = ""  # a list of plain values, merged as a set
_MERGE_KEYS: Final[Mapping[str, str]] = {
    "metadata.finalizers": _PRIMITIVE,
    "metadata.ownerReferences": "uid",
    "spec.containers": "name",
    "spec.containers.env": "name",
    "spec.containers.volumeMounts": "mountPath",
    "spec.initContainers": "name",
    "spec.initContainers.env": "name",
    "spec.initContainers.volumeMounts": "mountPath",
    "spec.schedulingGates": "name",
    "spec.volumes": "name",
    "status.addresses": "type",
    "status.conditions": "type",
    "status.hostIPs": "ip",
    "status.podIPs": "ip",
    "webhooks": "name",
}
_SET_ORDER: Final = "$setElementOrder/"
_DELETE_PRIMITIVES: Final = "$deleteFromPrimitiveList/"


def patched(document: Json, patch: Any, type: Patch) -> Json:
    """A changed copy of ``document``.

    Raises:
        Invalid: the patch is malformed, or does not fit the document.
    """
    copy: Json = _copy(document)
    change = _copy(patch)
    if type is Patch.JSON:
        if not isinstance(change, list):
            raise Invalid("a JSON patch is a list of operations", code=400, reason="BadRequest")
        return apply_json(copy, change)
    if not isinstance(change, dict):
        raise Invalid("a merge patch is an object", code=400, reason="BadRequest")
    if type is Patch.MERGE:
        merged: Json = _merge(copy, change)
        return merged
    return _strategic(copy, change, "")


def apply_json(document: Json, operations: Sequence[Mapping[str, Any]]) -> Json:
    """``document`` changed in place by RFC 6902 operations.

    Raises:
        Invalid: an operation that does not fit, or a failed test.
    """
    root: Json = {"": document}
    for operation in operations:
        try:
            _operate(root, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise Invalid(
                "the server rejected our request due to an error in our request",
                code=422,
                reason="Invalid",
            ) from error
    return root[""]  # type: ignore[no-any-return] # a patch may put anything at the root


def _operate(root: Json, operation: Mapping[str, Any]) -> None:
    path = operation["path"]
    match operation["op"]:
        case "add":
            _add(root, path, operation["value"])
        case "remove":
            _take(root, path)
        case "replace":
            _take(root, path)
            _add(root, path, operation["value"])
        case "move":
            _add(root, path, _take(root, operation["from"]))
        case "copy":
            _add(root, path, _copy(_value(root, operation["from"])))
        case "test":
            if _value(root, path) != operation["value"]:
                raise ValueError(path)
        case other:
            raise ValueError(other)


def _parent(root: Json, path: str) -> tuple[Any, str]:
    *parts, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]
    place: Any = root
    for part in parts:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if not isinstance(place, dict | list):
        raise TypeError(path)
    return place, last


def _add(root: Json, path: str, value: Any) -> None:
    place, last = _parent(root, path)
    if isinstance(place, dict):
        place[last] = value
    elif last == "-":
        place.append(value)
    elif not 0 <= int(last) <= len(place):
        raise IndexError(path)
    else:
        place.insert(int(last), value)


def _take(root: Json, path: str) -> Any:
    place, last = _parent(root, path)
    return place.pop(last if isinstance(place, dict) else int(last))


def _value(root: Json, path: str) -> Any:
    place, last = _parent(root, path)
    return place[last if isinstance(place, dict) else int(last)]


def _merge(document: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result: Json = document if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result


def _strategic(document: Any, patch: Json, path: str) -> Json:
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    result: Json = document if isinstance(document, dict) else {}
    for key, value in patch.items():
        if key.startswith(_DELETE_PRIMITIVES):
            name = key.removeprefix(_DELETE_PRIMITIVES)
            result[name] = [item for item in result.get(name) or [] if item not in value]
        elif key.startswith(_SET_ORDER) or key == "$patch":
            continue  # order of elements decides nothing for us
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _strategic(result.get(key), value, _join(path, key))
        elif isinstance(value, list) and _join(path, key) in _MERGE_KEYS:
            result[key] = _lists(result.get(key) or [], value, _join(path, key))
        else:
            result[key] = value
    return result


def _lists(old: list[Any], change: list[Any], path: str) -> list[Any]:
    merge_key = _MERGE_KEYS[path]
    if merge_key == _PRIMITIVE:
        return change + [item for item in old if item not in change]
    if any(item.get("$patch") == "replace" for item in change):
        return [item for item in change if "$patch" not in item]
    result = {item[merge_key]: item for item in old}
    for item in change:
        if merge_key not in item:
            raise Invalid(f"map: {item} does not contain declared merge key: {merge_key}", code=400)
        if item.get("$patch") == "delete":
            result.pop(item[merge_key], None)
        else:
            result[item[merge_key]] = _strategic(result.get(item[merge_key]), item, path)
    return list(result.values())


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _copy(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))
