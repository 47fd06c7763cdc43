"""Where a cluster's frames come from: whether an agent can have written each of them.

Agents retry byte for byte, so a frame may be stored twice; a dead agent's last append may arrive
late; an unreadable frame leaves a gap, which a resync heals. All that is legal history. What no
agent ever writes is a second frame with a number that another had, a frame that does not follow the
one before it although its number does, and a frame of an epoch that no join made.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import StrEnum
from typing import Final

import msgspec

from mcs.events import subjects
from mcs.events.frames import ObservationFrame
from mcs.events.observations import ClusterJoined, ResyncStarted

_REMEMBERED: Final = 64
"""Frames of a channel whose bytes are remembered: a retry comes soon, or not at all."""


class Origin(StrEnum):
    """What a frame is, in the history of its channel."""

    NEXT = "next"
    RETRIED = "retried"  # stored before
    LATE = "late"  # of an epoch that was over
    GAP = "gap"  # something before it is missing
    FOREIGN = "foreign"  # no agent wrote it


class _Thread:
    """The frames of one channel in one epoch."""

    __slots__ = ("digest", "number", "recent")

    def __init__(self) -> None:
        self.number = -1
        self.digest = ""
        self.recent: OrderedDict[int, str] = OrderedDict()

    def follow(self, number: int, digest: str) -> None:
        self.number, self.digest = number, digest
        self.recent[number] = digest
        if len(self.recent) > _REMEMBERED:
            self.recent.popitem(last=False)


class Judgement(msgspec.Struct, frozen=True):
    """What a frame is; ``problem`` says why it is foreign."""

    origin: Origin
    problem: str = ""


_NEXT: Final = Judgement(Origin.NEXT)
_RETRIED: Final = Judgement(Origin.RETRIED)
_LATE: Final = Judgement(Origin.LATE)
_GAP: Final = Judgement(Origin.GAP)


class Lineage:
    """Judges readable frames of clusters in the order of the log, which begins at ``head``."""

    def __init__(self, head: int = 1) -> None:
        self._head = head
        self._newest: dict[str, int] = {}
        self._joins: dict[tuple[str, int], None] = {}
        self._ids: dict[tuple[str, str], None] = {}
        self._threads: dict[tuple[str, int, str], _Thread] = {}

    def judge(self, frame: ObservationFrame, sequence: int, digest: str) -> Judgement:
        """What the frame with this ``sequence`` and message ``digest`` is."""
        first = frame.events[0] if frame.events else None
        if isinstance(first, ClusterJoined) and frame.channel == subjects.CLUSTER:
            return self._join(frame.source, first.id, sequence, digest)
        made = (frame.source, frame.epoch) in self._joins
        if not made and (frame.epoch == 0 or frame.epoch >= self._head):
            return _foreign(f"is of epoch {frame.epoch}, which no join of {frame.source} made")
        key = (frame.source, frame.epoch, frame.channel)
        thread = self._threads.get(key)
        if thread is None:
            thread = self._threads[key] = _Thread()
            if not made:  # its beginning was trimmed
                thread.follow(frame.number, digest)
                return _NEXT
        return self._follow(thread, frame, digest, starts=isinstance(first, ResyncStarted))

    def _join(self, source: str, id: str, sequence: int, digest: str) -> Judgement:
        again = (source, id) in self._ids
        self._ids[source, id] = self._joins[source, sequence] = None
        if again:
            return _RETRIED
        self._newest[source] = sequence
        thread = self._threads[source, sequence, subjects.CLUSTER] = _Thread()
        thread.follow(0, digest)
        return _NEXT

    def _follow(
        self, thread: _Thread, frame: ObservationFrame, digest: str, *, starts: bool
    ) -> Judgement:
        known = thread.recent.get(frame.number)
        if known is not None and known != digest:
            return _foreign(f"carries number {frame.number}, which another frame had")
        if frame.number <= thread.number:
            return _RETRIED
        follows = frame.number == thread.number + 1
        if follows and not starts and thread.number >= 0 and frame.previous != thread.digest:
            return _foreign(
                f"names {frame.previous or 'none'} as the frame before it, which is {thread.digest}"
            )
        begun = starts or (follows and thread.number >= 0)
        thread.follow(frame.number, digest)
        if frame.epoch < self._newest.get(frame.source, 0):
            return _LATE
        return _NEXT if begun else _GAP


def _foreign(problem: str) -> Judgement:
    return Judgement(Origin.FOREIGN, problem)
