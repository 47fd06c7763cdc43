"""What ``mcs verify`` found: counts, and each difference with both versions."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from mcs.events.seals import Seal
from mcs.ports import Stream


class Flaw(StrEnum):
    """What is wrong with a log, at its first wrong frame."""

    MISSING = "missing"  # a sequence is not there
    UNREADABLE = "unreadable"  # a decision frame that is none
    CHAIN = "chain"  # it does not follow the frame before it in the stream
    SUBJECT = "subject"  # it does not follow the frame before it on its subject
    CYCLE = "cycle"  # reign, cycle, index or count are not the next ones
    INCOMPLETE = "incomplete"  # a cycle of which a part is missing
    BASED_ON = "based on"  # it goes back, or beyond the end of OBSERVATIONS
    OBSERVED = "observed"  # its scheduler had read other observations
    STATE = "state"  # its scheduler was in another state
    DECISION = "decision"  # it was decided otherwise than its rules decide
    CLAIM = "claim"  # nobody could have claimed like this
    FOREIGN = "foreign"  # an observation that no agent wrote
    LOST = "lost"  # an agent has read a decision that is not there
    SEAL = "seal"  # another log, or not all of the log, that was known outside


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One difference, at message ``sequence`` of ``stream`` (0: at its end).

    ``expected`` and ``found`` are frames (JSON), either of them None when there is none; between
    observations ``since`` (exclusive) and ``until`` is what led to it.
    """

    flaw: Flaw
    stream: Stream
    sequence: int
    subject: str = ""
    cycle: int = 0
    words: str
    expected: bytes | None = None
    found: bytes | None = None
    since: int = 0
    until: int = 0


class Held(StrEnum):
    """What came of a digest known outside the log."""

    NOT_ASKED = "not asked"
    AGREES = "agrees"
    MANIFEST = "manifest"  # none was given; the one in an export's own manifest agrees
    DIFFERS = "differs"
    NOT_REACHED = "not reached"  # an earlier difference ended the walk
    OUT_OF_REACH = "out of reach"  # it pins what was trimmed since


class Counts(msgspec.Struct, kw_only=True):
    """How much was looked at, and how."""

    observations: int = 0  # messages
    decision_frames: int = 0
    decisions: int = 0  # events in them
    cycles: int = 0
    derived: int = 0  # cycles decided again, byte for byte
    derived_decisions: int = 0  # events in them
    claims: int = 0  # cycles written again around a claim
    foreign_rules: dict[int, int] = {}  # cycles not derivable here, by their rules
    chain_only: int = 0  # cycles whose state lies before the head of OBSERVATIONS
    retried: int = 0  # observations stored twice
    late: int = 0  # of an epoch that was over
    gaps: int = 0  # after which a resync was asked for
    parked: dict[str, int] = {}


class Findings(msgspec.Struct, kw_only=True):
    """All of it. ``seal`` pins the log as it was found, up to the first difference.

    ``newest_s``: age of the newest cycle when the walk began; None: there is none.
    """

    counts: Counts = msgspec.field(default_factory=Counts)
    differences: list[Difference] = []
    more: int = 0  # differences beyond those listed
    held: Held = Held.NOT_ASKED
    seal: Seal = Seal()
    cycle: int = 0
    newest_s: float | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.differences

    @property
    def whole(self) -> bool:
        """Whether, besides, every cycle was derived and the digest outside was within reach."""
        counts = self.counts
        undone = counts.foreign_rules or counts.chain_only or self.held is Held.OUT_OF_REACH
        return self.clean and not undone
