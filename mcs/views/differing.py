"""Two versions of a frame, cut to what differs: field by field, as people read JSON.

Text that is itself JSON (a manifest) is looked into; a long text is cut to where it differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

_WIDTH: Final = 72  # of a value that is shown
_BEFORE: Final = 24  # of it, before the first difference
_MOST: Final = 40  # fields
_encoder = msgspec.json.Encoder()
_NOTHING: Final = object()


class Field(msgspec.Struct, frozen=True):
    """One field that differs; an empty text means that it is not there."""

    path: str
    expected: str
    found: str


def differing(expected: bytes | None, found: bytes | None) -> tuple[Field, ...]:
    """The fields of two frames that differ, in order; None is a frame that is not there."""
    if expected is None or found is None or expected == found:
        return ()
    left, right = _parsed(expected), _parsed(found)
    fields = [_cut(*each) for each in _walk("", left, right)] if _trees(left, right) else []
    if not fields:  # the same data, written otherwise
        fields = [_cut("(bytes)", repr(expected)[2:-1], repr(found)[2:-1])]
    if len(fields) > _MOST:
        more = len(fields) - _MOST
        fields = [*fields[:_MOST], Field(f"… and {more} more", "", "")]
    return tuple(fields)


def _walk(path: str, left: object, right: object) -> Iterator[tuple[str, str, str]]:
    """The leaves at which two trees differ, as text."""
    left, right = _opened(left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        for key in [*left, *(key for key in right if key not in left)]:
            inner = f"{path}.{key}" if path else str(key)
            yield from _walk(inner, left.get(key, _NOTHING), right.get(key, _NOTHING))
    elif isinstance(left, list) and isinstance(right, list):
        for number in range(max(len(left), len(right))):
            yield from _walk(f"{path}[{number}]", _item(left, number), _item(right, number))
    elif left != right or type(left) is not type(right):
        yield path, _text(left), _text(right)


def _opened(left: object, right: object) -> tuple[object, object]:
    """Two texts that are both JSON objects, as such."""
    if not (isinstance(left, str) and isinstance(right, str)) or left == right:
        return left, right
    inner = _parsed(left.encode()), _parsed(right.encode())
    both = all(isinstance(each, dict) for each in inner) and inner[0] != inner[1]
    return inner if both else (left, right)


def _parsed(data: bytes) -> object:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NOTHING


def _trees(left: object, right: object) -> bool:
    return isinstance(left, dict) and isinstance(right, dict)


def _item(values: list[object], number: int) -> object:
    return values[number] if number < len(values) else _NOTHING


def _text(value: object) -> str:
    return "" if value is _NOTHING else _encoder.encode(value).decode()


def _cut(path: str, left: str, right: str) -> Field:
    """Long values, from shortly before their first difference."""
    if max(len(left), len(right)) <= _WIDTH:
        return Field(path, left, right)
    pairs = enumerate(zip(left, right, strict=False))
    first = next((n for n, (a, b) in pairs if a != b), min(len(left), len(right)))
    return Field(path, _window(left, first), _window(right, first))


def _window(text: str, first: int) -> str:
    start = max(0, first - _BEFORE)
    piece = text[start : start + _WIDTH]
    return f"{'…' if start else ''}{piece}{'…' if start + _WIDTH < len(text) else ''}"
