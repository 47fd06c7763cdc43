"""The chains of DECISIONS: what each frame says of those before it, held against them.

``previous`` chains the stream and ``last`` each subject; reigns and cycles grow by one, a cycle's
frames are whole, and what a cycle is based on never goes back. None of that needs a state, so it
holds also where the observations were trimmed, and for cycles of other rules.
"""

from __future__ import annotations

import msgspec

from mcs.events import codec
from mcs.events.decisions import SchedulerClaimed
from mcs.events.event import Last
from mcs.events.frames import DecisionFrame, digest
from mcs.ports import Stored
from mcs.services.findings import Flaw

_SHARED = ("reign", "cycle", "count", "based_on", "observed", "state")  # by a cycle's frames


class Broken(Exception):
    """A message is not what it must be; ``expected`` is the frame that should stand there."""

    def __init__(self, flaw: Flaw, words: str, expected: bytes | None = None) -> None:
        super().__init__(words)
        self.flaw, self.words, self.expected = flaw, words, expected


class Chain:
    """The frames of DECISIONS so far; the stream begins at ``head``."""

    def __init__(self, head: int = 1) -> None:
        self.decided = Last(sequence=head - 1)
        self.frame: DecisionFrame | None = None  # the last one
        self._first: DecisionFrame | None = None  # of its cycle
        self._head = head
        self._lasts: dict[str, Last] = {}

    @property
    def based_on(self) -> int:
        """The last observation that a cycle was based on."""
        return self.frame.based_on if self.frame else 0

    @property
    def cycle(self) -> int:
        """The last cycle's number."""
        return self.frame.cycle if self.frame else 0

    @property
    def unfinished(self) -> bool:
        """Whether frames of the last cycle are still to come."""
        return self.frame is not None and self.frame.index + 1 < self.frame.count

    @property
    def whole_cycles(self) -> int:
        """The last cycle whose frames are all here."""
        return self.cycle - self.unfinished

    def check(self, stored: Stored, frame: DecisionFrame, *, end: int) -> None:
        """Whether ``frame`` may come next; OBSERVATIONS ends at ``end``. Raises Broken."""
        self._check_digests(stored, frame)
        if frame.index == 0:
            self._check_begin(frame, end)
        else:
            self._check_continuation(frame)

    def add(self, stored: Stored, frame: DecisionFrame) -> None:
        """Note a frame that was checked."""
        found = digest(stored.subject, stored.data)
        self.decided = self._lasts[stored.subject] = Last(sequence=stored.sequence, digest=found)
        self.frame = frame
        if frame.index == 0:
            self._first = frame

    def whole(self) -> str:
        """Why the last cycle is not whole, or nothing."""
        frame = self.frame
        if frame is None or not self.unfinished:
            return ""
        return f"cycle {frame.cycle} has {frame.index + 1} of its {frame.count} frames"

    def _check_digests(self, stored: Stored, frame: DecisionFrame) -> None:
        place, known = f"decision frame {stored.sequence}", self.decided
        if known.digest != frame.previous and (known.digest or self._head == 1):
            words = (
                f"{place} does not follow {known.sequence}: it names "
                f"{frame.previous or 'none'} as the digest of the frame before it, which is "
                f"{known.digest or 'none'}"
            )
            raise Broken(Flaw.CHAIN, words, _as(frame, previous=known.digest))
        last = self._lasts.get(stored.subject)
        if last is None:  # none yet, or trimmed
            last = frame.last if frame.last.sequence < self._head else Last()
            last = last if self._head > 1 else Last()
        if frame.last != last:
            words = (
                f"{place} does not follow the frame before it on {stored.subject}: it names "
                f"{_named(frame.last)}, which is {_named(last)}"
            )
            raise Broken(Flaw.SUBJECT, words, _as(frame, last=last))

    def _check_begin(self, frame: DecisionFrame, end: int) -> None:
        if problem := self.whole():
            raise Broken(Flaw.INCOMPLETE, f"{problem} when cycle {frame.cycle} begins")
        if self.frame is not None or self._head == 1:
            claims = bool(frame.events) and isinstance(frame.events[0], SchedulerClaimed)
            cycle = self.cycle + 1
            reign = (self.frame.reign if self.frame else 0) + claims
            if (frame.cycle, frame.reign) != (cycle, reign) or frame.count < 1:
                words = f"cycle {frame.cycle} of reign {frame.reign} stands where cycle {cycle} "
                words += f"of reign {reign} must stand"
                raise Broken(Flaw.CYCLE, words, _as(frame, cycle=cycle, reign=reign))
        based = f"cycle {frame.cycle} is based on observation {frame.based_on}"
        if frame.based_on < self.based_on:
            words = f"{based}, the cycle before it on {self.based_on}: that never goes back"
            raise Broken(Flaw.BASED_ON, words)
        if frame.based_on > end:
            words = f"{based}, but OBSERVATIONS ends at {end}: its end was cut off"
            raise Broken(Flaw.BASED_ON, words)

    def _check_continuation(self, frame: DecisionFrame) -> None:
        before, first = self.frame, self._first
        if before is None and self._head > 1:
            return  # the stream's head lies inside a cycle
        if before is not None and self.unfinished:
            wanted = {name: getattr(first or before, name) for name in _SHARED}
            wanted["index"] = before.index + 1
            if all(getattr(frame, name) == wanted[name] for name in wanted):
                return
            expected = _as(frame, **wanted)
        else:
            expected = None
        words = f"a frame of cycle {frame.cycle} (index {frame.index} of {frame.count}) stands "
        words += f"behind cycle {self.cycle}, which it does not continue"
        raise Broken(Flaw.CYCLE, words, expected)


def _as(frame: DecisionFrame, **fields: object) -> bytes:
    """The frame as it should be."""
    return codec.encode(msgspec.structs.replace(frame, **fields))


def _named(last: Last) -> str:
    return f"{last.sequence} ({last.digest})" if last.sequence else "none"
