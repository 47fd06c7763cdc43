"""The order of history: decision cycles in order, before each the observations it was based on.

A standby scheduler, ``mcs status`` and every later replay fold the two logs through this one loop,
so they all reach the same state at each cycle.
"""

from __future__ import annotations

from collections import deque

from mcs.errors import BadFrame, LogLost
from mcs.events import codec
from mcs.ports import EventLog, Reader, Stored, Stream
from mcs.projections.state import State

_SLICE = 512  # messages asked for at once
SLICE_BYTES = 4 * 1024 * 1024  # folded at once: a tenth of a second, in which nothing is decided
_LOOK_S = 1.0  # after so long without the observations that a decision names: are they there?


class History:
    """Folds both logs into a state; observations never run ahead of the last decision."""

    def __init__(self, log: EventLog, state: State, *, strict: bool = False) -> None:
        """``strict``: decisions must have been made of these very observations. A scheduler, which
        builds on them, asks for that; people look at a damaged log too, and ``mcs verify`` tells.
        """
        self.state = state
        self._strict = strict
        self.unknown: list[str] = []  # tags of decisions that a newer version made
        self._log = log
        self._decisions: Reader | None = None
        self._observations: Reader | None = None
        self._waiting: deque[Stored] = deque()
        self._folded: Stored | None = None

    @property
    def newest(self) -> Stored | None:
        """The last observation read: folded, or waiting for a decision that names it."""
        return self._waiting[-1] if self._waiting else self._folded

    async def open(self) -> None:
        """Start reading after the state's position."""
        self._decisions = await self._log.read(Stream.DECISIONS, after=self.state.decided.sequence)
        self._observations = await self._log.read(
            Stream.OBSERVATIONS, after=self.state.observed.sequence
        )

    async def lead(self) -> None:
        """From here on decisions are this process's own: only observations are read."""
        if self._decisions is not None:
            await self._decisions.close()
            self._decisions = None

    async def close(self) -> None:
        """Stop reading."""
        for reader in (self._decisions, self._observations):
            if reader is not None:
                await reader.close()

    async def follow(self, *, timeout_s: float, upto: int | None = None) -> bool:
        """Fold the cycles that arrive within ``timeout_s``, none after decision ``upto`` (which is
        ahead); False when none did.

        Raises:
            LogLost: a chain is broken, or the log ends before what is known of it.
        """
        assert self._decisions is not None
        limit = _SLICE if upto is None else min(_SLICE, upto - self.state.decided.sequence)
        arrived = await self._decisions.next(limit=limit, timeout_s=timeout_s)
        for stored in arrived:
            try:
                frame, unknown = codec.decode_decision(stored.subject, stored.data)
            except BadFrame as error:
                raise LogLost(f"DECISIONS {stored.sequence} cannot be read: {error}") from error
            self.unknown += [event.named for event in unknown]
            self.state.pass_over(stored.sequence, stored.subject, unknown)
            self.state.check(stored.sequence, frame)
            await self.observe_to(frame.based_on)
            if self._strict and frame.observed != self.state.observed.digest:
                raise LogLost(
                    f"DECISIONS {stored.sequence} was decided on other observations up to "
                    f"{frame.based_on} than OBSERVATIONS holds"
                )
            self.state.decide(stored.sequence, stored.subject, stored.data, frame)
        return bool(arrived)

    async def observe_to(self, sequence: int) -> None:
        """Fold observations up to and including ``sequence`` (they are in the log already).

        Raises:
            LogLost: they are not.
        """
        while self.state.observed.sequence < sequence:
            if not self._waiting:
                self._waiting.extend(await self.arrivals(timeout_s=_LOOK_S))
            if self._waiting:
                self._observe(self._waiting.popleft())
                continue
            end = (await self._log.info(Stream.OBSERVATIONS)).last
            if end < sequence:
                raise LogLost(
                    f"OBSERVATIONS ends at {end}, but DECISIONS {self.state.decided.sequence + 1} "
                    f"was based on {sequence}"
                )

    async def observe(self, *, timeout_s: float | None, limit: int) -> int:
        """Fold what has arrived of the observations, at most ``limit`` messages, and no more when
        these were large; waits for the first one up to ``timeout_s``. Returns the number folded.
        """
        if not self._waiting:
            self._waiting.extend(await self.arrivals(timeout_s=timeout_s))
        count = size = 0
        while self._waiting and count < limit and size < SLICE_BYTES:
            stored = self._waiting.popleft()
            count, size = count + 1, size + len(stored.data)
            self._observe(stored)
        return count

    async def arrivals(self, *, timeout_s: float | None) -> list[Stored]:
        """The next observations, unfolded."""
        assert self._observations is not None
        return await self._observations.next(limit=_SLICE, timeout_s=timeout_s)

    def _observe(self, stored: Stored) -> None:
        self.state.observe(stored.sequence, stored.subject, stored.time_ns, stored.data)
        self._folded = stored
