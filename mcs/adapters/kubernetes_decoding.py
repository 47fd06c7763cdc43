"""Bytes from an API server to the structs of ``mcs.objects.kinds``.

``msgspec.Raw`` fields of a decoded object point into the bytes they were decoded from, so one pod
would keep the page of 500 that it came in. They are copied, so that an object owns what it holds.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec.structs import fields, force_setattr

from mcs.adapters.kubernetes_errors import Status
from mcs.errors import ClusterError
from mcs.objects.kinds import NOTHING, Kind, Object
from mcs.ports import Change, Watched

T = TypeVar("T", bound=Object)
V = TypeVar("V")


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


_objects: Final = msgspec.json.Decoder(Object)
_others: Final = msgspec.json.Decoder(_Other)
_statuses: Final = msgspec.json.Decoder(Status)


class Decoding(Generic[T]):
    """Decoders of one kind. They raise ClusterError for what is not of that kind: a sign that our
    structs do not follow Kubernetes' types.
    """

    def __init__(self, type: type[T]) -> None:
        self._type = type
        self._object: msgspec.json.Decoder[T] = msgspec.json.Decoder(type)
        self._page: msgspec.json.Decoder[Page[T]] = msgspec.json.Decoder(Page[type])  # type: ignore[valid-type] # the type is known at run time only
        self._event: msgspec.json.Decoder[_Event[T]] = msgspec.json.Decoder(_Event[type])  # type: ignore[valid-type] # as above
        self._raws = _raw_fields(type)

    def object(self, data: bytes) -> T:
        """One object."""
        return self._own(_decoded(self._object, data))

    def page(self, data: bytes) -> Page[T]:
        """A page of a list."""
        page = _decoded(self._page, data)
        for item in page.items or ():
            self._own(item)
        return page

    def event(self, line: bytes | bytearray) -> Watched[T] | Status:
        """One line of a watch; a Status when the server ends it by an error."""
        try:
            event = self._event.decode(line)
        except msgspec.ValidationError as error:
            other = _decoded(_others, line)
            if other.type == Change.BOOKMARK:
                mark = _decoded(_objects, other.object)
                return Watched(Change.BOOKMARK, self._type(metadata=mark.metadata))
            if other.type == "ERROR":
                return _decoded(_statuses, other.object)
            raise _unreadable(error) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _unreadable(error) from error
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
    made: Decoding[T] | None = _made.get(kind.type)
    if made is None:
        made = _made[kind.type] = Decoding(kind.type)
    return made


_made: dict[type, Decoding[Any]] = {}


def _decoded(decoder: msgspec.json.Decoder[V], data: bytes | bytearray | msgspec.Raw) -> V:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> ClusterError:
    return ClusterError(f"unreadable answer: {error}", reason="Unreadable")


def _raw_fields(type: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    found: list[tuple[tuple[str, ...], str]] = []
    for field in fields(type):
        if field.type is msgspec.Raw:
            found.append((path, field.name))
        elif isinstance(field.type, msgspec.StructMeta):
            found += _raw_fields(field.type, (*path, field.name))
    return found
