"""An exported log as an ``EventLog``: a folder that ``mcs export`` wrote, read without NATS.

Segments are read when they are needed and checked against the manifest's digests; few are kept in
memory. The log is what the manifest says it is at the moment of opening: it has an end, and what
would wait for more waits in vain.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mcs.adapters.files_format import (
    BAD_LINE,
    MANIFEST,
    Kept,
    Manifest,
    Segment,
    decode_line,
    read_manifest,
    sha256,
)
from mcs.adapters.memory_stream import matches
from mcs.errors import BadSettings, LogLost, Unavailable
from mcs.events.seals import Seal
from mcs.ports import Stored, Stream, StreamInfo

_CACHED: Final = 4  # segments: two readers of each stream


def open_folder(folder: Path) -> FolderLog:
    """The log in ``folder``.

    Raises:
        BadSettings: no exported log is there.
        LogLost: it is damaged.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise BadSettings(
            f"{folder} holds no exported log ({MANIFEST} is not there): `mcs export {folder}` "
            "writes one"
        )
    return FolderLog(folder, manifest)


class FolderLog:
    """``EventLog`` of ``mcs.ports`` over a folder; it takes nothing."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.closed = False
        self.breaks = 0  # there is no connection
        self._cache: OrderedDict[str, tuple[Stored, ...]] = OrderedDict()
        self._readers: list[FolderReader] = []

    @property
    def seal(self) -> Seal | None:
        """The digest that the manifest keeps of the whole. Raises LogLost: it is none."""
        token = self.manifest.token
        try:
            return Seal.parse(token) if token else None
        except BadSettings as error:
            path = self.folder / MANIFEST
            raise LogLost(f"{path} is damaged: its token {token!r} is no digest") from error

    async def append(
        self, messages: Sequence[tuple[str, bytes]], *, expected_last: int | None = None
    ) -> int:
        """See ``mcs.ports.EventLog.append``; always refused."""
        del messages, expected_last
        raise Unavailable(
            f"{self.folder} is an exported log, which is only read: write to the live one (--nats)"
        )

    async def read(self, stream: Stream, *, after: int = 0, subject: str = "") -> FolderReader:
        """See ``mcs.ports.EventLog.read``."""
        reader = FolderReader(self, stream, after=after, subject=subject)
        self._readers.append(reader)
        return reader

    async def info(self, stream: Stream) -> StreamInfo:
        """See ``mcs.ports.EventLog.info``."""
        kept = self.kept(stream)
        return StreamInfo(first=kept.first, last=kept.last, identity=kept.identity)

    async def get(self, stream: Stream, sequence: int) -> Stored | None:
        """See ``mcs.ports.EventLog.get``."""
        kept = self.kept(stream)
        if not kept.first <= sequence <= kept.last:
            return None
        segment = segment_of(kept, sequence)
        return self.messages(segment)[sequence - segment.first]

    async def last(self, stream: Stream, subject: str) -> Stored | None:
        """See ``mcs.ports.EventLog.last``."""
        for segment in reversed(self.kept(stream).segments):
            for stored in reversed(self.messages(segment)):
                if matches(subject, stored.subject):
                    return stored
        return None

    async def close(self) -> None:
        """Forget all; readers end."""
        self.closed = True
        self._cache.clear()
        for reader in self._readers:
            await reader.close()

    def kept(self, stream: Stream) -> Kept:
        """What the manifest says of a stream. Raises LogLost, Unavailable (closed)."""
        if self.closed:
            raise Unavailable("the log was closed")
        kept = self.manifest.streams.get(stream)
        if kept is None:
            raise LogLost(
                f"{self.folder} holds no {stream} yet: `mcs export {self.folder}` was interrupted "
                "before; run it again"
            )
        return kept

    def messages(self, segment: Segment) -> tuple[Stored, ...]:
        """All messages of a segment. Raises LogLost: its file is missing or damaged."""
        found = self._cache.get(segment.file)
        if found is None:
            found = read_segment(self.folder, segment)
            self._cache[segment.file] = found
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(segment.file)
        return found


class FolderReader:
    """See ``mcs.ports.Reader``."""

    def __init__(self, log: FolderLog, stream: Stream, *, after: int, subject: str) -> None:
        self._log = log
        self._stream = stream
        self._subject = subject
        self._position = after
        self._closed = asyncio.Event()

    async def next(self, *, limit: int = 1000, timeout_s: float | None = None) -> list[Stored]:
        """See ``mcs.ports.Reader.next``; at the end, without a time limit, there is no waiting.

        Raises:
            LogLost: also at the end of the log, when ``timeout_s`` is None.
        """
        await asyncio.sleep(0)  # others run, as they would while a network answers
        if self._closed.is_set() or self._log.closed:
            raise Unavailable("the reader was closed")
        kept = self._log.kept(self._stream)
        self._check(kept)
        while self._position < kept.last:
            if taken := self._take(kept, limit):
                return taken
            await asyncio.sleep(0)
        return await self._end(kept, timeout_s)

    async def close(self) -> None:
        """See ``mcs.ports.Reader.close``."""
        self._closed.set()

    def _take(self, kept: Kept, limit: int) -> list[Stored]:
        """What the next segment has for us, and go on behind it."""
        segment = segment_of(kept, self._position + 1)
        messages = self._log.messages(segment)
        at = self._position + 1 - segment.first
        if not self._subject:
            taken = list(messages[at : at + limit])
            self._position += len(taken)
            return taken
        taken = []
        while at < len(messages) and len(taken) < limit:
            if matches(self._subject, messages[at].subject):
                taken.append(messages[at])
            at += 1
        self._position = segment.first + at - 1
        return taken

    def _check(self, kept: Kept) -> None:
        if kept.last < self._position:
            text = f"ends at {kept.last}, before position {self._position}"
        elif kept.first > self._position + 1:
            text = f"begins at {kept.first}, after position {self._position} + 1"
        else:
            return
        raise LogLost(f"{self._stream} in {self._log.folder} {text}")

    async def _end(self, kept: Kept, timeout_s: float | None) -> list[Stored]:
        if timeout_s is None:
            raise LogLost(
                f"{self._stream} in {self._log.folder} ends at {kept.last}: it is an exported log, "
                "to which nothing comes"
            )
        try:
            async with asyncio.timeout(timeout_s):
                await self._closed.wait()
        except TimeoutError:
            return []
        raise Unavailable("the reader was closed")


def segment_of(kept: Kept, sequence: int) -> Segment:
    """The segment that holds a sequence between ``first`` and ``last``."""
    return kept.segments[bisect_left(kept.segments, sequence, key=lambda each: each.last)]


def read_segment(folder: Path, segment: Segment) -> tuple[Stored, ...]:
    """The messages of a file, proved to be those that were exported.

    Raises:
        LogLost: it is missing, cannot be read, or is not what the manifest says.
    """
    path = folder / segment.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LogLost(f"cannot read {path}, a part of the exported log: {error}") from error
    if sha256(data) != segment.sha256:
        what = (
            f"has {len(data)} bytes of {segment.size}" if len(data) != segment.size else "differs"
        )
        raise LogLost(f"{path} is damaged: it {what}; its SHA-256 is not {segment.sha256}")
    try:
        lines = gzip.decompress(data).splitlines()
        messages = tuple(decode_line(line) for line in lines)
    except (*BAD_LINE, OSError, EOFError, zlib.error) as error:
        raise LogLost(f"{path} is damaged: {error}") from error
    if [each.sequence for each in messages] != list(range(segment.first, segment.last + 1)):
        raise LogLost(f"{path} does not hold messages {segment.first} to {segment.last}")
    return messages
