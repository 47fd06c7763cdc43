"""Label and field selectors, as an API server reads them: text to a predicate over manifests."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from mcs.errors import Invalid

Json = dict[str, Any]
Matches = Callable[[Json], bool]

_BY_METADATA: Final = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
}
_FIELDS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "Pod": {
        "spec.nodeName": ("spec", "nodeName"),
        "spec.restartPolicy": ("spec", "restartPolicy"),
        "spec.schedulerName": ("spec", "schedulerName"),
        "status.phase": ("status", "phase"),
        "status.podIP": ("status", "podIP"),
    },
    "Secret": {"type": ("type", "")},
    "Namespace": {"status.phase": ("status", "phase")},
}
_COMMA = re.compile(r",(?![^(]*\))")
_SET = re.compile(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)\Z")
_EQUAL = re.compile(r"([^=!\s]+)\s*(==|=|!=)\s*(\S*)\Z")


def selector(kind: str, namespace: str, labels: str, fields: str) -> Matches:
    """What a list or watch asks for.

    Raises:
        Invalid: a selector that does not parse, or a field that cannot be selected by.
    """
    wanted = [_label(term.strip()) for term in _COMMA.split(labels) if term.strip()]
    wanted += [_field(kind, term.strip()) for term in fields.split(",") if term.strip()]
    if namespace:
        wanted.append(lambda manifest: manifest["metadata"].get("namespace") == namespace)
    return lambda manifest: all(matches(manifest) for matches in wanted)


def _label(term: str) -> Matches:
    if found := _SET.match(term):
        key, operator, text = found.groups()
        values = {value.strip() for value in text.split(",")}
        if operator == "in":
            return lambda manifest: _labels(manifest).get(key) in values
        return lambda manifest: _labels(manifest).get(key) not in values
    if found := _EQUAL.match(term):
        key, operator, value = found.groups()
        if operator == "!=":
            return lambda manifest: _labels(manifest).get(key) != value
        return lambda manifest: _labels(manifest).get(key) == value
    if any(character in term for character in " =()"):
        raise Invalid(f"unable to parse requirement: {term!r}", code=400, reason="BadRequest")
    if term.startswith("!"):
        return lambda manifest: term[1:] not in _labels(manifest)
    return lambda manifest: term in _labels(manifest)


def _field(kind: str, term: str) -> Matches:
    found = _EQUAL.match(term)
    if found is None:
        raise Invalid(f"invalid selector: {term!r}", code=400, reason="BadRequest")
    key, operator, value = found.groups()
    path = _FIELDS.get(kind, {}).get(key) or _BY_METADATA.get(key)
    if path is None:
        raise Invalid(f"field label not supported: {key}", code=400, reason="BadRequest")
    outer, inner = path
    same = operator != "!="

    def matches(manifest: Json) -> bool:
        part: Any = manifest.get(outer) or {}
        actual = part.get(inner) if inner else part
        return (actual or "") == value

    return matches if same else lambda manifest: not matches(manifest)


def _labels(manifest: Json) -> Mapping[str, str]:
    return manifest["metadata"].get("labels") or {}
