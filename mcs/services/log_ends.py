"""Whether the logs still reach as far as is known of them: before a scheduler builds on them.

Servers that were not made to sync may come back with less than they had confirmed. What they lost
can be known from elsewhere: from the logs themselves (a decision names the observations that it was
based on), from agents (a heartbeat names the last decision that its agent read), and from what this
process itself has read before it had to begin anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mcs.errors import BadFrame, LogLost
from mcs.events import codec, subjects
from mcs.events.event import Last
from mcs.events.frames import digest
from mcs.events.observations import ClusterHeartbeat
from mcs.ports import EventLog, Stored, Stream, StreamInfo

if TYPE_CHECKING:  # agents come here too, and do without its numpy: 16 MiB
    from mcs.projections.state import State

_ANY = "*"
_REMEDY = "restore NATS from its backup"


async def check_ends(log: EventLog, streams: Mapping[Stream, StreamInfo]) -> None:
    """Compare the ends of both logs with each other. Raises LogLost, Unavailable."""
    end, observed = streams[Stream.DECISIONS].last, streams[Stream.OBSERVATIONS].last
    last = await log.get(Stream.DECISIONS, end) if end else None
    if last is None:
        return
    try:
        frame, _ = codec.decode_decision(last.subject, last.data)
    except BadFrame as error:
        raise LogLost(f"DECISIONS {last.sequence} cannot be read: {error}") from error
    if frame.based_on > observed:
        raise LogLost(
            f"OBSERVATIONS ends at {observed}, but decision {last.sequence} was based on "
            f"{frame.based_on}: acknowledged observations are lost; {_REMEDY}"
        )


async def check_decision(log: EventLog, known: Last, who: str) -> None:
    """Compare a decision that somebody has read with the log. Raises LogLost, Unavailable."""
    if known.sequence <= 0:
        return
    stored = await log.get(Stream.DECISIONS, known.sequence)
    if stored is None or digest(stored.subject, stored.data) != known.digest:
        raise LogLost(
            f"{who} decision {known.sequence} ({known.digest}), which is not in DECISIONS: the "
            f"log lost acknowledged decisions; {_REMEDY}"
        )


async def check_last_words(log: EventLog, clusters: Iterable[str]) -> None:
    """Compare the decisions that these clusters' last heartbeats name with the log, and the one
    that the last heartbeat of all names, be it of a cluster that is not known yet.

    A scheduler that stands by has folded observations no further than the last decision there is;
    the heartbeat that names a lost decision lies beyond.

    Raises:
        LogLost: one is not there, or is another.
        Unavailable: it cannot be told.
    """
    for cluster in (_ANY, *clusters):
        subject = subjects.observation(cluster, subjects.CLUSTER)
        stored = await log.last(Stream.OBSERVATIONS, subject)
        if stored is None:
            continue
        try:
            frame, _ = codec.decode_observation(stored.subject, stored.data)
        except BadFrame:
            continue
        for event in frame.events:
            if isinstance(event, ClusterHeartbeat):
                await check_decision(log, event.decision, f"the agent of {frame.source} has read")


class Past:
    """What this process has read, or was told to be stored, in its lives so far."""

    def __init__(self) -> None:
        self._decided = self._told = Last()
        self._observed = 0
        self._newest: Stored | None = None
        self._identities: dict[Stream, str] = {}

    def remember(
        self, state: State, newest: Stored | None, streams: Mapping[Stream, StreamInfo]
    ) -> None:
        """Note how far a life has come; ``newest`` is the last observation it has read."""
        if state.decided.sequence > self._decided.sequence:
            self._decided = state.decided
        self._observed = max(self._observed, state.observed.sequence)
        if newest is not None:
            self._newest, self._observed = newest, max(self._observed, newest.sequence)
        self._identities |= {stream: info.identity for stream, info in streams.items()}

    def told(self, stored: Last) -> None:
        """An observation of this process' own was stored."""
        self._told = stored
        self._observed = max(self._observed, stored.sequence)

    async def check(self, log: EventLog, streams: Mapping[Stream, StreamInfo]) -> None:
        """Compare the log with it. Raises LogLost, Unavailable."""
        for stream, identity in self._identities.items():
            if streams[stream].identity != identity:
                raise LogLost(
                    f"{stream} is another stream ({streams[stream].identity}) than before "
                    f"({identity}); bring the right one back, or start the scheduler anew"
                )
        if streams[Stream.OBSERVATIONS].last < self._observed:
            raise LogLost(
                f"OBSERVATIONS ends at {streams[Stream.OBSERVATIONS].last}, but {self._observed} "
                f"was there: the log lost acknowledged observations; {_REMEDY}"
            )
        await self._check_observations(log, streams[Stream.OBSERVATIONS].first)
        await check_decision(log, self._decided, "this scheduler has folded")

    async def _check_observations(self, log: EventLog, first: int) -> None:
        """A log that lost its end may have grown again."""
        newest, told = self._newest, self._told
        if newest is not None and newest.sequence >= first:
            found = await log.get(Stream.OBSERVATIONS, newest.sequence)
            if found != newest:
                raise _grown(newest.sequence, "read")
        if told.sequence >= max(first, 1):
            found = await log.get(Stream.OBSERVATIONS, told.sequence)
            if found is None or digest(found.subject, found.data) != told.digest:
                raise _grown(told.sequence, "written")


def _grown(sequence: int, done: str) -> LogLost:
    return LogLost(
        f"OBSERVATIONS {sequence} is not what this scheduler has {done}: the log lost acknowledged "
        f"observations and grew again; {_REMEDY}"
    )
