"""A state that checks what it folds: it decides again whatever was decided in it.

I3  Each cycle names the digest of the state, and of the observations, that replay has reached.
I4  Each cycle is what ``schedule`` gives in that state, byte for byte; a claim, which chance and
    people make, keeps to its own rule and is framed as it must be.

I9  A frame that counts speaks for the cluster whose subject it is on.

``Accounts`` goes along with its own idea of what counts and of what is free (I1, I5, I6), and
``Causes`` with why anything may be ended or tried again (I1, I7), and ``Groups`` with who is placed
together (I5).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from mcs.decisions.deriving import Derivation, claim_problem, derivation, derive
from mcs.errors import BadFrame
from mcs.events import codec, subjects
from mcs.events.decisions import Decision
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.names import Keys
from mcs.projections.membership import Admission, Membership
from mcs.projections.state import State
from mcs.simulation.checkers.accounts import Accounts
from mcs.simulation.checkers.causes import Causes
from mcs.simulation.checkers.findings import Findings
from mcs.simulation.checkers.groups import Groups

_COMMANDS: Final = subjects.operator("")


class _Attentive(Membership):
    """Remembers the last frame it judged, with sequence, digest and verdict."""

    judged: tuple[ObservationFrame, int, str, Admission] | None = None

    def admit(
        self, frame: ObservationFrame, sequence: int, digest: str, elapsed_ms: int
    ) -> Admission:
        verdict = super().admit(frame, sequence, digest, elapsed_ms)
        self.judged = (frame, sequence, digest, verdict)
        return verdict


class Replaying(State):
    """To be folded in the order of history. ``cycles`` counts those that were derived again."""

    def __init__(self, keys: Keys, findings: Findings) -> None:
        super().__init__()
        self.membership: _Attentive = _Attentive()
        self.accounts = Accounts(findings)
        self.causes = Causes(findings)
        self.groups = Groups(self.accounts, self.causes, findings)
        self.cycles = 0
        self._keys, self._findings = keys, findings
        self._expected: Sequence[tuple[str, bytes]] = ()
        self._events: list[Decision] = []
        self._next = 0  # the index that the next frame must have

    def observe(self, sequence: int, subject: str, time_ns: int, data: bytes) -> None:
        """See ``State.observe``."""
        self.membership.judged = None
        super().observe(sequence, subject, time_ns, data)
        if self.membership.judged is not None:
            self._account(subject, *self.membership.judged)
        elif subject.startswith(_COMMANDS):
            with suppress(BadFrame):
                self.causes.command(codec.decode_observation(subject, data)[0])

    def decide(self, sequence: int, subject: str, data: bytes, frame: DecisionFrame) -> None:
        """See ``State.decide``."""
        if frame.index != self._next:
            self._find("I4", frame, f"has frame {frame.index} where {self._next} must stand")
        if frame.index == 0:
            self._begin(frame)
        if frame.index < len(self._expected) and self._expected[frame.index] != (subject, data):
            self._tell_difference(frame, subject, data)
        self._events += frame.events
        super().decide(sequence, subject, data, frame)
        self._next = (frame.index + 1) % frame.count
        if not self._next:
            self.groups.decide(frame.cycle, self._events)
            self.causes.decide(frame.cycle, self._events, self.accounts.live, self.now_ns)
            self.accounts.decide(frame.cycle, self._events)
            self._events, self._expected = [], ()

    def _begin(self, frame: DecisionFrame) -> None:
        if frame.cycle != self.cycle + 1:
            self._find("I4", frame, f"follows cycle {self.cycle}")
        if frame.based_on != self.observed.sequence:
            text = f"is based on {frame.based_on}, but history stands at {self.observed.sequence}"
            self._find("I3", frame, text)
        if frame.observed != self.observed.digest:
            self._find("I3", frame, f"was decided over other observations up to {frame.based_on}")
        kind = derivation(self, frame)
        if kind is Derivation.FOREIGN_RULES:
            self._find("I4", frame, f"is of rules {self.rules}, which nobody has here")
            return
        if frame.state != (mine := self.digest()):
            self._find("I3", frame, f"was decided in state {frame.state}; replay has {mine}")
        claims = kind is Derivation.CLAIMED
        if claims and (problem := claim_problem(self, frame)):
            self._find("I4", frame, f"claims wrongly: {problem}")
        if frame.reign != self.reign + claims:
            self._find("I4", frame, f"is of reign {frame.reign}, but {self.reign} rules")
        self.cycles += not claims
        self._expected = derive(self, self._keys, frame).messages
        if len(self._expected) != frame.count:
            text = f"has {frame.count} frames; derived again, {len(self._expected)}"
            self._find("I4", frame, text)

    def _tell_difference(self, frame: DecisionFrame, subject: str, data: bytes) -> None:
        mine_subject, mine = self._expected[frame.index]
        pairs = zip(data, mine, strict=False)
        same = next((at for at, (left, right) in enumerate(pairs) if left != right), len(data))
        text = f"differs on {subject}: {_excerpt(data, same)}; derived again on {mine_subject}: "
        self._find("I4", frame, text + _excerpt(mine, same))

    def _find(self, invariant: str, frame: DecisionFrame, text: str) -> None:
        cycle = f"cycle {frame.cycle} (decision {self.decided.sequence + 1})"
        self._findings.add(invariant, f"{cycle} {text}")

    def _account(
        self,
        subject: str,
        frame: ObservationFrame,
        sequence: int,
        digest: str,
        verdict: Admission,
    ) -> None:
        """Take a cluster's frame into the accounts, if it counts by them."""
        expected = self.accounts.admits(frame, sequence, digest)
        if (verdict is Admission.TAKEN) != expected:
            what = f"frame {frame.number} of {frame.source}/{frame.channel}, epoch {frame.epoch}"
            wanted = "counts" if expected else "does not count"
            text = f"observation {sequence} ({what}) was {verdict.value}, but {wanted}"
            self._findings.add("I6", text)
        if verdict is Admission.TAKEN and subject.split(".")[2] != frame.source:
            text = f"observation {sequence} on {subject} counted as {frame.source}'s"
            self._findings.add("I9", text)
        if expected:
            self.accounts.observe(frame, sequence)
            self.causes.observe(frame, sequence, self.now_ns)
            self.groups.observe(frame)


def _excerpt(data: bytes, at: int) -> str:
    """What stands around ``at``."""
    return "…" + data[max(0, at - 80) : at + 200].decode(errors="replace") + "…"
