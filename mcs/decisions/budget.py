"""The budget of a cycle: bytes and frames, so that one append stays within what the log takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

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
    """Takes decisions until the cycle is full; the first one always fits. ``bytes``: so far."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._events: list[Decision] = []
        self.bytes = self._frames = 0
        self._by_subject: dict[str, int] = {}

    @property
    def taken(self) -> tuple[Decision, ...]:
        """The decisions taken, in order."""
        return tuple(self._events)

    def take(self, event: Decision) -> bool:
        """Add a decision; False (and nothing added) when the cycle is full."""
        sizes = {subject_of(event): len(_encoder.encode(event)) + 1}
        if self._events and not self._within(sizes):
            return False
        self._add((event,), sizes)
        return True

    def take_all(self, events: Sequence[Decision]) -> bool:
        """Add these decisions, all or none; False (and nothing added) when they do not fit."""
        sizes = _sizes(events)
        if not self._within(sizes):
            return False
        self._add(events, sizes)
        return True

    def holds(self, events: Sequence[Decision]) -> bool:
        """Whether a cycle that holds nothing else could hold these."""
        return Budget(self._policy).take_all(events)

    def _within(self, more: Mapping[str, int]) -> bool:
        """Whether there is room for so many bytes more on these subjects."""
        frames = self._frames
        for subject, size in more.items():
            before = self._by_subject.get(subject, 0)
            frames += _frames(before + size) - _frames(before)
        total = self.bytes + sum(more.values())
        return total <= self._policy.cycle_bytes and frames <= self._policy.cycle_frames

    def _add(self, events: Sequence[Decision], sizes: Mapping[str, int]) -> None:
        self._events += events
        for subject, size in sizes.items():
            before = self._by_subject.get(subject, 0)
            self._frames += _frames(before + size) - _frames(before)
            self._by_subject[subject] = before + size
            self.bytes += size


def _frames(size: int) -> int:
    """An upper bound of the frames needed for so many bytes on one subject: frames end at an
    event's border, so they are at least half full.
    """
    return 1 + size // (FRAME_BYTES // 2) if size else 0


def _sizes(events: Sequence[Decision]) -> Counter[str]:
    """Bytes by subject."""
    sizes: Counter[str] = Counter()
    for event in events:
        sizes[subject_of(event)] += len(_encoder.encode(event)) + 1
    return sizes
