"""How an exported log lies in a folder, so that programs and people can read it for years.

    manifest.json                                   what is here; replaced whole, always last
    observations-000000000001-000000020000.jsonl.gz a segment: one JSON object on each line
    decisions-000000000001-000000004711.jsonl.gz

    {"sequence":7,"time":"2026-11-23T20:16:31Z","time_ns":1795464991123456789,
     "subject":"mcs.obs.c1.cluster","frame":{…}}

``frame`` holds the message's bytes exactly as they are, since a frame is JSON already: so
``zcat … | jq .frame.events`` works, and still every digest can be computed again. Bytes that are
not one JSON object on one line stand under ``base64`` instead. ``time`` is for people only.

A segment is a file of its own: ``sha256sum`` gives the digest that the manifest has of it. What
the manifest does not name is not part of the export: it was being written when a run was killed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from mcs.errors import BadSettings, LogLost
from mcs.ports import Stored, Stream

MANIFEST: Final = "manifest.json"
FORMAT: Final = "mcs-export"
VERSION: Final = 1

_FRAME: Final = b',"frame":'
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One file. ``message`` is the digest of its last message; ``running`` that of OBSERVATIONS
    up to there (empty for DECISIONS, whose frames are chained, and where the log's head is gone).
    """

    file: str
    first: int
    last: int
    first_time_ns: int
    last_time_ns: int
    bytes: int
    size: int
    sha256: str
    message: str
    running: str = ""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One stream: ``first`` to ``last`` (first == last + 1: nothing), in ``segments`` in order."""

    identity: str
    first: int
    last: int
    segments: tuple[Segment, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder holds. ``token`` is its seal, for ``mcs verify --expect``."""

    format: str = FORMAT
    version: int = VERSION
    mcs: str = ""
    written: str = ""
    token: str = ""
    streams: dict[Stream, Kept] = {}


class _Line(msgspec.Struct, frozen=True):
    sequence: int
    time_ns: int
    subject: str
    base64: str = ""


_LINE: Final = msgspec.json.Decoder(_Line)


def read_manifest(folder: Path) -> Manifest | None:
    """The folder's manifest, or None when it has none.

    Raises:
        BadSettings: it is not ours, or of a version that this one does not know.
        LogLost: it is damaged.
    """
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadSettings(f"cannot read {path}: {error}") from error
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.format != FORMAT:
            raise BadSettings(f"{path} is no manifest of an exported log")
        if head.version != VERSION:
            raise BadSettings(
                f"{path} is of version {head.version}; this mcs knows {VERSION}: use the mcs that "
                "wrote it, or a newer one"
            )
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise LogLost(f"{path} is damaged ({error}): export again into another folder") from error


class _Head(msgspec.Struct):
    format: str = ""
    version: int = 0


def segment_name(stream: Stream, first: int, last: int) -> str:
    """The file of a segment."""
    return f"{stream.lower()}-{first:012}-{last:012}.jsonl.gz"


def encode_line(stored: Stored) -> bytes:
    """A message as a line."""
    head = (
        f'{{"sequence":{stored.sequence},"time":"{utc(stored.time_ns // 1_000_000_000)}",'
        f'"time_ns":{stored.time_ns},"subject":'
    ).encode() + msgspec.json.encode(stored.subject)
    if _is_object(stored.data):
        return head + _FRAME + stored.data + b"}\n"
    return head + b',"base64":"' + base64.b64encode(stored.data) + b'"}\n'


def decode_line(line: bytes) -> Stored:
    """The message of a line (without its line end).

    Raises:
        ValueError: it is none.
    """
    # A subject is a JSON string and so never contains the bytes looked for: its quotes are escaped.
    head, frame, data = line.partition(_FRAME)
    if frame:
        found = _LINE.decode(head + b"}")
        if data[-1:] != b"}":
            raise ValueError("a line without end")
        return Stored(found.sequence, found.subject, found.time_ns, data[:-1])
    found = _LINE.decode(line)
    return Stored(
        found.sequence, found.subject, found.time_ns, base64.b64decode(found.base64, validate=True)
    )


def sha256(data: bytes) -> str:
    """As ``sha256sum`` prints it."""
    return hashlib.sha256(data).hexdigest()


@lru_cache(maxsize=16)
def utc(seconds: int) -> str:
    """A Unix time, for people."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


BAD_LINE: Final = (ValueError, msgspec.MsgspecError, binascii.Error)
"""What ``decode_line`` raises."""


def _is_object(data: bytes) -> bool:
    """Whether every reader of JSON sees one object on one line in these bytes."""
    if data[:1] != b"{" or data[-1:] != b"}" or b"\n" in data or b"\r" in data:
        return False
    try:
        data.decode()
        _RAW.decode(data)
    except (UnicodeDecodeError, msgspec.MsgspecError, RecursionError):
        return False
    return True
