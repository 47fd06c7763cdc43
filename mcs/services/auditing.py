"""Holds a log against itself, message by message: the judge behind ``mcs verify``.

It walks in the order of history. The chains are looked at in every frame; where the state is known,
each cycle is besides decided again. A chain that is broken ends the walk: what follows a first
difference follows from it. Observations that no agent can have written are noted and do not end it,
since the log that holds them is whole.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mcs.decisions.deriving import Derivation, claim_problem, derivation, derive, rules_of
from mcs.errors import BadFrame, BadSubject
from mcs.events import codec, subjects
from mcs.events.event import Last
from mcs.events.frames import DecisionFrame, ObservationFrame, digest, running
from mcs.events.observations import ClusterHeartbeat
from mcs.events.seals import Seal
from mcs.names import CLOCK, OPERATOR, Keys
from mcs.ports import Stored, Stream
from mcs.projections.lineage import Lineage, Origin
from mcs.projections.state import State
from mcs.services.chaining import Broken, Chain
from mcs.services.findings import Difference, Findings, Flaw, Held

_LISTED: Final = 20  # differences that are shown; the others are counted
_REMEMBERED: Final = 100_000  # decisions whose digests heartbeats may name


class Differs(Exception):
    """The log is not what it must be; the walk ends here."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(difference.words)
        self.difference = difference


class _Watched(State):
    """A state that shows each readable frame of a cluster to the auditor, so that it is decoded
    once.
    """

    def __init__(self, auditor: Auditor) -> None:
        super().__init__()
        self._auditor = auditor

    def _admit(
        self, frame: ObservationFrame, sequence: int, subject: str, frame_digest: str
    ) -> None:
        self._auditor.meet(frame, sequence, frame_digest)
        super()._admit(frame, sequence, subject, frame_digest)


class Auditor:
    """Takes each message once, in the order of history; ``findings`` grow with it.

    ``heads``: the first sequences of DECISIONS and OBSERVATIONS; ``end``: the last of the latter.
    ``start`` is a state (a snapshot's) from whose cycle on decisions can be derived although the
    observations before it were trimmed.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        heads: tuple[int, int] = (1, 1),
        end: int,
        expected: Seal | None = None,
        start: State | None = None,
    ) -> None:
        self.findings = Findings(held=Held.NOT_ASKED if expected is None else Held.AGREES)
        self.chain = Chain(heads[0])
        self.observed = Last(sequence=heads[1] - 1)
        self.named: dict[int, tuple[str, Stored]] = {}  # decisions ahead that heartbeats name
        self._keys, self._heads, self._end = keys, heads, end
        self._expected, self._start = expected or Seal(), start
        self._state: State | None = _Watched(self) if heads == (1, 1) else None
        self._anchored = heads[1] == 1  # whether the running digest is known
        self._lineage = Lineage(heads[1])
        self._digests: dict[int, str] = {}
        self._due: tuple[tuple[str, bytes], ...] | None = None  # the open cycle, derived
        self._kind = Derivation.FOREIGN_RULES  # of the open cycle
        self._unknown = False  # the open frame holds decisions that this version cannot read
        self._tainted = False  # after such a frame the state is a guess
        self._now = Stored(sequence=0, subject="", time_ns=0, data=b"")

    @property
    def seal(self) -> Seal:
        """Pins what was walked so far."""
        return Seal(decided=self.chain.decided, observed=self.observed)

    def observe(self, stored: Stored) -> None:
        """The next message of OBSERVATIONS. Raises Differs."""
        self._now, sequence = stored, self.observed.sequence + 1
        if stored.sequence != sequence:
            raise self._differs(_missing(Stream.OBSERVATIONS, sequence, stored))
        if self._state is not None:
            self._state.observe(stored.sequence, stored.subject, stored.time_ns, stored.data)
            self.observed = self._state.observed
        else:
            self._pass(stored)
        if not isinstance(self._state, _Watched):
            self._judge(stored)
        self.findings.counts.observations += 1
        if sequence == self._expected.observed.sequence:
            self._hold(Stream.OBSERVATIONS, self.observed, self._expected.observed)

    def open(self, stored: Stored) -> DecisionFrame:
        """Look at the next message of DECISIONS alone; observations up to its ``based_on`` come
        next, then ``decide``. Raises Differs.
        """
        self._now, sequence = stored, self.chain.decided.sequence + 1
        try:
            if stored.sequence != sequence:
                raise _missing(Stream.DECISIONS, sequence, stored)
            try:
                subjects.parse_decision(stored.subject)
                frame, unknown = codec.decode_decision(stored.subject, stored.data)
            except (BadFrame, BadSubject) as error:
                words = f"decision frame {sequence} cannot be read: {error}"
                raise Broken(Flaw.UNREADABLE, words) from error
            self.chain.check(stored, frame, end=self._end)
        except Broken as broken:
            raise self._differs(broken) from broken
        if self._state is not None and unknown:
            self._state.pass_over(stored.sequence, stored.subject, unknown)
        self._unknown = bool(unknown)
        return frame

    def decide(self, stored: Stored, frame: DecisionFrame) -> None:
        """The frame that was opened, now that the observations below it were seen. Raises
        Differs.
        """
        self._now = stored
        try:
            if frame.index == 0:
                self._begin(frame)
            if self._due is not None:
                self._compare(stored, frame, self._due)
        except Broken as broken:
            raise self._differs(broken) from broken
        if self._state is not None:
            self._state.decide(stored.sequence, stored.subject, stored.data, frame)
        self._tainted = self._tainted or self._unknown
        self.chain.add(stored, frame)
        self._remember()
        self._count(frame)
        if stored.sequence == self._expected.decided.sequence:
            self._hold(Stream.DECISIONS, self.chain.decided, self._expected.decided)

    def finish(self) -> None:
        """Both logs were read to their ends. Raises Differs."""
        if problem := self.chain.whole():
            words = f"DECISIONS ends inside a cycle: {problem}; its end was cut off"
            raise self._at_end(Flaw.INCOMPLETE, Stream.DECISIONS, words)
        self._reach(Stream.DECISIONS, self.chain.decided, self._expected.decided, self._heads[0])
        self._reach(Stream.OBSERVATIONS, self.observed, self._expected.observed, self._heads[1])

    def settle(self) -> Findings:
        """The findings, as far as the walk came."""
        if self._state is not None:
            parked = self._state.parked.items()
            self.findings.counts.parked = {name: each.count for name, each in sorted(parked)}
        findings, expected = self.findings, self._expected
        findings.seal, findings.cycle = self.seal, self.chain.whole_cycles
        reached = self.observed.sequence >= expected.observed.sequence
        reached = reached and self.chain.decided.sequence >= expected.decided.sequence
        if findings.held is Held.AGREES and not reached:
            findings.held = Held.NOT_REACHED
        return findings

    def meet(self, frame: ObservationFrame, sequence: int, frame_digest: str) -> None:
        """Judge a readable frame of a cluster."""
        judgement, counts = self._lineage.judge(frame, sequence, frame_digest), self.findings.counts
        match judgement.origin:
            case Origin.RETRIED:
                counts.retried += 1
            case Origin.LATE:
                counts.late += 1
            case Origin.GAP:
                counts.gaps += 1
            case Origin.FOREIGN:
                words = f"observation {sequence} was written by no agent: it {judgement.problem}"
                self._note(Flaw.FOREIGN, words)
        if frame.channel == subjects.CLUSTER:
            for event in frame.events:
                if isinstance(event, ClusterHeartbeat) and event.decision.sequence:
                    self._hear(frame.source, event.decision)

    def note(self, difference: Difference) -> None:
        """Add a difference; beyond the first few they are counted."""
        if len(self.findings.differences) < _LISTED:
            self.findings.differences.append(difference)
        else:
            self.findings.more += 1

    def _pass(self, stored: Stored) -> None:
        """An observation at which the state is not known."""
        seen = ""
        if self._anchored:
            message = (stored.sequence, stored.subject, stored.time_ns, stored.data)
            seen = running(self.observed.digest, *message)
        self.observed = Last(sequence=stored.sequence, digest=seen)

    def _judge(self, stored: Stored) -> None:
        """Judge an observation that the state does not show."""
        try:
            frame, _ = codec.decode_observation(stored.subject, stored.data)
        except BadFrame:
            return
        if frame.source not in {CLOCK, OPERATOR}:
            self.meet(frame, stored.sequence, digest(stored.subject, stored.data))

    def _begin(self, frame: DecisionFrame) -> None:
        """A cycle's first frame, with the observations below it seen."""
        self._due, counts = None, self.findings.counts
        counts.cycles += 1
        if self.observed.sequence == frame.based_on:
            self._check_observed(frame)
        self._arrive(frame)
        if self._state is None:
            counts.chain_only += 1
            return
        self._kind = derivation(self._state, frame)
        if self._tainted:
            self._kind = Derivation.FOREIGN_RULES
        match self._kind:
            case Derivation.FOREIGN_RULES:
                rules, _ = rules_of(self._state, frame)
                counts.foreign_rules[rules] = counts.foreign_rules.get(rules, 0) + 1
                return
            case Derivation.CLAIMED:
                if problem := claim_problem(self._state, frame):
                    raise Broken(Flaw.CLAIM, f"cycle {frame.cycle}: {problem}")
            case Derivation.DECIDED:
                pass
        self._due = derive(self._state, self._keys, frame).messages

    def _check_observed(self, frame: DecisionFrame) -> None:
        """Whether the cycle was decided on the observations that are here."""
        if not self._anchored:  # the first cycle behind a trimmed head is believed
            self.observed = Last(sequence=frame.based_on, digest=frame.observed)
            self._anchored = True
        elif frame.observed != self.observed.digest:
            since = self.chain.based_on
            words = (
                f"cycle {frame.cycle} was decided on other observations than "
                f"{_span(since, frame.based_on)} as they are here: one was removed, changed, "
                "swapped or added"
            )
            expected = msgspec.structs.replace(frame, observed=self.observed.digest)
            raise Broken(Flaw.OBSERVED, words, codec.encode(expected))

    def _arrive(self, frame: DecisionFrame) -> None:
        """Go on from a snapshot where its cycle is reached and its digests are the log's."""
        start = self._start
        if self._state is not None or start is None or start.decided != self.chain.decided:
            return
        if start.observed == self.observed and start.digest() == frame.state:
            self._state = start

    def _compare(
        self, stored: Stored, frame: DecisionFrame, due: tuple[tuple[str, bytes], ...]
    ) -> None:
        subject, data = due[frame.index] if frame.index < len(due) else ("", None)
        if (subject, data) == (stored.subject, stored.data):
            return
        expected = None if data is None else codec.decode_decision(subject, data)[0]
        if expected is not None and _only_state_differs(expected, frame):
            flaw, words = Flaw.STATE, "was decided in another state than the log gives"
        elif self._kind is Derivation.DECIDED:
            flaw, words = Flaw.DECISION, "was decided otherwise than its rules decide"
        else:
            flaw, words = Flaw.CLAIM, "is not written as its scheduler writes it"
        if data is not None and subject != stored.subject:
            words += f" (expected on {subject}, found on {stored.subject})"
        raise Broken(flaw, f"cycle {frame.cycle} {words}", data)

    def _hear(self, source: str, decision: Last) -> None:
        """A heartbeat names the last decision its agent read: it must be there."""
        if decision.sequence > self.chain.decided.sequence:
            self.named.setdefault(decision.sequence, (decision.digest, self._now))
            return
        known = self._digests.get(decision.sequence)
        if known is not None and known != decision.digest:
            words = f"the agent of {source} has read decision {decision.sequence} as "
            self._note(Flaw.LOST, f"{words}{decision.digest}; here it is {known}")

    def _remember(self) -> None:
        sequence, found = self.chain.decided.sequence, self.chain.decided.digest
        self._digests[sequence] = found
        self._digests.pop(sequence - _REMEMBERED, None)
        named = self.named.pop(sequence, None)
        if named is not None and named[0] != found:
            words = f"observation {named[1].sequence} names decision {sequence} as {named[0]}; "
            self._note(Flaw.LOST, f"{words}here it is {found}")

    def _count(self, frame: DecisionFrame) -> None:
        """A frame that was found right; its cycle with its last one."""
        counts = self.findings.counts
        counts.decision_frames += 1
        counts.decisions += len(frame.events)
        if self._due is None:
            return
        whole = frame.index + 1 == frame.count
        if self._kind is Derivation.DECIDED:
            counts.derived_decisions += len(frame.events)
            counts.derived += whole
        else:
            counts.claims += whole

    def _hold(self, stream: Stream, here: Last, wanted: Last) -> None:
        """Compare with the digest known outside, where it was taken."""
        if here == wanted:
            return
        if not here.digest:
            self.findings.held = Held.OUT_OF_REACH
            return
        self.findings.held = Held.DIFFERS
        words = f"{stream} up to {here.sequence} is another than was known outside: its digest "
        words += f"there is {wanted.digest}, here {here.digest}"
        raise self._differs(Broken(Flaw.SEAL, words))

    def _reach(self, stream: Stream, here: Last, wanted: Last, head: int) -> None:
        """Whether a stream reaches as far as the digest known outside, and begins before it."""
        if wanted.sequence > here.sequence:
            self.findings.held = Held.DIFFERS
            words = f"{stream} ends at {here.sequence}, but {wanted.sequence} was known outside"
            raise self._at_end(Flaw.SEAL, stream, f"{words}: its end was cut off")
        if 0 < wanted.sequence < head and self.findings.held is Held.AGREES:
            self.findings.held = Held.OUT_OF_REACH

    def _note(self, flaw: Flaw, words: str) -> None:
        self.note(self._difference(Broken(flaw, words)))

    def _differs(self, broken: Broken) -> Differs:
        return Differs(self._difference(broken))

    def _difference(self, broken: Broken) -> Difference:
        now = self._now
        decision = now.subject.startswith("mcs.dec.")
        sequence = now.sequence
        if broken.flaw is Flaw.MISSING:
            sequence = (self.chain.decided if decision else self.observed).sequence + 1
        return Difference(
            flaw=broken.flaw,
            stream=Stream.DECISIONS if decision else Stream.OBSERVATIONS,
            sequence=sequence,
            subject=now.subject,
            cycle=self.chain.whole_cycles + 1 if decision else self.chain.cycle,
            words=broken.words,
            expected=broken.expected,
            found=now.data,
            since=self.chain.based_on,
            until=self.observed.sequence,
        )

    def _at_end(self, flaw: Flaw, stream: Stream, words: str) -> Differs:
        here = self.chain.decided if stream is Stream.DECISIONS else self.observed
        return Differs(
            Difference(
                flaw=flaw,
                stream=stream,
                sequence=here.sequence + 1,
                cycle=self.chain.cycle,
                words=words,
                since=self.chain.based_on,
                until=self.observed.sequence,
            )
        )


def _only_state_differs(expected: DecisionFrame, found: DecisionFrame) -> bool:
    return expected != found and msgspec.structs.replace(found, state=expected.state) == expected


def _span(since: int, until: int) -> str:
    """Observations behind ``since``, in words; where there are none, all of them."""
    match until - since:
        case 0:
            return f"those to {until}"
        case 1:
            return f"number {until}"
        case _:
            return f"{since + 1} to {until}"


def _missing(stream: Stream, sequence: int, stored: Stored) -> Broken:
    return Broken(
        Flaw.MISSING, f"{stream} {sequence} is missing: {stored.sequence} stands in its place"
    )
