"""Everything the scheduler knows: all projections, the log's time, and the position folded.

``State`` is folded in the order of history: decision cycles in order, before each of them the
observations up to its ``based_on``. It is the only writer of its projections; whoever folds the
same log in that order has the same digest at every cycle.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from mcs.errors import BadFrame, LogLost
from mcs.events import codec
from mcs.events.decisions import Policy
from mcs.events.event import Last
from mcs.events.frames import DecisionFrame, ObservationFrame, digest, running
from mcs.events.observations import OperatorCommanded, Unknown, Verb
from mcs.names import CLOCK, OPERATOR
from mcs.projections.backlog import Backlog
from mcs.projections.decided import fold_decision
from mcs.projections.digest import combine
from mcs.projections.folding import OBSERVED
from mcs.projections.inventory import Inventory
from mcs.projections.ledger import Ledger
from mcs.projections.membership import Admission, Membership

RULES: Final = 3
"""Number of the rules by which this version folds and decides; it changes whenever the same log
would be folded or decided otherwise."""

_NS_PER_MS: Final = 1_000_000


PARKED_MOST: Final = 64
"""Kinds of parked things that are told apart; what others invent must not fill the memory."""
_OTHERS: Final = "others"
_NOT_ADMITTED: Final = {
    Admission.STRANGER: "join of another cluster under a known name",
    Admission.FOREIGN: "frame of an epoch that no join began",
}


class Parked(msgspec.Struct):
    """How often something of one kind was passed over, and the last message in which it was."""

    count: int = 0
    sequence: int = 0
    subject: str = ""


class State:
    """The projections and where in the two logs they stand.

    ``elapsed_ms`` is log time: the sum of gaps between observations, each counted at most
    ``policy.jump_s``, so that time in which nobody could write makes nobody late.
    """

    def __init__(self) -> None:
        self.membership = Membership()
        self.inventory = Inventory()
        self.backlog = Backlog()
        self.ledger = Ledger()
        self.attention: dict[str, None] = {}  # placements stuck, evictable or releasable
        self.policy = Policy()
        self.rules = 0
        self.schema = 0  # what agents may write, as activated
        self.reign = 0
        self.claim = ""
        self.cycle = 0
        self.now_ns = 0
        self.elapsed_ms = 0
        self.longest_jump_ms = 0
        self.commands: dict[str, None] = {}
        self.parked: dict[str, Parked] = {}
        self.observed = Last()  # sequence, and running digest, of OBSERVATIONS
        self.decided = Last()  # sequence and digest of the last decision frame
        self.lasts: dict[str, Last] = {}

    @property
    def position(self) -> int:
        """Number of messages of both logs that were folded, from their heads."""
        return self.decided.sequence + self.observed.sequence

    def observe(self, sequence: int, subject: str, time_ns: int, data: bytes) -> None:
        """Fold one message of OBSERVATIONS.

        Raises:
            LogLost: it is not the next one.
        """
        if sequence != self.observed.sequence + 1:
            raise LogLost(f"OBSERVATIONS {sequence} does not follow {self.observed.sequence}")
        seen = running(self.observed.digest, sequence, subject, time_ns, data)
        self.observed = Last(sequence=sequence, digest=seen)
        self._advance(time_ns)
        try:
            frame, unknown = codec.decode_observation(subject, data)
        except BadFrame:
            self._park("unreadable frame", sequence, subject)
            return
        for event in unknown:
            self._park(f"unreadable event {event.named}", sequence, subject)
        if frame.source == OPERATOR:
            self._command(frame, sequence, subject)
        elif frame.source != CLOCK:
            self._admit(frame, sequence, subject, digest(subject, data))

    def pass_over(self, sequence: int, subject: str, unknown: Iterable[Unknown]) -> None:
        """Count decisions of a newer version, which this one cannot fold."""
        for event in unknown:
            self._park(f"unreadable decision {event.named}", sequence, subject)

    def decide(self, sequence: int, subject: str, data: bytes, frame: DecisionFrame) -> None:
        """Fold one frame of DECISIONS; ``data`` are its bytes.

        Raises:
            LogLost: it does not follow the last one folded.
        """
        self.check(sequence, frame)
        self.decided = Last(sequence=sequence, digest=digest(subject, data))
        self.lasts[subject] = self.decided
        self.cycle = frame.cycle
        for event in frame.events:
            fold_decision(self, event, sequence)

    def check(self, sequence: int, frame: DecisionFrame) -> None:
        """Compare a frame of DECISIONS with the last one folded: before anything is done for it,
        since a foreign one may ask for anything.

        Raises:
            LogLost: it does not follow.
        """
        if sequence != self.decided.sequence + 1 or frame.previous != self.decided.digest:
            raise LogLost(
                f"DECISIONS {sequence} does not follow {self.decided.sequence}: its chain of "
                f"digests is broken (expected {self.decided.digest or 'none'}, "
                f"found {frame.previous or 'none'})"
            )

    def digest(self) -> str:
        """Digest of the whole state; only meaningful at a cycle boundary."""
        scalars = (
            self.elapsed_ms,
            self.now_ns,
            self.reign,
            self.rules,
            self.schema,
            self.policy,
            list(self.commands),
            sorted(self.parked.items()),
        )
        return combine(
            self.membership.digest(),
            *self.inventory.digest(),
            self.backlog.digest(),
            self.ledger.digest(),
            msgspec.json.encode(scalars, order="sorted").decode(),
        )

    def _advance(self, time_ns: int) -> None:
        if self.now_ns:
            gap_ms = (time_ns - self.now_ns) // _NS_PER_MS
            if gap_ms <= 0:
                return  # nearly every message: milliseconds are few
            self.longest_jump_ms = max(self.longest_jump_ms, gap_ms)
            self.elapsed_ms += min(gap_ms, self.policy.jump_s * 1000)
            self.backlog.advance(self.elapsed_ms)
        # Whole milliseconds only, so that many short gaps add up.
        self.now_ns = time_ns - time_ns % _NS_PER_MS

    def _park(self, kind: str, sequence: int, subject: str) -> None:
        if kind not in self.parked and len(self.parked) >= PARKED_MOST:
            kind = _OTHERS
        entry = self.parked.setdefault(kind, Parked())
        entry.count, entry.sequence, entry.subject = entry.count + 1, sequence, subject

    def _admit(
        self, frame: ObservationFrame, sequence: int, subject: str, frame_digest: str
    ) -> None:
        admission = self.membership.admit(frame, sequence, frame_digest, self.elapsed_ms)
        if admission is not Admission.TAKEN:
            if problem := _NOT_ADMITTED.get(admission):
                self._park(problem, sequence, subject)
            return
        channel = self.membership.members[frame.source].channels[frame.channel]
        for event in frame.events:
            if problem := OBSERVED[type(event)](self, frame, channel.resync, event):
                self._park(problem, sequence, subject)

    def _command(self, frame: ObservationFrame, sequence: int, subject: str) -> None:
        for event in frame.events:
            if not isinstance(event, OperatorCommanded) or event.id in self.commands:
                continue
            if event.verb != frame.channel:  # rights are given by subject, so by verb
                self._park("command on another one's subject", sequence, subject)
                continue
            self.commands[event.id] = None
            self.membership.command(event)
            if event.verb is Verb.RELEASE:
                for proxy in self.backlog.find(event.cluster, event.namespace, event.name):
                    proxy.releasing = True
                    self.backlog.refresh(proxy.uid)
