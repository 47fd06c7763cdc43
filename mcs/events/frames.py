"""Frames: the unit of append. One JetStream message holds one frame, an ordered list of events.

Each frame carries the digest of the one before it, so a removed, changed, swapped or foreign frame
is found by whoever reads the whole log.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from mcs.events.decisions import Decision
from mcs.events.event import Count, Last
from mcs.events.observations import Observation

SCHEMA: Final = 2
"""Number of the event schema that this version writes."""

FRAME_BYTES: Final = 256 * 1024
"""Soft limit of a frame's size; a single event may exceed it."""


class ObservationFrame(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Facts of one source on one channel.

    ``number`` counts frames of (source, epoch, channel) from 0; ``previous`` is the digest of the
    frame before it there; ``at`` is the writer's own time, for people only.
    """

    schema: Count = SCHEMA
    source: str
    epoch: Count = 0
    channel: str
    number: Count = 0
    previous: str = ""
    at: str = ""
    events: tuple[Observation, ...]


class DecisionFrame(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Decisions of one cycle for one subject: frame ``index`` of ``count``.

    ``based_on``: last observation folded; ``previous``: digest of the frame before it in the
    stream; ``last``: the frame before it on its subject; ``observed``: running digest of
    OBSERVATIONS up to ``based_on``; ``state``: digest of the projections the cycle was decided in.
    """

    schema: Count = SCHEMA
    reign: Count
    cycle: Count
    index: Count = 0
    count: Count = 1
    based_on: Count
    previous: str
    last: Last = Last()
    observed: str
    state: str
    events: tuple[Decision, ...]


Frame = ObservationFrame | DecisionFrame


def digest(subject: str, data: bytes) -> str:
    """Digest of one message: 128 bits of BLAKE2b over subject and bytes, as hex."""
    return hashlib.blake2b(subject.encode() + b"\n" + data, digest_size=16).hexdigest()


def running(before: str, sequence: int, subject: str, time_ns: int, data: bytes) -> str:
    """Running digest of a stream after one more message (sequence, subject, server time, bytes)."""
    hashed = hashlib.blake2b(
        f"{before}\n{sequence}\n{subject}\n{time_ns}\n".encode(), digest_size=16
    )
    hashed.update(data)
    return hashed.hexdigest()
