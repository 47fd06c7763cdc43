"""The two streams, and the store of snapshots, as mcs needs them: made when missing, compared when
there, never deleted.

What differs is reported as data. Only differences that lose nothing are *safe*, and only those are
applied, and only when asked. An update sends back the whole configuration that was read, with our
fields changed: JetStream resets what an update leaves out.
"""

from __future__ import annotations

import re
import uuid
from typing import Final

import msgspec

from mcs.adapters.appending import MOST_BYTES
from mcs.adapters.jetstream import JetStream
from mcs.adapters.jetstream_api import (
    IDENTITY,
    NOT_ENABLED,
    STREAM_NOT_FOUND,
    Answer,
    ApiError,
    ask,
)
from mcs.adapters.jetstream_connection import Connection
from mcs.adapters.jetstream_snapshots import BUCKET, CHUNKS, METAS
from mcs.adapters.jetstream_snapshots import STREAM as SNAPSHOTS
from mcs.errors import BadSettings, Unavailable
from mcs.events.subjects import DECISIONS, OBSERVATIONS
from mcs.ports import Stream

OLDEST_SERVER: Final = (2, 12)
_METADATA_IDENTITY: Final = f"metadata.{IDENTITY}"
_NAME_IN_USE: Final = 10058
_DUPLICATE_WINDOW_NS: Final = 100_000_000  # the server's minimum; no message of ours has an id

Config = dict[str, object]

_WANTED: Final[Config] = {
    "storage": "file",
    "retention": "limits",
    "discard": "new",
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "max_msg_size": MOST_BYTES,
    "duplicate_window": _DUPLICATE_WINDOW_NS,
    "sealed": False,
    "no_ack": False,
    "deny_delete": True,
    "allow_rollup_hdrs": False,
    "allow_msg_ttl": False,
    "allow_direct": True,
}
_SUBJECTS: Final = {Stream.OBSERVATIONS: OBSERVATIONS, Stream.DECISIONS: DECISIONS}
_WANTED_OF_SNAPSHOTS: Final[Config] = {
    "storage": "file",
    "retention": "limits",
    "discard": "new",
    # No limit in bytes: each server would set so much aside. The scheduler keeps a few and no more.
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "sealed": False,
    "no_ack": False,
    "deny_delete": False,
    "deny_purge": False,
    "allow_rollup_hdrs": True,  # how an object store replaces what describes an object
    "allow_direct": True,
    "subjects": [CHUNKS + ">", METAS + ">"],
}
_SAFE: Final = frozenset(
    {
        "subjects",
        "discard",
        "max_msgs",
        "max_bytes",
        "max_age",
        "max_msgs_per_subject",
        "max_msg_size",
        "duplicate_window",
        "no_ack",
        "deny_delete",
        "deny_purge",
        "allow_rollup_hdrs",
        "allow_direct",
        "allow_atomic",
        _METADATA_IDENTITY,
    }
)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a stream that is not as wanted."""

    field: str
    wanted: object
    found: object
    safe: bool
    """Whether changing it in place loses nothing; others are for a person to solve."""
    applied: bool = False


class AppliedStream(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one stream, or done to it. ``stream``: its name for people."""

    stream: str
    identity: str
    created: bool = False
    differences: tuple[Difference, ...] = ()

    @property
    def as_wanted(self) -> bool:
        """Whether nothing differs any more."""
        return all(difference.applied for difference in self.differences)


class AppliedStreams(msgspec.Struct, frozen=True, kw_only=True):
    """What ``apply_streams`` found and did."""

    server_version: str
    streams: tuple[AppliedStream, ...]
    snapshots: AppliedStream

    @property
    def as_wanted(self) -> bool:
        """Whether nothing differs any more."""
        return all(stream.as_wanted for stream in (*self.streams, self.snapshots))


class _ConfigAnswer(Answer, frozen=True):
    """An answer that holds a stream's configuration, with fields we may not know."""

    config: Config = {}


async def apply_streams(
    log: JetStream, *, replicas: int = 1, change: bool = False
) -> AppliedStreams:
    """Create OBSERVATIONS, DECISIONS and the store of snapshots, or compare those that exist.

    Safe differences are applied only when ``change`` is set. Nothing is ever deleted.

    Raises:
        BadSettings: the server is too old, has no JetStream, or cannot keep so many replicas.
        Unavailable: no answer.
    """
    connection = log.connection
    version = await check_server(connection)
    streams = [
        await _apply(connection, stream, wanted_config(stream, replicas), change=change)
        for stream in Stream
    ]
    wanted = _WANTED_OF_SNAPSHOTS | {"num_replicas": replicas}
    snapshots = await _apply(connection, SNAPSHOTS, wanted, change=change)
    return AppliedStreams(
        server_version=version,
        streams=tuple(streams),
        snapshots=msgspec.structs.replace(snapshots, stream=BUCKET),
    )


async def check_server(connection: Connection) -> str:
    """The server's version. Raises BadSettings (too old, or no JetStream), Unavailable."""
    shown = str(connection.client.connected_server_version)
    version = shown.removeprefix("<nats server v").removesuffix(">")
    found = re.search(r"(\d+)\.(\d+)", version)
    url = connection.shown_url
    if found is None or (int(found[1]), int(found[2])) < OLDEST_SERVER:
        oldest = ".".join(map(str, OLDEST_SERVER))
        raise BadSettings(
            f"nats-server at {url} is {version}; mcs needs {oldest} or later (atomic batches): "
            "upgrade it"
        )
    remedy = (
        f"JetStream is not enabled at {url}: start nats-server with a `jetstream` block "
        "(deploy/nats has one) or with -js, and enable it for this account"
    )
    try:
        answer = await ask(connection, "INFO", Answer)
    except Unavailable as error:
        if "nobody listens" in str(error):
            raise BadSettings(remedy) from error
        raise
    if answer.error is not None:
        if answer.error.err_code in NOT_ENABLED:
            raise BadSettings(remedy)
        raise _setting_error(answer.error, "JetStream")
    return version


def wanted_config(stream: Stream, replicas: int) -> Config:
    """The fields of ``stream`` that mcs decides."""
    decisions = stream is Stream.DECISIONS
    return _WANTED | {
        "subjects": [_SUBJECTS[stream]],
        "num_replicas": replicas,
        "deny_purge": decisions,  # OBSERVATIONS is trimmed by purging its beginning
        "allow_atomic": decisions,
    }


def differences(wanted: Config, found: Config) -> tuple[Difference, ...]:
    """Where a stream's configuration is not as wanted; a field the server omits is off."""
    result = []
    for field, value in wanted.items():
        actual = found.get(field, [] if isinstance(value, list) else type(value)())
        if actual != value:
            safe = field in _SAFE or (field == "num_replicas" and _more(value, actual))
            result.append(Difference(field=field, wanted=value, found=actual, safe=safe))
    if not _identity(found):
        result.append(
            Difference(field=_METADATA_IDENTITY, wanted="a random id", found="", safe=True)
        )
    return tuple(result)


async def _apply(
    connection: Connection, stream: str, wanted: Config, *, change: bool
) -> AppliedStream:
    answer = await ask(connection, f"STREAM.INFO.{stream}", _ConfigAnswer)
    if answer.error is not None and answer.error.err_code == STREAM_NOT_FOUND:
        config = _with_identity({"name": stream, **wanted})
        answer = await ask(connection, f"STREAM.CREATE.{stream}", _ConfigAnswer, config)
        if answer.error is None:
            return AppliedStream(stream=stream, identity=_identity(answer.config), created=True)
        if answer.error.err_code == _NAME_IN_USE:  # somebody else was first
            answer = await ask(connection, f"STREAM.INFO.{stream}", _ConfigAnswer)
    if answer.error is not None:
        raise _setting_error(answer.error, stream)
    found = answer.config
    differing = differences(wanted, found)
    if change and any(difference.safe for difference in differing):
        found = await _change(connection, stream, found, differing)
        differing = tuple(
            msgspec.structs.replace(difference, applied=difference.safe) for difference in differing
        )
    return AppliedStream(stream=stream, identity=_identity(found), differences=differing)


async def _change(
    connection: Connection, stream: str, found: Config, differing: tuple[Difference, ...]
) -> Config:
    changed = {d.field: d.wanted for d in differing if d.safe and d.field != _METADATA_IDENTITY}
    config = found | changed
    if not _identity(found):
        config = _with_identity(config)
    answer = await ask(connection, f"STREAM.UPDATE.{stream}", _ConfigAnswer, config)
    if answer.error is not None:
        raise _setting_error(answer.error, stream)
    return answer.config


def _with_identity(config: Config) -> Config:
    metadata = config.get("metadata")
    kept = metadata if isinstance(metadata, dict) else {}
    return config | {"metadata": {**kept, IDENTITY: uuid.uuid4().hex}}


def _identity(config: Config) -> str:
    metadata = config.get("metadata")
    return str(metadata.get(IDENTITY, "")) if isinstance(metadata, dict) else ""


def _more(wanted: object, found: object) -> bool:
    return isinstance(wanted, int) and isinstance(found, int) and wanted > found


def _setting_error(error: ApiError, what: str) -> BadSettings | Unavailable:
    text = f"{what}: {error.description} ({error.err_code})"
    if error.code == 400 or "replicas" in error.description or error.err_code in (10005, 10023):
        return BadSettings(
            f"{text}; for replicas > 1 NATS needs as many servers with JetStream and room"
        )
    return Unavailable(text)
