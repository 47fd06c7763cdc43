"""Whether the logs are still the logs that this cluster's agents knew, and at least as long.

Another log under the same address, or one that was restored from an old backup, would look like
decisions to delete what runs here. So an agent compares each stream's identity and end with what
the Lease remembers, before it joins and while it leads, and stops when they do not fit. The digest
of the last message is remembered too, since a log that lost its end may have grown again. What the
agent was told to be stored, and what it had read when it ends, counts as known.

Nothing is appended on a connection before the logs behind it were compared: what a damaged log
acknowledges would be missing in the good one that people put in its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from mcs.errors import LogLost, Unavailable
from mcs.events.event import Last
from mcs.events.frames import digest
from mcs.ports import Clock, EventLog, Stream, StreamInfo
from mcs.services.leadership import KnownLog, Leadership
from mcs.services.log_ends import check_ends
from mcs.services.noted_log import NotedLog

RESTART_S: Final = 0.5  # no server ends and is there again in less
SECOND_LOOK_S: Final = 0.5  # a server that has just begun to lead may not know all
_logger = logging.getLogger(__name__)


class KnownLogs(NotedLog):
    """An ``EventLog``: ``log``, compared with what ``lease`` remembers. ``identities``: of each
    stream, checked.
    """

    def __init__(self, log: EventLog, lease: Leadership, clock: Clock) -> None:
        self.identities: dict[Stream, str] = {}
        super().__init__(log)
        self._lease, self._clock = lease, clock
        self._noted_s: dict[Stream, float] = {}
        self._doubted: dict[Stream, list[KnownLog]] = {stream: [] for stream in Stream}
        self._comparing = asyncio.Lock()
        self._breaks: int | None = None  # of the connection, when they were compared

    async def append(
        self, messages: Sequence[tuple[str, bytes]], *, expected_last: int | None = None
    ) -> int:
        """See ``EventLog.append``: observations, on logs that were compared.

        Raises: as ``EventLog.append``, and as ``check``.
        """
        while self._breaks != self._log.breaks:
            await self.check()
        sequence = await self._log.append(messages, expected_last=expected_last)
        self.note(Stream.OBSERVATIONS, Last(sequence=sequence, digest=digest(*messages[-1])))
        return sequence

    def note(self, stream: Stream, last: Last) -> None:
        """Something was read, or acknowledged, that must stay. What was known before it is compared
        once more if a server may have been started again in between.
        """
        known, now_s = self._lease.known.get(stream), self._clock.monotonic()
        if known is None or last.sequence <= known.position:
            return
        if now_s - self._noted_s.get(stream, 0.0) > RESTART_S:
            self._doubted[stream].append(known)
        self._noted_s[stream] = now_s
        self._lease.remember(stream, KnownLog(known.identity, last.sequence, last.digest))

    def note_read(self) -> None:
        """Note the last messages read."""
        for stream, stored in self.newest.items():
            last = Last(sequence=stored.sequence, digest=digest(stored.subject, stored.data))
            self.note(stream, last)

    async def check(self) -> None:
        """Compare now, and have the Lease remember what is there.

        Raises:
            LogLost: a stream is another one, or shorter than was known, or than the other says;
                as two looks say.
            Unavailable: it cannot be told.
        """
        async with self._comparing:
            try:
                await self._look()
            except LogLost as error:
                _logger.warning("%s; looking again", error)
                await self._clock.sleep(SECOND_LOOK_S)
                await self._look()

    async def _look(self) -> None:
        breaks = self._log.breaks
        # Decisions first: they name observations, not the other way round.
        order = Stream.DECISIONS, Stream.OBSERVATIONS
        before = dict(self._lease.known)  # what is noted from now on may be newer than what we see
        doubted = {stream: list(self._doubted[stream]) for stream in order}
        streams = {stream: await self._log.info(stream) for stream in order}
        ends: dict[Stream, KnownLog] = {}
        for stream, info in streams.items():
            for known in (*doubted[stream], before.get(stream, KnownLog(info.identity))):
                await self._compare(stream, info, known)
            last = await self._digest(stream, info.last)
            ends[stream] = KnownLog(info.identity, info.last, last)
        await check_ends(self._log, streams)
        # All at once: what the other one grew by is not kept where one is damaged.
        for stream, end in ends.items():
            del self._doubted[stream][: len(doubted[stream])]
            self.identities[stream] = end.identity
            if stream not in before or end.position >= self._lease.known[stream].position:
                self._lease.remember(stream, end)
        self._breaks = breaks

    async def _compare(self, stream: Stream, info: StreamInfo, known: KnownLog) -> None:
        remedy = f"if that is meant to be, delete the Lease {self._lease.name} and start again"
        if info.identity != known.identity:
            raise LogLost(
                f"{stream} is another stream ({info.identity}) than the one that this "
                f"cluster's agents knew ({known.identity}); {remedy}"
            )
        if info.last < known.position:
            raise LogLost(
                f"{stream} ends at {info.last}, but this cluster's agents knew "
                f"{known.position}: acknowledged events are lost; restore NATS from its "
                f"backup, or, {remedy}"
            )
        if known.digest and known.position >= info.first:
            found = await self._digest(stream, known.position)
            if found != known.digest:
                raise LogLost(
                    f"{stream} {known.position} is not the message that this cluster's agents "
                    "knew there: the log lost acknowledged events and grew again; restore "
                    f"NATS from its backup, or, {remedy}"
                )

    async def _digest(self, stream: Stream, sequence: int) -> str:
        """The digest of a message; empty: it is not there."""
        stored = await self._log.get(stream, sequence)
        return "" if stored is None else digest(stored.subject, stored.data)

    async def watch(self, every_s: float) -> None:
        """Compare now and every ``every_s`` seconds until cancelled; an outage proves nothing.

        Raises:
            LogLost: as ``check``.
        """
        while True:
            try:
                await self.check()
            except Unavailable as error:
                _logger.warning("the logs cannot be compared now: %s", error)
            await self._clock.sleep(every_s)
