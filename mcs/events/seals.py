"""Seals: one line of text that pins both logs up to a point, to be kept outside of them.

A log proves by itself that nothing before its last cycle was removed, changed, swapped or added;
what it cannot prove is that it has not been cut off, or written anew, behind that. A seal can: it
names the last decision with its digest (whose ``previous`` chains all before it) and the last
observation with the running digest of OBSERVATIONS. ``mcs status`` prints one, an export's
manifest keeps one as ``token``, and ``mcs verify --expect`` holds a log against one.

    412:3f0c…:10233:9be1…     decision, its digest, observation, running digest
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from mcs.errors import BadSettings
from mcs.events.event import Last
from mcs.events.frames import digest, running

_SEAL: Final = re.compile(r"(\d{1,20}):([0-9a-f]{32})?:(\d{1,20}):([0-9a-f]{32})?")


class Seal(msgspec.Struct, frozen=True):
    """The ends of both logs: each a sequence and a digest; ``Last()`` is a log's beginning."""

    decided: Last = Last()
    observed: Last = Last()

    @classmethod
    def parse(cls, text: str) -> Seal:
        """A seal as it was printed.

        Raises:
            BadSettings: it is none.
        """
        match = _SEAL.fullmatch(text.strip())
        if match is None:
            raise BadSettings(
                f"{text!r} is no digest of a log: give all that `mcs status` prints after "
                "'Digest', or an export's 'token', such as 412:3f0c…:10233:9be1…"
            )
        decision, decided, observation, observed = match.groups(default="")
        seal = cls(
            decided=Last(sequence=int(decision), digest=decided),
            observed=Last(sequence=int(observation), digest=observed),
        )
        if any(bool(last.sequence) != bool(last.digest) for last in (seal.decided, seal.observed)):
            raise BadSettings(f"{text!r} is no digest of a log: a part of it is missing")
        return seal

    def __str__(self) -> str:
        ends = (self.decided, self.observed)
        return ":".join(f"{last.sequence}:{last.digest}" for last in ends)

    def decide(self, sequence: int, subject: str, data: bytes) -> Seal:
        """The seal after one more message of DECISIONS."""
        last = Last(sequence=sequence, digest=digest(subject, data))
        return Seal(decided=last, observed=self.observed)

    def observe(self, sequence: int, subject: str, time_ns: int, data: bytes) -> Seal:
        """The seal after one more message of OBSERVATIONS; ``time_ns`` is the server's."""
        seen = running(self.observed.digest, sequence, subject, time_ns, data)
        return Seal(decided=self.decided, observed=Last(sequence=sequence, digest=seen))
