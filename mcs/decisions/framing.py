"""A cycle's decisions as the frames of one append, chained to everything before them.

Frames stand in the order of target, source and index; events keep their order within a subject.
``previous`` chains the whole stream, ``last`` each subject, so a reader of the whole log and a
reader of one subject both notice a removed, changed, swapped or foreign frame.
"""

from __future__ import annotations

import msgspec

from mcs.decisions.budget import subject_of
from mcs.events import codec
from mcs.events.decisions import Decision
from mcs.events.event import Last
from mcs.events.frames import FRAME_BYTES, SCHEMA, DecisionFrame, digest
from mcs.projections.state import State

_encoder = msgspec.json.Encoder()


class Cycle(msgspec.Struct, frozen=True):
    """One append: frames with the subject and bytes of each; it must follow ``after``."""

    after: int
    frames: tuple[DecisionFrame, ...]
    messages: tuple[tuple[str, bytes], ...]


def frame_cycle(
    state: State, reign: int, events: tuple[Decision, ...], *, schema: int = SCHEMA
) -> Cycle:
    """The append that records ``events`` as decided in ``state`` (a cycle boundary)."""
    by_subject: dict[str, list[Decision]] = {}
    for event in events:
        by_subject.setdefault(subject_of(event), []).append(event)
    parts = [
        (subject, part) for subject in sorted(by_subject) for part in _split(by_subject[subject])
    ]
    digest_of_state = state.digest()
    previous = state.decided
    lasts: dict[str, Last] = {}
    frames: list[DecisionFrame] = []
    messages: list[tuple[str, bytes]] = []
    for index, (subject, part) in enumerate(parts):
        frame = DecisionFrame(
            schema=schema,
            reign=reign,
            cycle=state.cycle + 1,
            index=index,
            count=len(parts),
            based_on=state.observed.sequence,
            previous=previous.digest,
            last=lasts.get(subject) or state.lasts.get(subject, Last()),
            observed=state.observed.digest,
            state=digest_of_state,
            events=tuple(part),
        )
        data = codec.encode(frame)
        sequence = state.decided.sequence + index + 1
        previous = lasts[subject] = Last(sequence=sequence, digest=digest(subject, data))
        frames.append(frame)
        messages.append((subject, data))
    return Cycle(state.decided.sequence, tuple(frames), tuple(messages))


def _split(events: list[Decision]) -> list[list[Decision]]:
    """Events in runs of at most FRAME_BYTES (a single one may exceed it)."""
    runs: list[list[Decision]] = [[]]
    room = FRAME_BYTES
    for event in events:
        size = len(_encoder.encode(event)) + 1
        if runs[-1] and size > room:
            runs.append([])
            room = FRAME_BYTES
        runs[-1].append(event)
        room -= size
    return runs
