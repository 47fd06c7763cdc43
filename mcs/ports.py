"""The border: what the loops need of the world, as small protocols. The first ``async def`` here.

Everything below this file is pure. Each protocol has a real adapter and an in-memory twin, and one
contract suite (``tests/contracts``) that both pass; an ``Archive`` is a folder, which needs none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum, StrEnum
from typing import Generic, Protocol, TypeVar

import msgspec

from mcs.objects.kinds import Kind, Object

T = TypeVar("T", bound=Object)
Manifest = Mapping[str, object]
"""A Kubernetes object, or a part of one, as JSON-like data to be written."""


class Stream(StrEnum):
    """The two logs."""

    OBSERVATIONS = "OBSERVATIONS"
    DECISIONS = "DECISIONS"


class Stored(msgspec.Struct, frozen=True, gc=False):
    """One message as the log keeps it; ``time_ns`` is the server's clock (Unix, nanoseconds)."""

    sequence: int
    subject: str
    time_ns: int
    data: bytes


class StreamInfo(msgspec.Struct, frozen=True):
    """What a stream holds: sequences ``first`` to ``last``, and the random ``identity`` made with
    it. An empty stream has first == last + 1; one in which nothing was ever stored, 1 and 0.
    """

    first: int
    last: int
    identity: str


class Reader(Protocol):
    """A position in a stream that moves forward; it survives reconnects and never skips."""

    async def next(self, *, limit: int = 1000, timeout_s: float | None = None) -> list[Stored]:
        """The next messages in order, at least one; empty only after ``timeout_s`` seconds.

        Raises:
            LogLost: the stream ends before, or begins after, the reader's position.
            Unavailable: only when the reader was closed.
        """

    async def close(self) -> None:
        """Stop; pending ``next`` calls raise ``Unavailable``."""


class EventLog(Protocol):
    """The two streams. Subjects decide the stream: ``mcs.obs.`` or ``mcs.dec.``."""

    @property
    def breaks(self) -> int:
        """How often the connection broke so far. Servers that lost something were started anew,
        which breaks it: the logs are to be compared with what is known of them before anything
        is appended again.
        """

    async def append(
        self, messages: Sequence[tuple[str, bytes]], *, expected_last: int | None = None
    ) -> int:
        """Append messages (subject, bytes) of one stream whole or not at all.

        Returns: the sequence of the last of them; they are consecutive.
        ``expected_last`` is the fence: the stream's last sequence must be it.

        Raises:
            Refused: the fence held; nothing was written by *this* call.
            Uncertain: no answer; it may have been stored.
            Unavailable: nothing was sent.
            TooLarge: the server does not take it.
        """

    async def read(self, stream: Stream, *, after: int = 0, subject: str = "") -> Reader:
        """Read from the message after sequence ``after``, on ``subject`` (default: all)."""

    async def info(self, stream: Stream) -> StreamInfo:
        """What the stream holds now (read from the stream's leader).

        Raises:
            Unavailable: no answer.
            LogLost: there is no such stream.
        """

    async def get(self, stream: Stream, sequence: int) -> Stored | None:
        """One message, or None (read from the stream's leader)."""

    async def last(self, stream: Stream, subject: str) -> Stored | None:
        """The last message on ``subject`` (wildcards allowed), or None."""


class Snapshots(Protocol):
    """Saved states, each whole under a name; only a help to start sooner, never the truth."""

    async def names(self) -> list[str]:
        """All names, the newest (last saved) first.

        Raises:
            Unavailable: no answer, or there is no place for snapshots.
        """

    async def load(self, name: str) -> bytes:
        """What was saved.

        Raises:
            BadSnapshot: there is none of that name, or it is not whole.
            Unavailable: no answer.
        """

    async def save(self, name: str, data: bytes) -> None:
        """Keep ``data`` under a name, in place of what had it; seen by others only when whole.

        Raises:
            Unavailable: no answer, or no room; the old one may have been replaced.
        """

    async def delete(self, name: str) -> None:
        """Drop one; nothing happens when there is none. Raises Unavailable."""


class Branch(Protocol):
    """Work on things as they are at one moment, while they go on changing."""

    def start(self, work: Callable[[], bytes]) -> Awaitable[bytes]:
        """Begin ``work``; the result comes when it is awaited, and nothing else that work does.

        Raises (when awaited):
            Unavailable: it ended without a result.
        """


class Mark(msgspec.Struct, frozen=True):
    """A message to be known again: ``digest`` is that of its subject and bytes."""

    sequence: int
    time_ns: int
    digest: str


class Archived(msgspec.Struct, frozen=True):
    """What an archive holds of a stream; ``marks``: some of its messages in order, the last too."""

    info: StreamInfo
    marks: tuple[Mark, ...] = ()


class Archive(Protocol):
    """Copies of both streams outside NATS that only grow at their ends (``mcs export``).

    After a crash it holds what it took, up to some message, and nothing by halves.
    """

    @property
    def place(self) -> str:
        """Its name, for people."""

    def archived(self, stream: Stream) -> Archived | None:
        """What it holds of a stream; None before it was begun."""

    async def begin(self, streams: Mapping[Stream, StreamInfo]) -> None:
        """Begin the streams that were not begun yet, each at its ``first``."""

    async def add(self, stream: Stream, messages: Sequence[Stored]) -> None:
        """Take the messages that follow those it has.

        Raises:
            BadSettings: they cannot be written.
            LogLost: what it holds is damaged.
        """

    async def finish(self, stream: Stream) -> None:
        """Keep what was added; before that it may be lost by a crash."""


class Requests(Protocol):
    """Questions between members, not stored: subjects ``mcs.ctl.<asked>.<asker>.<what>``."""

    async def ask(self, subject: str, data: bytes = b"", *, timeout_s: float = 2.0) -> bytes:
        """The answer.

        Raises:
            Unavailable: nobody answered in time.
        """

    async def answer(
        self, subject: str, reply: Callable[[str, bytes], Awaitable[bytes]]
    ) -> Callable[[], Awaitable[None]]:
        """Answer requests on ``subject`` (wildcards) by ``reply(subject, data)``; the returned
        coroutine function stops that.
        """


class Change(StrEnum):
    """What a watch says happened; BOOKMARK carries only a resourceVersion."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


class Watched(msgspec.Struct, Generic[T], frozen=True):
    """One event of a watch."""

    change: Change
    object: T


class Listed(msgspec.Struct, Generic[T], frozen=True):
    """A whole list, and the resourceVersion to watch from."""

    items: list[T]
    resource_version: str


class Patch(Enum):
    """Content type of a patch."""

    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    JSON = "application/json-patch+json"


class Cluster(Protocol):
    """One Kubernetes API server. Every method raises the ``ClusterError`` that the answer means."""

    async def version(self) -> str:
        """The API server's ``gitVersion``."""

    async def list(
        self, kind: Kind[T], *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Listed[T]:
        """All objects of a kind, or what it keeps of them, read in pages; ``labels`` and ``fields``
        are selectors.
        """

    def watch(
        self,
        kind: Kind[T],
        *,
        since: str,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
    ) -> AbstractAsyncContextManager[AsyncIterator[Watched[T]]]:
        """Changes after resourceVersion ``since``. The iterator ends when the server closes it.

        Raises:
            Expired: ``since`` is too old (when opened, or while it runs).
            Unreachable: the connection broke.
        """

    async def get(self, kind: Kind[T], name: str, *, namespace: str = "") -> T:
        """One object. Raises NotFound."""

    async def read(self, kind: Kind[T], name: str, *, namespace: str = "") -> dict[str, object]:
        """One object whole, as JSON-like data. Raises NotFound."""

    async def create(
        self,
        kind: Kind[T],
        manifest: Manifest,
        *,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> T:
        """Create an object, or (with ``name`` and ``subresource``) post to a subresource, such as
        ``binding`` (which needs metadata.name); the latter gives an empty object.

        Raises:
            AlreadyExists: an object of that name is there.
            NotFound: the namespace is not.
        """

    async def patch(
        self,
        kind: Kind[T],
        name: str,
        patch: Manifest | Sequence[object],
        *,
        namespace: str = "",
        subresource: str = "",
        type: Patch = Patch.MERGE,
    ) -> T:
        """Patch an object or its ``subresource``; put metadata.uid or metadata.resourceVersion into
        the patch as preconditions, which raise Conflict when they fail.
        """

    async def delete(
        self,
        kind: Kind[T],
        name: str,
        *,
        namespace: str = "",
        uid: str = "",
        resource_version: str = "",
        grace_s: int | None = None,
    ) -> None:
        """Ask for deletion, with preconditions. Raises NotFound, Conflict."""


class Clock(Protocol):
    """Time as this process knows it: never a fact, never in the core."""

    def now(self) -> float:
        """Unix time in seconds, for people and Lease objects."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
