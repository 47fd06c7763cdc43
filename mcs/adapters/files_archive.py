"""Writes an exported log: segments, and a manifest that is replaced last.

Killed at any moment, a folder holds what its manifest names, whole: a segment is written beside its
name, synced and renamed before the manifest is, and the manifest likewise. Whatever else lies there
with a name of ours was being written, or was replaced, and is removed when the folder is opened
next; so a reader of the manifest before finds its files for one run longer.

A small last segment is taken up into the next one, so that many small exports do not end in many
small files.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

import mcs
from mcs.adapters.files import read_segment
from mcs.adapters.files_format import (
    MANIFEST,
    Kept,
    Manifest,
    read_manifest,
    utc,
)
from mcs.adapters.files_segment import GrowingSegment
from mcs.errors import BadSettings, LogLost
from mcs.events.event import Last
from mcs.events.seals import Seal
from mcs.ports import Archived, Clock, Mark, Stored, Stream, StreamInfo

SEGMENT_BYTES: Final = 4 * 1024 * 1024
SEGMENT_MESSAGES: Final = 20_000
_PART: Final = ".part"
_SEGMENT: Final = re.compile(r"(observations|decisions)-\d{12,}-\d{12,}\.jsonl\.gz(\.part)?")
_LOCK: Final = "lock"


@contextlib.contextmanager
def open_archive(
    folder: Path,
    clock: Clock,
    *,
    segment_bytes: int = SEGMENT_BYTES,
    segment_messages: int = SEGMENT_MESSAGES,
) -> Iterator[FolderArchive]:
    """The folder, made if need be, for one writer at a time.

    Raises:
        BadSettings: it cannot be used, holds something else, or another export writes there.
        LogLost: its manifest is damaged.
    """
    with contextlib.ExitStack() as stack:
        with _refusing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            manifest = read_manifest(folder)
            names = {path.name for path in folder.iterdir()}
            if manifest is None and (strange := sorted(names - {_LOCK, MANIFEST + _PART})):
                raise BadSettings(
                    f"{folder} holds other things ({', '.join(strange[:3])}) and no {MANIFEST}: "
                    "name an empty folder"
                )
            stack.enter_context(_locked(folder))
            manifest = read_manifest(folder) or Manifest()
            archive = FolderArchive(folder, clock, manifest, segment_bytes, segment_messages)
            archive.check()
            archive.clean()
        yield archive


class FolderArchive:
    """``Archive`` of ``mcs.ports`` in a folder."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        manifest: Manifest,
        segment_bytes: int,
        segment_messages: int,
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self._clock = clock
        self._limits = segment_bytes, segment_messages
        self._growing: dict[Stream, GrowingSegment] = {}

    @property
    def place(self) -> str:
        """See ``mcs.ports.Archive.place``."""
        return str(self.folder)

    def archived(self, stream: Stream) -> Archived | None:
        """See ``mcs.ports.Archive.archived``."""
        kept = self.manifest.streams.get(stream)
        if kept is None:
            return None
        info = StreamInfo(first=kept.first, last=kept.last, identity=kept.identity)
        marks = (Mark(each.last, each.last_time_ns, each.message) for each in kept.segments)
        return Archived(info, tuple(marks))

    async def begin(self, streams: Mapping[Stream, StreamInfo]) -> None:
        """See ``mcs.ports.Archive.begin``."""
        new = {
            stream: Kept(identity=info.identity, first=info.first, last=info.first - 1)
            for stream, info in streams.items()
            if stream not in self.manifest.streams
        }
        if new:
            with _refusing(self.folder):
                self._write_manifest({**self.manifest.streams, **new})

    async def add(self, stream: Stream, messages: Sequence[Stored]) -> None:
        """See ``mcs.ports.Archive.add``."""
        most_bytes, most_messages = self._limits
        growing = self._growing.get(stream) or self._grow(stream)
        for stored in messages:
            growing.add(stored)
            if growing.size >= most_bytes or len(growing.lines) >= most_messages:
                await self.finish(stream)
                growing = self._grow(stream)

    async def finish(self, stream: Stream) -> None:
        """See ``mcs.ports.Archive.finish``."""
        growing = self._growing.pop(stream, None)
        if growing is not None and growing.news:
            # In a thread: meanwhile the connection to NATS is served.
            await asyncio.to_thread(self._keep, stream, growing)

    def check(self) -> None:
        """Whether the files that the manifest names are there, as long as they were.

        Raises:
            LogLost: one is not; nothing can be added to what is not whole.
        """
        for kept in self.manifest.streams.values():
            for segment in kept.segments:
                path = self.folder / segment.file
                size = path.stat().st_size if path.exists() else None
                if size != segment.size:
                    found = "is missing" if size is None else f"has {size} bytes of {segment.size}"
                    raise LogLost(
                        f"{path} {found}: this export is not whole; bring the file back, or export "
                        "into another folder"
                    )

    def clean(self) -> None:
        """Remove files of ours that the manifest does not name."""
        named = {each.file for kept in self.manifest.streams.values() for each in kept.segments}
        for path in self.folder.iterdir():
            if _SEGMENT.fullmatch(path.name) and path.name not in named:
                path.unlink()

    def _grow(self, stream: Stream) -> GrowingSegment:
        """The segment to add to: after the last one, or in place of a small one."""
        kept = self.manifest.streams[stream]
        most_bytes, most_messages = self._limits
        last = kept.segments[-1] if kept.segments else None
        if last and last.bytes * 2 < most_bytes and (last.last - last.first) * 2 < most_messages:
            growing = GrowingSegment(kept, stream, kept.segments[:-1])
            for stored in read_segment(self.folder, last):
                growing.add(stored)
            growing.news = False
        else:
            growing = GrowingSegment(kept, stream, kept.segments)
        self._growing[stream] = growing
        return growing

    def _keep(self, stream: Stream, growing: GrowingSegment) -> None:
        segment, data = growing.segment()
        kept = self.manifest.streams[stream]
        with _refusing(self.folder):
            self._write(segment.file, data)
            self._write_manifest(
                {
                    **self.manifest.streams,
                    stream: Kept(
                        identity=kept.identity,
                        first=kept.first,
                        last=segment.last,
                        segments=(*growing.before, segment),
                    ),
                }
            )

    def _write_manifest(self, streams: dict[Stream, Kept]) -> None:
        manifest = Manifest(
            mcs=mcs.__version__,
            written=utc(int(self._clock.now())),
            token=str(_seal(streams)),
            streams=streams,
        )
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        self._write(MANIFEST, text + b"\n")
        self.manifest = manifest

    def _write(self, name: str, data: bytes) -> None:
        """A whole file or none, also after a power failure."""
        path = self.folder / name
        part = self.folder / f"{name}{_PART}"
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _seal(streams: Mapping[Stream, Kept]) -> Seal:
    observed = decided = Last()
    for stream, kept in streams.items():
        if not kept.segments:
            continue
        last = kept.segments[-1]
        if stream is Stream.DECISIONS:
            decided = Last(sequence=last.last, digest=last.message)
        elif last.running:
            observed = Last(sequence=last.last, digest=last.running)
    return Seal(decided=decided, observed=observed)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadSettings(f"another export is writing to {folder}: wait for its end") from None
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadSettings(f"cannot write to {folder}: {error}") from error
