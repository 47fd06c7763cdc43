"""``mcs verify``: a whole log, walked once and held against itself.

Each cycle carries the digest of the state in which its scheduler decided it. So the live
scheduler's state is compared without asking it: its newest cycle, a second old at most while it is
active, says in the log what its state was, and the replayed one must have that digest. Asking it by
a request would say the same of a moment that no log position names.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from mcs.errors import BadSnapshot, LogLost, Unavailable
from mcs.events.frames import digest
from mcs.events.seals import Seal
from mcs.names import Keys
from mcs.ports import EventLog, Reader, Snapshots, Stored, Stream
from mcs.projections.state import RULES, State
from mcs.services.auditing import Auditor, Differs
from mcs.services.findings import Difference, Findings, Flaw
from mcs.services.reading import Ends, stored_at
from mcs.services.snapshots import unpack

_PAGE: Final = 1000
_CYCLE_MOST: Final = 1000  # frames; an atomic batch holds no more

Told = Callable[[int, int, Findings], None]
"""Is told how many messages were walked, of how many, and what was found so far."""


async def verify(
    log: EventLog,
    keys: Keys,
    *,
    now_s: float,
    expected: Seal | None = None,
    start: State | None = None,
    told: Told | None = None,
) -> Findings:
    """Walk both logs from their heads to their ends as they are now; ``start``: see ``earliest``.

    Raises:
        LogLost: a stream is not there, or has a hole.
        Unavailable: they cannot be read.
    """
    heads = (await log.info(Stream.DECISIONS)).first, (await log.info(Stream.OBSERVATIONS)).first
    ends = await Ends.of(log)
    newest_ns = await stored_at(log, Stream.DECISIONS, ends.decisions)
    auditor = Auditor(keys, heads=heads, end=ends.observations, expected=expected, start=start)
    try:
        await _Walk(log, auditor, heads, ends, told).run()
        await _settle_named(log, auditor)
    except Differs as found:
        auditor.note(found.difference)
    findings = auditor.settle()
    findings.newest_s = max(0.0, now_s - newest_ns / 1e9) if newest_ns else None
    return findings


async def earliest(snapshots: Snapshots | None, log: EventLog) -> State | None:
    """The oldest saved state from which a log whose observations were trimmed can be derived; None
    where there is none, or none is needed. It is believed only if the log's next cycle names it.
    """
    head = (await log.info(Stream.OBSERVATIONS)).first
    if snapshots is None or head == 1:
        return None
    try:
        names = await snapshots.names()
    except Unavailable:
        return None
    for name in reversed(names):
        try:
            saved, state = unpack(await snapshots.load(name))
        except (BadSnapshot, Unavailable):
            continue
        if saved.rules == RULES and state.observed.sequence >= head - 1:
            return state
    return None


class _Walk:
    """Brings the messages of both logs to an auditor, in the order of history."""

    def __init__(
        self,
        log: EventLog,
        auditor: Auditor,
        heads: tuple[int, int],
        ends: Ends,
        told: Told | None,
    ) -> None:
        self._log, self._auditor, self._heads, self._ends = log, auditor, heads, ends
        self._told, self._done = told, 0
        self._total = max(0, ends.decisions - heads[0] + 1)
        self._total += max(0, ends.observations - heads[1] + 1)
        self._waiting: deque[Stored] = deque()

    async def run(self) -> None:
        """To the ends. Raises Differs."""
        decisions = await self._log.read(Stream.DECISIONS, after=self._heads[0] - 1)
        observations = await self._log.read(Stream.OBSERVATIONS, after=self._heads[1] - 1)
        try:
            position = self._heads[0] - 1
            while position < self._ends.decisions:
                limit = min(_PAGE, self._ends.decisions - position)
                for stored in await decisions.next(limit=limit, timeout_s=None):
                    await self._decide(stored, observations)
                    position = stored.sequence
                self._tell()
            await self._finish_cycle(observations)
            while self._auditor.observed.sequence < self._ends.observations:
                await self._observe(observations, self._ends.observations)
            self._auditor.finish()
        finally:
            await decisions.close()
            await observations.close()
        self._tell()

    async def _decide(self, stored: Stored, observations: Reader) -> None:
        frame = self._auditor.open(stored)
        while self._auditor.observed.sequence < frame.based_on:
            await self._observe(observations, frame.based_on)
        self._auditor.decide(stored, frame)
        self._done += 1

    async def _observe(self, observations: Reader, upto: int) -> None:
        """Observations up to a sequence, as far as they are at hand."""
        if not self._waiting:
            left = self._ends.observations - self._auditor.observed.sequence
            limit = max(1, min(_PAGE, left))
            self._waiting.extend(await observations.next(limit=limit, timeout_s=None))
            self._tell()
        while self._waiting and self._auditor.observed.sequence < upto:
            self._auditor.observe(self._waiting.popleft())
            self._done += 1

    async def _finish_cycle(self, observations: Reader) -> None:
        """A cycle may have been on its way into the log when its end was asked for."""
        for _ in range(_CYCLE_MOST):
            if not self._auditor.chain.unfinished:
                return
            following = self._auditor.chain.decided.sequence + 1
            stored = await self._log.get(Stream.DECISIONS, following)
            if stored is None:
                return
            await self._decide(stored, observations)

    def _tell(self) -> None:
        if self._told is not None:
            self._told(self._done, self._total, self._auditor.findings)


async def _settle_named(log: EventLog, auditor: Auditor) -> None:
    """Decisions that agents have read, beyond the end at which we stopped: are they there?"""
    for sequence, (wanted, named) in sorted(auditor.named.items()):
        try:
            stored = await log.get(Stream.DECISIONS, sequence)
        except LogLost:
            stored = None
        if stored is not None and digest(stored.subject, stored.data) == wanted:
            continue
        is_here = "is not there: the end of DECISIONS was cut off" if stored is None else "differs"
        auditor.note(
            Difference(
                flaw=Flaw.LOST,
                stream=Stream.DECISIONS,
                sequence=sequence,
                words=f"an agent has read decision {sequence} (observation {named.sequence} says "
                f"so), which {is_here}",
                found=None if stored is None else stored.data,
                since=named.sequence - 1,
                until=named.sequence,
            )
        )
