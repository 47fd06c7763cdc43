"""Copies the log into an archive, and goes on from there the next time.

Nothing is written before the archive is known to hold this very log: of each stretch that it holds,
the last message is compared with the one in the log. Each stream names messages of the other one:
decisions what they were based on, heartbeats the decision that an agent read last. So the ends are
taken at a moment at which no decision came; and observations are copied first, so that each
decision finds those that it was based on, also when a run was killed.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mcs.errors import LogLost
from mcs.events.frames import digest
from mcs.ports import Archive, Archived, EventLog, Mark, Stored, Stream, StreamInfo
from mcs.services.timestamps import timestamp

_PAGE = 1000
_LOOKS = 100  # for a moment between two decisions


class Copied(msgspec.Struct, frozen=True):
    """How far an export is: messages and bytes copied of a stream, of ``total`` messages to copy;
    ``last``: the sequence reached.
    """

    stream: Stream
    messages: int
    bytes: int
    total: int
    last: int


async def export(
    log: EventLog, archive: Archive, progress: Callable[[Copied], None] = lambda _: None
) -> tuple[Copied, ...]:
    """Copy what the archive has not got yet, up to the log's ends now; per stream, what was copied.

    Raises:
        LogLost: the archive holds another log, or one that was longer or different, or the log's
            beginning was trimmed past the archive's end.
        BadSettings: the archive cannot be written.
        Unavailable: the log cannot be read.
    """
    ends = await _ends(log)
    for stream, info in ends.items():
        archived = archive.archived(stream)
        if archived is not None:
            await _compare(log, stream, info, archived, archive.place)
    await archive.begin(ends)
    copied = []
    for stream, info in ends.items():
        copied.append(await _copy(log, archive, stream, info, progress))
    return tuple(copied)


async def _ends(log: EventLog) -> dict[Stream, StreamInfo]:
    """Where both streams ended at one moment, or nearly, where decisions never cease to come."""
    decisions = await log.info(Stream.DECISIONS)
    for _ in range(_LOOKS):
        observations = await log.info(Stream.OBSERVATIONS)
        before, decisions = decisions, await log.info(Stream.DECISIONS)
        if decisions.last == before.last:
            break
    return {Stream.OBSERVATIONS: observations, Stream.DECISIONS: before}


async def _copy(
    log: EventLog,
    archive: Archive,
    stream: Stream,
    info: StreamInfo,
    progress: Callable[[Copied], None],
) -> Copied:
    archived = archive.archived(stream)
    assert archived is not None, "it was begun"
    position = begun = archived.info.last
    messages = size = 0
    reader = await log.read(stream, after=position)
    try:
        while position < info.last:
            page = await reader.next(limit=min(_PAGE, info.last - position), timeout_s=None)
            await archive.add(stream, page)
            position = page[-1].sequence
            messages += len(page)
            size += sum(len(stored.data) for stored in page)
            progress(Copied(stream, messages, size, info.last - begun, position))
        await archive.finish(stream)
    finally:
        await reader.close()
    return Copied(stream, messages, size, info.last - begun, position)


async def _compare(
    log: EventLog, stream: Stream, info: StreamInfo, archived: Archived, place: str
) -> None:
    """Whether the log is the one that was archived, and no shorter. Raises LogLost."""
    kept = archived.info
    elsewhere = f"{place} is kept as it is; export this log into another folder"
    if info.identity != kept.identity:
        raise LogLost(
            f"{place} holds the export of another log: its {stream} is {kept.identity}, this one "
            f"is {info.identity}; {elsewhere}"
        )
    if info.last < kept.last:
        raise LogLost(
            f"{stream} ends at {info.last}, but {place} holds it to {kept.last}: messages "
            f"{info.last + 1} to {kept.last}{_until(archived)} are lost in NATS; {elsewhere}"
        )
    if info.first > kept.last + 1:
        raise LogLost(
            f"{stream} now begins at {info.first}, but {place} ends at {kept.last}: messages "
            f"{kept.last + 1} to {info.first - 1} were trimmed before they were exported; "
            f"{elsewhere}"
        )
    same = max(kept.first, info.first) - 1
    for mark in archived.marks:
        if mark.sequence < info.first:
            continue
        if not _is(mark, await log.get(stream, mark.sequence)):
            raise LogLost(
                f"{stream} is not what was exported: message {mark.sequence} differs, and maybe "
                f"others after {same}; {elsewhere}"
            )
        same = mark.sequence


def _is(mark: Mark, stored: Stored | None) -> bool:
    return (
        stored is not None
        and stored.time_ns == mark.time_ns
        and digest(stored.subject, stored.data) == mark.digest
    )


def _until(archived: Archived) -> str:
    if not archived.marks:
        return ""
    return f" (the newest of {timestamp(archived.marks[-1].time_ns / 1e9)})"
