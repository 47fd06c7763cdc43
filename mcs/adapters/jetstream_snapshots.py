"""Snapshots in a NATS object store, readable by every tool that knows one (``nats object ls``).

The layout is NATS' own (ADR-20): an object's chunks on a subject of its own, then one message that
names them, with their number and digest; so an object is there whole or not at all. It is written
here over the log's connection: nats-py's object store reads by a push consumer, waits for ever when
chunks are missing, and sends after a reconnect what was given up before it. What is stored is
compressed (zlib) in a thread, since that takes longer than all the rest.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import uuid
import zlib
from typing import Final

import msgspec

from mcs.adapters.jetstream_api import (
    MESSAGE_NOT_FOUND,
    STREAM_NOT_FOUND,
    Answer,
    ApiError,
    MessageAnswer,
    PubAck,
    ask,
    decoded,
    stored,
)
from mcs.adapters.jetstream_connection import Connection, Headers
from mcs.errors import BadSnapshot, LogError, Unavailable
from mcs.ports import Stored

BUCKET: Final = "mcs-snapshots"
STREAM: Final = f"OBJ_{BUCKET}"
CHUNKS: Final = f"$O.{BUCKET}.C."
METAS: Final = f"$O.{BUCKET}.M."

_CHUNK_BYTES: Final = 128 * 1024
_LEVEL: Final = 1  # of zlib: a third more bytes than the best, in a tenth of the time
_ABANDONED_NS: Final = 600 * 1_000_000_000  # chunks so old that no meta names: a save that died


class _Meta(msgspec.Struct, kw_only=True):
    """What names an object's chunks."""

    name: str
    bucket: str = BUCKET
    nuid: str
    size: int
    chunks: int
    digest: str
    description: str = "state of the mcs scheduler; zlib"
    deleted: bool = False


class _Subjects(msgspec.Struct, frozen=True):
    subjects: dict[str, int] | None = None


class _SubjectsAnswer(Answer, frozen=True):
    state: _Subjects = _Subjects()


class JetStreamSnapshots:
    """``Snapshots`` of ``mcs.ports`` over a connection to NATS."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def names(self) -> list[str]:
        """See ``mcs.ports.Snapshots.names``."""
        found = [await self._last(subject) for subject in await self._subjects(METAS)]
        metas = [(kept.sequence, _decoded(kept)) for kept in found if kept is not None]
        whole = [(sequence, meta) for sequence, meta in metas if meta and not meta.deleted]
        return [meta.name for _, meta in sorted(whole, key=lambda item: item[0], reverse=True)]

    async def load(self, name: str) -> bytes:
        """See ``mcs.ports.Snapshots.load``."""
        meta = await self._meta(name)
        if meta is None or meta.deleted:
            raise BadSnapshot(f"there is no snapshot {name}")
        chunks: list[bytes] = []
        sequence = 0
        for number in range(1, meta.chunks + 1):
            request = {"seq": sequence + 1, "next_by_subj": CHUNKS + meta.nuid}
            chunk = await self._get(request)
            if chunk is None:
                raise BadSnapshot(f"snapshot {name}: chunk {number} of {meta.chunks} is missing")
            sequence = chunk.sequence
            chunks.append(chunk.data)
        return await asyncio.to_thread(_unpacked, meta, chunks)

    async def save(self, name: str, data: bytes) -> None:
        """See ``mcs.ports.Snapshots.save``."""
        packed = await asyncio.to_thread(zlib.compress, data, _LEVEL)
        nuid = uuid.uuid4().hex
        before = await self._meta(name)
        chunks = [packed[at : at + _CHUNK_BYTES] for at in range(0, len(packed), _CHUNK_BYTES)]
        try:
            for chunk in chunks:
                await self._publish(CHUNKS + nuid, chunk)
            digest = await asyncio.to_thread(_digest, chunks)
            meta = _Meta(name=name, nuid=nuid, size=len(packed), chunks=len(chunks), digest=digest)
            told = msgspec.json.encode(meta)
            await self._publish(_meta_subject(name), told, {"Nats-Rollup": "sub"})
        except LogError as error:
            raise Unavailable(f"snapshot {name} was not saved: {error}") from error
        if before is not None:
            await self._purge(CHUNKS + before.nuid)
        await self._sweep(name)

    async def delete(self, name: str) -> None:
        """See ``mcs.ports.Snapshots.delete``."""
        meta = await self._meta(name)
        if meta is not None:
            await self._purge(_meta_subject(name))  # first: nobody shall find half of it
            await self._purge(CHUNKS + meta.nuid)

    async def _sweep(self, saved: str) -> None:
        """Drop the chunks of saves that died on the way."""
        newest = await self._last(_meta_subject(saved))
        if newest is None:
            return
        metas = [await self._last(subject) for subject in await self._subjects(METAS)]
        known = [meta.nuid for kept in metas if kept and (meta := _decoded(kept))]
        for subject in await self._subjects(CHUNKS):
            if subject.removeprefix(CHUNKS) in known:
                continue
            last = await self._last(subject)
            if last is not None and last.time_ns < newest.time_ns - _ABANDONED_NS:
                await self._purge(subject)

    async def _meta(self, name: str) -> _Meta | None:
        kept = await self._last(_meta_subject(name))
        return _decoded(kept) if kept is not None else None

    async def _subjects(self, prefix: str) -> list[str]:
        request = {"subjects_filter": prefix + ">"}
        answer = await ask(self._connection, f"STREAM.INFO.{STREAM}", _SubjectsAnswer, request)
        _check(answer.error)
        return sorted(answer.state.subjects or {})

    async def _last(self, subject: str) -> Stored | None:
        return await self._get({"last_by_subj": subject})

    async def _get(self, request: dict[str, object]) -> Stored | None:
        answer = await ask(self._connection, f"STREAM.MSG.GET.{STREAM}", MessageAnswer, request)
        if answer.error is not None and answer.error.err_code == MESSAGE_NOT_FOUND:
            return None
        _check(answer.error)
        return stored(answer.message) if answer.message is not None else None

    async def _publish(self, subject: str, data: bytes, headers: Headers | None = None) -> None:
        ack = decoded(await self._connection.call(subject, data, headers=headers), PubAck)
        _check(ack.error)

    async def _purge(self, subject: str) -> None:
        answer = await ask(self._connection, f"STREAM.PURGE.{STREAM}", Answer, {"filter": subject})
        _check(answer.error)


def _meta_subject(name: str) -> str:
    return METAS + base64.urlsafe_b64encode(name.encode()).decode()


def _digest(chunks: list[bytes]) -> str:
    hashed = hashlib.sha256()
    for chunk in chunks:
        hashed.update(chunk)
    return "SHA-256=" + base64.urlsafe_b64encode(hashed.digest()).decode()


def _unpacked(meta: _Meta, chunks: list[bytes]) -> bytes:
    if _digest(chunks) != meta.digest:
        raise BadSnapshot(f"snapshot {meta.name}: its bytes are not those that were saved")
    try:
        return zlib.decompress(b"".join(chunks))
    except zlib.error as error:
        raise BadSnapshot(f"snapshot {meta.name}: {error}") from error


def _decoded(kept: Stored) -> _Meta | None:
    """What a meta message says; None for one that is not ours to read."""
    try:
        return msgspec.json.decode(kept.data, type=_Meta)
    except msgspec.DecodeError:
        return None


def _check(error: ApiError | None) -> None:
    if error is None:
        return
    if error.err_code == STREAM_NOT_FOUND:
        raise Unavailable(f"there is no object store {BUCKET}; `mcs streams apply` makes it")
    raise Unavailable(f"{STREAM}: {error.description} ({error.err_code})")
