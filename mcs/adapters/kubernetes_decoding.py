"""Bytes from an API server to the structs of ``mcs.objects.kinds``.

``msgspec.Raw`` fields of a decoded object point into the bytes they were decoded from, so one pod
would keep the page of 500 that it came in. They are copied, so that an object owns what it holds.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import fields, force_setattr

from mcs.adapters.kubernetes_errors import Status
from mcs.objects.kinds import NOTHING, Kind, Object
from mcs.ports import Change, Watched

T = TypeVar("T", bound=Object)


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Page(msgspec.Struct, Generic[T]):
    """A part of a list."""

    metadata: _ListMeta
    items: list[T] | None = None


class _Event(msgspec.Struct, Generic[T]):
    type: Change
    object: T


class _Other(msgspec.Struct):
    """An event that is no object's: a bookmark, whose object is hollow, or an error."""

    type: str
    object: msgspec.Raw


class Decoding(Generic[T]):
    """Decoders of one kind."""

    def __init__(self, type: type[T]) -> None:
        self._type = type
        self._object: msgspec.json.Decoder[T] = msgspec.json.Decoder(type)
        self._page: msgspec.json.Decoder[Page[T]] = msgspec.json.Decoder(Page[type])  # type: ignore[valid-type] # the type is known at run time only
        self._event: msgspec.json.Decoder[_Event[T]] = msgspec.json.Decoder(_Event[type])  # type: ignore[valid-type] # as above
        self._raws = _raw_fields(type)

    def object(self, data: bytes) -> T:
        """One object."""
        return self._own(self._object.decode(data))

    def page(self, data: bytes) -> Page[T]:
        """A page of a list."""
        page = self._page.decode(data)
        for item in page.items or ():
            self._own(item)
        return page

    def event(self, line: bytes | bytearray) -> Watched[T] | Status:
        """One line of a watch; a Status when the server ends it by an error."""
        try:
            event = self._event.decode(line)
        except msgspec.ValidationError:
            other = msgspec.json.decode(line, type=_Other)
            if other.type == Change.BOOKMARK:
                mark = msgspec.json.decode(other.object, type=Object)
                return Watched(Change.BOOKMARK, self._type(metadata=mark.metadata))
            if other.type == "ERROR":
                return msgspec.json.decode(other.object, type=Status)
            raise
        return Watched(event.type, self._own(event.object))

    def _own(self, item: T) -> T:
        for path, name in self._raws:
            holder = reduce(getattr, path, item)
            raw: msgspec.Raw = getattr(holder, name)
            if raw is not NOTHING:
                force_setattr(holder, name, raw.copy())
        return item


def decoding(kind: Kind[T]) -> Decoding[T]:
    """The decoders of a kind, made once."""
    made: Decoding[T] | None = _made.get(kind)
    if made is None:
        made = _made[kind] = Decoding(kind.type)
    return made


_made: dict[Kind[Any], Decoding[Any]] = {}


def _raw_fields(type: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    found: list[tuple[tuple[str, ...], str]] = []
    for field in fields(type):
        if field.type is msgspec.Raw:
            found.append((path, field.name))
        elif isinstance(field.type, msgspec.StructMeta):
            found += _raw_fields(field.type, (*path, field.name))
    return found
