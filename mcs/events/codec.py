"""Frames to bytes and back. What cannot be read is a named case, never a surprise.

A frame whose header reads but which holds an event of an unknown tag, or with bad fields, gives
the readable events and one ``Unknown`` for each other: the frame keeps its number. A frame whose
header does not read raises ``BadFrame``.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from mcs.errors import BadFrame, BadSubject
from mcs.events import subjects
from mcs.events.decisions import Decision
from mcs.events.event import Count, Last
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.events.observations import Observation, Unknown

T = TypeVar("T")

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not what they should be; the last one when values stand
in each other some thousand deep.
"""

_encoder = msgspec.json.Encoder()
_observations = msgspec.json.Decoder(ObservationFrame)
_decisions = msgspec.json.Decoder(DecisionFrame)
_observation: msgspec.json.Decoder[Observation] = msgspec.json.Decoder(Observation)
_decision: msgspec.json.Decoder[Decision] = msgspec.json.Decoder(Decision)


class _Tag(msgspec.Struct):
    type: str = ""


class _ObservationHead(msgspec.Struct):
    schema: Count
    source: str
    channel: str
    events: list[msgspec.Raw]
    epoch: Count = 0
    number: Count = 0
    previous: str = ""
    at: str = ""


class _DecisionHead(msgspec.Struct):
    schema: Count
    reign: Count
    cycle: Count
    index: Count
    count: Count
    based_on: Count
    previous: str
    observed: str
    state: str
    events: list[msgspec.Raw]
    last: Last = Last()


def encode(frame: ObservationFrame | DecisionFrame) -> bytes:
    """A frame as it is stored: one line of JSON."""
    return _encoder.encode(frame)


def decode_observation(subject: str, data: bytes) -> tuple[ObservationFrame, tuple[Unknown, ...]]:
    """The frame in an OBSERVATIONS message, and the events in it that could not be read.

    Raises:
        BadFrame: unreadable, or its source and channel are not its subject's.
    """
    try:
        source, channel = subjects.parse_observation(subject)
    except BadSubject as error:
        raise BadFrame(str(error)) from error
    unknown: tuple[Unknown, ...] = ()
    try:
        frame = _observations.decode(data)
    except UNREADABLE:
        frame, unknown = _observation_parts(data)
    if (frame.source, frame.channel) != (source, channel):
        raise BadFrame(f"frame of {frame.source}/{frame.channel} on subject {subject}")
    return frame, unknown


def decode_decision(subject: str, data: bytes) -> tuple[DecisionFrame, tuple[Unknown, ...]]:
    """The frame in a DECISIONS message, and the events in it that could not be read.

    Raises:
        BadFrame: unreadable.
    """
    try:
        return _decisions.decode(data), ()
    except UNREADABLE:
        pass
    try:
        head = msgspec.json.decode(data, type=_DecisionHead)
    except UNREADABLE as error:
        raise BadFrame(f"unreadable decision frame on {subject}: {error}") from error
    events, unknown = _each(head.events, _decision)
    fields = {name: getattr(head, name) for name in head.__struct_fields__ if name != "events"}
    return DecisionFrame(events=events, **fields), unknown


def _observation_parts(data: bytes) -> tuple[ObservationFrame, tuple[Unknown, ...]]:
    try:
        head = msgspec.json.decode(data, type=_ObservationHead)
    except UNREADABLE as error:
        raise BadFrame(f"unreadable observation frame: {error}") from error
    events, unknown = _each(head.events, _observation)
    fields = {name: getattr(head, name) for name in head.__struct_fields__ if name != "events"}
    return ObservationFrame(events=events, **fields), unknown


def _each(
    raws: list[msgspec.Raw], decoder: msgspec.json.Decoder[T]
) -> tuple[tuple[T, ...], tuple[Unknown, ...]]:
    events: list[T] = []
    unknown: list[Unknown] = []
    for raw in raws:
        try:
            events.append(decoder.decode(raw))
        except UNREADABLE as error:
            unknown.append(Unknown(tag=_tag(raw), error=str(error)))
    return tuple(events), tuple(unknown)


def _tag(raw: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=_Tag).type
    except UNREADABLE:
        return ""
