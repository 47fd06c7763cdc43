"""What an API server keeps: objects, one counter of revisions, and a window of history.

Every write makes one record; watchers get the records they ask for, in order. A watcher sees an
object that starts to match its selector as added, and one that ceases to match as deleted, as the
watch cache of a real API server does it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from mcs.adapters.memory_selectors import Matches
from mcs.errors import ClusterError, Expired, Invalid
from mcs.objects.kinds import Camel, Metadata
from mcs.ports import Change

Json = dict[str, Any]
Key = tuple[str, str, str]
"""Resource (plural and group), namespace, name."""


Observer = Callable[[Change, str, Json, Json | None], None]
"""Told at once of each write: ADDED, MODIFIED or DELETED, the resource (``Kind.path()``), the
object (as it was last, if deleted), and as it was before the write. It must not raise.
"""


class Entry(msgspec.Struct, frozen=True):
    """An object as stored; the manifest is never changed in place."""

    manifest: Json
    data: bytes


class _Record(msgspec.Struct, frozen=True):
    revision: int
    resource: str
    before: Entry | None
    after: Entry | None
    data: bytes


def _left(record: _Record) -> bytes:
    """An object that a selector no longer matches, as it was, at the record's revision."""
    assert record.before is not None
    return _at(record.before.manifest, record.revision)[1]


def _at(manifest: Json, revision: int) -> tuple[Json, bytes]:
    metadata = {**manifest["metadata"], "resourceVersion": str(revision)}
    manifest = {**manifest, "metadata": metadata}
    return manifest, msgspec.json.encode(manifest)


class Event(msgspec.Struct, frozen=True):
    """What a watcher gets: the object's JSON, at the record's revision."""

    change: Change
    data: bytes


class Watcher:
    """One open watch: events wait here until its consumer takes them."""

    def __init__(self, resource: str, matches: Matches) -> None:
        self._resource = resource
        self._matches = matches
        self._waiting: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._end: ClusterError | None = None
        self._ended = False

    async def next(self) -> Event | None:
        """The next event; None when the server closed the watch."""
        while not self._waiting:
            if self._ended:
                if self._end is not None:
                    raise self._end
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()

    def offer(self, record: _Record) -> None:
        """Take a record if it concerns this watch."""
        if record.resource != self._resource:
            return
        was = record.before is not None and self._matches(record.before.manifest)
        still = record.after is not None and self._matches(record.after.manifest)
        if was or still:
            change = Change.DELETED if not still else Change.MODIFIED if was else Change.ADDED
            self._put(
                Event(change, record.data if still or record.after is None else _left(record))
            )

    def bookmark(self, revision: int) -> None:
        """Tell the consumer how far the watch has read."""
        mark = _Bookmark(metadata=Metadata(resource_version=str(revision)))
        self._put(Event(Change.BOOKMARK, msgspec.json.encode(mark)))

    def end(self, error: ClusterError | None, *, lose: bool = False) -> None:
        """Close the watch, by ``error`` if there is one; ``lose`` drops what was not yet taken."""
        if lose:
            self._waiting.clear()
        self._ended, self._end = True, error
        self._wake.set()

    def _put(self, event: Event) -> None:
        if not self._ended:
            self._waiting.append(event)
            self._wake.set()


class Store:
    """Objects by key, and the history of their changes."""

    def __init__(self, window: int) -> None:
        self.revision = 1
        self.watchers: list[Watcher] = []
        self.observers: list[Observer] = []
        self._objects: dict[Key, Entry] = {}
        self._history: deque[_Record] = deque()
        self._window = window
        self._compacted = 0

    def get(self, key: Key) -> Entry | None:
        """The object, or None."""
        return self._objects.get(key)

    def all(self, resource: str) -> Iterator[tuple[Key, Entry]]:
        """Objects of a resource, ordered by namespace and name."""
        keys = sorted(key for key in self._objects if key[0] == resource)
        return ((key, self._objects[key]) for key in keys)

    def everything(self) -> list[bytes]:
        """All objects as stored, in a fixed order."""
        return [self._objects[key].data for key in sorted(self._objects)]

    def within(self, namespace: str) -> list[Key]:
        """Keys of all objects in a namespace, in order."""
        return sorted(key for key in self._objects if key[1] == namespace)

    def put(self, key: Key, manifest: Json) -> Entry:
        """Store an object under a new revision."""
        self.revision += 1
        entry = Entry(*_at(manifest, self.revision))
        before = self._objects.get(key)
        self._objects[key] = entry
        self._record(_Record(self.revision, key[0], before, entry, entry.data))
        return entry

    def remove(self, key: Key) -> None:
        """Remove an object; watchers see its last state, at the revision of the removal."""
        self.revision += 1
        entry = self._objects.pop(key)
        _, data = _at(entry.manifest, self.revision)
        self._record(_Record(self.revision, key[0], entry, None, data))

    def watch(self, resource: str, since: str, matches: Matches) -> Watcher:
        """A watcher that starts after revision ``since``.

        Raises:
            Expired: the history no longer reaches so far back.
            Invalid: ``since`` is no revision.
        """
        if not since.isdigit():
            raise Invalid(f"invalid resource version {since!r}", code=400, reason="BadRequest")
        if int(since) < self._compacted:
            raise Expired(
                f"too old resource version: {since} ({self._compacted})",
                code=410,
                reason="Expired",
            )
        watcher = Watcher(resource, matches)
        for record in self._history:
            if record.revision > int(since):
                watcher.offer(record)
        self.watchers.append(watcher)
        return watcher

    def compact(self) -> None:
        """Forget all history; who has not read it all must list again."""
        self._history.clear()
        self._compacted = self.revision

    def _record(self, record: _Record) -> None:
        self._history.append(record)
        if len(self._history) > self._window:
            self._compacted = self._history.popleft().revision
        for watcher in self.watchers:
            watcher.offer(record)
        self._tell(record)

    def _tell(self, record: _Record) -> None:
        before = record.before.manifest if record.before is not None else None
        change = Change.ADDED if before is None else Change.MODIFIED
        now = record.after.manifest if record.after is not None else before
        assert now is not None
        for observer in self.observers:
            observer(
                Change.DELETED if record.after is None else change, record.resource, now, before
            )


class _Bookmark(Camel, frozen=True, kw_only=True):
    metadata: Metadata
