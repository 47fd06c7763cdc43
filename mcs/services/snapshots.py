"""Snapshots: the scheduler's state, saved now and then, so that the next start is a short one.

A snapshot is taken at a cycle boundary: the state in which a cycle was decided, without the cycle's
own events, and after the log has confirmed it. So the log itself can bear witness: the decision
after the snapshot must name its ``state`` and ``observed``. Whatever is wrong with one (its bytes,
its version, its log), it is passed over with a warning, and an older one, or the log's head, is
taken in its place: a snapshot can make a start slow, but never wrong.

    checksum of the rest, space, head (JSON), newline, body (JSON; ``projections.dumping``)
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec

import mcs
from mcs.errors import BadFrame, BadSnapshot, McsError, Unavailable
from mcs.events import codec
from mcs.events.event import Last
from mcs.events.frames import SCHEMA
from mcs.ports import Branch, Clock, EventLog, Snapshots, Stream, StreamInfo
from mcs.projections.dumping import dump, restore
from mcs.projections.state import RULES, State
from mcs.settings import SchedulerSettings

_log = logging.getLogger(__name__)
N = TypeVar("N", bound="_Numbers")

FORMAT: Final = 1
"""Number of the form described above; a reader of an older one passes newer ones over."""


class _Numbers(msgspec.Struct, kw_only=True):
    """What every version can read of a head."""

    format: int
    schema: int
    rules: int
    version: str


class Head(_Numbers, kw_only=True):
    """What a snapshot says of itself.

    ``decided`` and ``observed``: the last messages folded (the latter with the running digest);
    ``state``: digest of the state; ``streams``: identities; ``taken_s``: Unix time at the taker's.
    """

    taken_s: float
    decided: Last
    observed: Last
    state: str
    streams: dict[str, str]


class Start(NamedTuple):
    """A state to go on from, and in words where it comes from."""

    state: State
    told: str


def head_of(state: State, streams: Mapping[Stream, StreamInfo], taken_s: float) -> Head:
    """What a snapshot of ``state``, which stands at a cycle boundary, will say of itself."""
    return Head(
        format=FORMAT,
        schema=SCHEMA,
        rules=RULES,
        version=mcs.__version__,
        taken_s=taken_s,
        decided=state.decided,
        observed=state.observed,
        state=state.digest(),
        streams={stream.value: info.identity for stream, info in streams.items()},
    )


def seal(head: Head, state: State) -> bytes:
    """A snapshot as it is stored."""
    rest = msgspec.json.encode(head) + b"\n" + dump(state)
    return _checksum(rest) + b" " + rest


def pack(state: State, streams: Mapping[Stream, StreamInfo], taken_s: float) -> bytes:
    """A snapshot of ``state``, as it is stored."""
    return seal(head_of(state, streams, taken_s), state)


def unpack(data: bytes) -> tuple[Head, State]:
    """A snapshot's head and its state, checked by themselves.

    Raises:
        BadSnapshot: damaged, or made by a version that this one does not follow.
    """
    checksum, _, rest = data.partition(b" ")
    line, _, body = rest.partition(b"\n")
    _check_version(line)
    if _checksum(rest) != checksum:
        raise BadSnapshot("its bytes are damaged (checksum)")
    head = _decoded(line, Head)
    state = restore(body)
    if (state.decided, state.observed) != (head.decided, head.observed):
        raise BadSnapshot("it is not the state that its head speaks of")
    if head.rules == RULES and (found := state.digest()) != head.state:
        raise BadSnapshot(f"its state has the digest {found}, not {head.state}")
    return head, state


async def newest(
    snapshots: Snapshots | None, log: EventLog, clock: Clock, infos: Mapping[Stream, StreamInfo]
) -> Start:
    """The newest snapshot that fits this log, else an empty state. ``infos``: of both streams now.

    Raises:
        Unavailable: the log does not answer.
    """
    for name in await _names(snapshots):
        assert snapshots is not None
        try:
            data = await snapshots.load(name)
        except (BadSnapshot, Unavailable) as error:
            _log.warning("snapshot %s is passed over: %s", name, error)
            continue
        try:
            head, state = unpack(data)
            await _check_log(head, log, infos)
        except BadSnapshot as error:
            _log.warning("snapshot %s is passed over: %s", name, error)
            continue
        tail = sum(info.last for info in infos.values())
        tail -= head.decided.sequence + head.observed.sequence
        age = _age(clock.now() - head.taken_s)
        told = (
            f"starting from snapshot at decision {head.decided.sequence} "
            f"({age} old, {_size(len(data))}) + {tail:,} messages"
        )
        return Start(state, told)
    messages = sum(info.last - info.first + 1 for info in infos.values())
    return Start(State(), f"no snapshot: from the log's head, {messages:,} messages")


class Keeper:
    """Saves a snapshot now and then, off the scheduler's path, and keeps the newest few."""

    def __init__(
        self,
        snapshots: Snapshots | None,
        branch: Branch | None,
        clock: Clock,
        settings: SchedulerSettings,
    ) -> None:
        self._snapshots = snapshots if settings.snapshot_every_s > 0 else None
        self._branch = branch
        self._clock = clock
        self._settings = settings
        self._streams: Mapping[Stream, StreamInfo] = {}
        self._position = 0
        self._looked_s = 0.0
        self._saving: asyncio.Task[None] | None = None

    def begin(self, state: State, streams: Mapping[Stream, StreamInfo]) -> None:
        """Count from this state on, which needs no snapshot: it came from one, or from the head."""
        self._streams = streams
        self._position = state.position
        self._looked_s = self._clock.monotonic()

    def consider(self, state: State) -> None:
        """Take a snapshot if one is due. ``state``: one in which a cycle was decided that is
        stored, without its events.
        """
        if self._snapshots is None or self._branch is None:
            return
        if self._saving is not None or not self._due(state):
            return
        self.begin(state, self._streams)
        head = head_of(state, self._streams, self._clock.now())
        data = self._branch.start(lambda: seal(head, state))
        self._saving = asyncio.create_task(self._save(self._snapshots, head, data))

    async def close(self) -> None:
        """End a save that is under way; what is not whole is not there."""
        if self._saving is not None:
            self._saving.cancel()
            await asyncio.wait({self._saving})

    def _due(self, state: State) -> bool:
        waited_s = self._clock.monotonic() - self._looked_s
        many = state.position - self._position >= self._settings.snapshot_messages
        return many or waited_s >= self._settings.snapshot_every_s

    async def _save(self, snapshots: Snapshots, head: Head, sealed: Awaitable[bytes]) -> None:
        """Store, read back and compare; then drop what is too old. Never fails."""
        began_s = self._clock.monotonic()
        name = f"decision-{head.decided.sequence:012d}"
        try:
            data = await sealed
            await snapshots.save(name, data)
            if await snapshots.load(name) != data:
                raise BadSnapshot("what was stored is not what was saved")
            took_s = self._clock.monotonic() - began_s
            _log.info("snapshot %s stored: %s in %.1f s", name, _size(len(data)), took_s)
            for old in (await snapshots.names())[self._settings.snapshots_kept :]:
                await snapshots.delete(old)
        except McsError as error:
            _log.warning("snapshot %s: %s; the next one is tried later", name, error)
        except Exception:  # noqa: BLE001 (a store that fails must not stop who decides)
            _log.exception("snapshot %s; the next one is tried later", name)
        finally:
            self._saving = None


def _decoded(line: bytes, type: type[N]) -> N:
    try:
        return msgspec.json.decode(line, type=type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadSnapshot(f"its head is damaged: {error}") from error


def _check_version(line: bytes) -> None:
    """Newer ones are not understood, much older ones were not tried. Raises BadSnapshot."""
    numbers = _decoded(line, _Numbers)
    told = f"(mcs {numbers.version}, format {numbers.format}, schema {numbers.schema}, "
    told += f"rules {numbers.rules})"
    if numbers.format > FORMAT or numbers.schema > SCHEMA or numbers.rules > RULES:
        raise BadSnapshot(f"a newer version made it {told}")
    if numbers.format < FORMAT or numbers.schema < SCHEMA - 1 or numbers.rules < RULES - 1:
        raise BadSnapshot(f"a version older than this one's predecessor made it {told}")


def _checksum(rest: bytes) -> bytes:
    return hashlib.blake2b(rest, digest_size=16).hexdigest().encode()


async def _check_log(head: Head, log: EventLog, infos: Mapping[Stream, StreamInfo]) -> None:
    """Whether the snapshot is of this log, by the log's own words. Raises BadSnapshot."""
    if head.rules != RULES and all(info.first == 1 for info in infos.values()):
        raise BadSnapshot(
            f"rules {head.rules} folded it, and rules {RULES} can fold the whole log, maybe to "
            "another state"
        )
    folded = {Stream.DECISIONS: head.decided.sequence, Stream.OBSERVATIONS: head.observed.sequence}
    for stream, info in infos.items():
        identity = head.streams.get(stream)
        if identity != info.identity:
            raise BadSnapshot(f"it is of another {stream} ({identity}, here {info.identity})")
        if folded[stream] + (stream is Stream.DECISIONS) > info.last:
            raise BadSnapshot(
                f"it is ahead of {stream}, which ends at {info.last}: was the log's end lost?"
            )
        if folded[stream] + 1 < info.first:
            raise BadSnapshot(f"{stream} was trimmed beyond it, to {info.first}")
    sequence = head.decided.sequence + 1
    stored = await log.get(Stream.DECISIONS, sequence)
    if stored is None:
        raise BadSnapshot(f"decision {sequence}, which follows it, is not there")
    try:
        frame, _ = codec.decode_decision(stored.subject, stored.data)
    except BadFrame as error:
        raise BadSnapshot(f"decision {sequence}, which follows it, says nothing") from error
    said = (frame.previous, frame.based_on, frame.observed)
    if frame.index or said != (head.decided.digest, head.observed.sequence, head.observed.digest):
        raise BadSnapshot(f"decision {sequence} does not follow it: the log is another one")
    if frame.state != head.state:
        raise BadSnapshot(
            f"decision {sequence} was made in state {frame.state}, it is of {head.state}"
        )


async def _names(snapshots: Snapshots | None) -> list[str]:
    if snapshots is None:
        return []
    try:
        return await snapshots.names()
    except Unavailable as error:
        _log.warning("no snapshots: %s", error)
        return []


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _size(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB" if count >= 1 << 20 else f"{count / 1024:.0f} KiB"
