"""The budget of a cycle: bytes and frames, so that one append stays within what the log takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from mcs.events import subjects
from mcs.events.decisions import (
    Decision,
    PlacementWithdrawn,
    PodDeferred,
    PodPlaced,
    Policy,
    ProxyEvicted,
    ProxyReleased,
)
from mcs.events.frames import FRAME_BYTES

_HEAD_BYTES: Final = 512  # a frame's own fields, generously
_encoder = msgspec.json.Encoder()


def subject_of(event: Decision) -> str:
    """The subject that a decision is stored on: (target, source), either of them or neither."""
    match event:
        case PodPlaced() | PlacementWithdrawn():
            return subjects.decision(event.target, event.source)
        case ProxyReleased():
            return subjects.decision(event.target, event.source)
        case PodDeferred() | ProxyEvicted():
            return subjects.decision("", event.source)
        case _:
            return subjects.EVERYBODY


class Budget:
    """Takes decisions until the cycle is full; the first one always fits."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._events: list[Decision] = []
        self._bytes = 0
        self._by_subject: dict[str, int] = {}

    @property
    def taken(self) -> tuple[Decision, ...]:
        """The decisions taken, in order."""
        return tuple(self._events)

    def take(self, event: Decision) -> bool:
        """Add a decision; False (and nothing added) when the cycle is full."""
        size = len(_encoder.encode(event)) + 1
        subject = subject_of(event)
        before = self._by_subject.get(subject, 0)
        full = self._bytes + size > self._policy.cycle_bytes
        if self._events and (full or self._frames({subject: size}) > self._policy.cycle_frames):
            return False
        self._events.append(event)
        self._bytes += size
        self._by_subject[subject] = before + size
        return True

    def take_all(self, events: Sequence[Decision]) -> bool:
        """Add these decisions, all or none; False (and nothing added) when they do not fit."""
        sizes = _sizes(events)
        total = self._bytes + sum(sizes.values())
        if total > self._policy.cycle_bytes or self._frames(sizes) > self._policy.cycle_frames:
            return False
        self._events += events
        self._bytes = total
        for subject, size in sizes.items():
            self._by_subject[subject] = self._by_subject.get(subject, 0) + size
        return True

    def holds(self, events: Sequence[Decision]) -> bool:
        """Whether a cycle that holds nothing else could hold these."""
        return Budget(self._policy).take_all(events)

    def _frames(self, more: Mapping[str, int]) -> int:
        """An upper bound of the frames needed with so many bytes more on these subjects."""
        sizes = Counter(self._by_subject)
        sizes.update(more)
        half = FRAME_BYTES // 2  # frames end at an event's border: at least half full
        return sum(1 + total // half for total in sizes.values())


def _sizes(events: Sequence[Decision]) -> Counter[str]:
    """Bytes by subject."""
    sizes: Counter[str] = Counter()
    for event in events:
        sizes[subject_of(event)] += len(_encoder.encode(event)) + 1
    return sizes
