"""The scheduler: one standing by, or one active, and the append decides which.

As a standby it folds history and claims after two silent seconds. As the active one it repeats:

    1. wait for observations, at most until the next mark is due
    2. fold them, a slice at a time
    3. ``decide(state)``: pure, within the cycle's budget
    4. append under the fence (expected last sequence), settle an uncertain answer
    5. fold what was appended

It starts from the newest snapshot that fits the log, or from the log's head, and while active saves
one now and then. A refused append means that somebody else was first: it drops its state and stands
by again. So no lease is needed for safety, only patience.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import mcs
from mcs.decisions.framing import Cycle, frame_cycle
from mcs.decisions.scheduling import decide, prepare
from mcs.errors import Deposed, LogLost, Refused, Unavailable, Uncertain
from mcs.events import codec, subjects
from mcs.events.decisions import CycleMarked, Decision, PolicyActivated, SchedulerClaimed
from mcs.events.event import Last
from mcs.events.frames import SCHEMA, ObservationFrame, digest
from mcs.events.observations import Ticked
from mcs.names import CLOCK, Keys
from mcs.ports import Branch, Clock, EventLog, Requests, Snapshots, Stream, StreamInfo
from mcs.projections.state import RULES, State
from mcs.services.history import History
from mcs.services.log_ends import Past, check_decision, check_ends, check_last_words
from mcs.services.snapshots import Keeper, newest
from mcs.settings import SchedulerSettings

_log = logging.getLogger(__name__)
_EARLY_S = 0.001  # timers may ring a little early; else a mark would be due for ever, and never
_IN_ORDER = (Stream.DECISIONS, Stream.OBSERVATIONS)  # decisions name observations, not vice versa


class Scheduler:
    """One scheduler process. ``state`` may be read by others in this process, never written."""

    def __init__(
        self,
        log: EventLog,
        requests: Requests,
        clock: Clock,
        settings: SchedulerSettings,
        *,
        draw_id: Callable[[], str],
        snapshots: Snapshots | None = None,
        branch: Branch | None = None,
        on_active: Callable[[], None] = lambda: None,
    ) -> None:
        """``snapshots``: where to start from, and, with a ``branch`` to write them down in, to save
        to. ``on_active`` is called when it is ready to decide.
        """
        self.state = State()
        self.active = False
        self._log, self._requests, self._clock = log, requests, clock
        self._settings = settings
        self._keys = Keys(settings.domain)
        self._draw_id = draw_id
        self._snapshots = snapshots
        self._on_active = on_active
        self._keeper = Keeper(snapshots, branch, clock, settings)
        self._streams: dict[Stream, StreamInfo] = {}
        self._past = Past()
        self._history = History(log, self.state, strict=True)
        self._claim = ""
        self._inherited = 0  # observations that were there when it claimed
        self._marked_s = self._compared_s = 0.0
        self._breaks: int | None = None  # of the connection, when the logs were compared
        self._cut = False  # the last cycle's budget ended before there was nothing to decide
        self._asked: dict[tuple[str, str], float] = {}
        self._asking: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Stand by, act, stand by again; ends only by cancellation or ``LogLost``."""
        try:
            while True:
                await self._live()
        finally:
            await self._keeper.close()

    async def _live(self) -> None:
        """One life: from a saved state, or an empty one, until somebody else was first."""
        self.state = State()
        self._history = History(self._log, self.state, strict=True)
        try:
            await self._begin()
            await self._stand_by()
            await self._history.lead()
            await self._check_heartbeats()
            self._on_active()
            self.active = True
            _log.info("active: reign %d", self.state.reign)
            while True:
                await self.step()
        except (Deposed, Refused) as error:
            _log.warning("deposed: %s; standing by again", error)
        except Unavailable as error:
            _log.warning("the log cannot be reached: %s; standing by again", error)
            await self._clock.sleep(self._settings.retry_s)
        finally:
            self.active = False
            self.state.inventory.derived = None  # it refers back: nobody would collect the two
            await self._history.close()
            self._past.remember(self.state, self._history.newest, self._streams)

    async def step(self) -> None:
        """One cycle of the active scheduler."""
        settings = self._settings
        due_s = self._marked_s + settings.mark_s
        wait_s = 0.0 if self._cut else max(0.0, due_s - self._clock.monotonic())
        begun = self.state.observed.sequence
        folded = await self._history.observe(timeout_s=wait_s, limit=settings.slice_messages)
        if self._clock.monotonic() - self._compared_s >= settings.compare_s or self._unseen():
            await self._whole()
        if not folded and not self._cut and not self._unseen():
            await self._tick()
        known = self.state.membership.known_decision()
        # Where a decision was lost that an agent had read, our claim may stand by now.
        if known.sequence > self.state.decided.sequence or begun <= self._inherited:
            await self._check_heartbeats()
        self._ask_for_resyncs()
        events, whole = decide(self.state, self._keys)
        self._cut = bool(events) and not whole
        due = self._clock.monotonic() >= due_s - _EARLY_S
        if events or due:
            await self._append(events or (CycleMarked(),))

    async def _begin(self) -> None:
        """Take the newest state there is, and fold what the log holds beyond it."""
        self._streams = {stream: await self._log.info(stream) for stream in _IN_ORDER}
        await self._past.check(self._log, self._streams)
        await check_ends(self._log, self._streams)
        start = await newest(self._snapshots, self._log, self._clock, self._streams)
        _log.info(start.told)
        self.state = start.state
        self._history = History(self._log, self.state, strict=True)
        self._keeper.begin(self.state, self._streams)
        await self._history.open()
        began_s, before = self._clock.monotonic(), self.state.position
        while self.state.decided.sequence < self._streams[Stream.DECISIONS].last:
            await self._history.follow(timeout_s=self._settings.silence_s)
        took_s, count = self._clock.monotonic() - began_s, self.state.position - before
        rate = f" ({count / took_s:,.0f}/s)" if took_s else ""
        _log.info("folded %s messages in %.1f s%s", f"{count:,}", took_s, rate)

    async def _stand_by(self) -> None:
        """Fold history until the log is silent, then claim."""
        settings = self._settings
        while True:
            prepare(self.state)
            if await self._history.follow(timeout_s=settings.silence_s):
                continue
            if self._history.unknown:
                # Whoever decides must understand every decision before its own.
                tags = ", ".join(sorted(set(self._history.unknown)))
                _log.warning("not claiming: unknown decisions (%s); upgrade this scheduler", tags)
                continue
            # A claim would take the place of a decision that was lost.
            if not await self._whole():
                await self._clock.sleep(settings.retry_s)
                continue
            self._claim = self._draw_id()
            claim = SchedulerClaimed(
                reign=self.state.reign + 1, id=self._claim, version=mcs.__version__
            )
            try:
                await self._append((claim, *self._activation()))
            except Refused:
                continue  # somebody decided meanwhile: fold on
            return

    def _activation(self) -> tuple[PolicyActivated, ...]:
        now, ours = (self.state.rules, self.state.schema), (RULES, SCHEMA)
        if now == ours and self.state.policy == self._settings.policy:
            return ()
        event = PolicyActivated(
            rules=RULES, schema=SCHEMA, version=mcs.__version__, policy=self._settings.policy
        )
        return (event,)

    async def _append(self, events: tuple[Decision, ...]) -> None:
        reign = self.state.reign + isinstance(events[0], SchedulerClaimed)
        cycle = frame_cycle(self.state, reign, events)
        await self._settle(cycle)
        if self.active:
            self._keeper.consider(self.state)
        for index, (frame, (subject, data)) in enumerate(
            zip(cycle.frames, cycle.messages, strict=True)
        ):
            self.state.decide(cycle.after + index + 1, subject, data, frame)
        self._marked_s = self._clock.monotonic()

    async def _settle(self, cycle: Cycle) -> None:
        """Append until the answer is definite: stored, or somebody else's frame is there."""
        uncertain = False
        while True:
            if self._unseen() and not await self._whole():
                await self._clock.sleep(self._settings.retry_s)
                continue
            try:
                await self._log.append(cycle.messages, expected_last=cycle.after)
                return
            except (Uncertain, Unavailable) as error:
                uncertain = uncertain or isinstance(error, Uncertain)
                _log.warning("append after %d: %s", cycle.after, error)
                await self._clock.sleep(self._settings.retry_s)
                self._breaks = None
            except Refused as error:
                if error.actual is not None and error.actual < cycle.after:
                    raise LogLost(
                        f"DECISIONS ends at {error.actual}, but {cycle.after} was confirmed: "
                        "the log lost acknowledged decisions; restore NATS from its backup"
                    ) from error
                if uncertain and await self._stored(cycle):
                    return
                raise

    async def _whole(self) -> bool:
        """Whether the logs hold all that is known of them; False: it cannot be told now. A server
        that comes back may have lost what the fence does not ask for; it may come back so soon
        that no append fails.

        Raises:
            LogLost: it has, as two looks say: one that has just begun to lead may not know all.
        """
        self._compared_s = self._clock.monotonic()
        try:
            try:
                await self._compare()
            except LogLost as error:
                _log.warning("%s; looking again", error)
                await self._clock.sleep(self._settings.retry_s)
                await self._compare()
        except Unavailable as error:
            _log.warning("the logs cannot be compared now: %s", error)
            return False
        return True

    def _unseen(self) -> bool:
        """Whether what stands behind the connection may be another server than was compared."""
        return self._breaks != self._log.breaks

    async def _compare(self) -> None:
        """Compare the logs with all that is known of them. Raises LogLost, Unavailable."""
        breaks = self._log.breaks
        streams = {stream: await self._log.info(stream) for stream in _IN_ORDER}
        if not self.active:
            self._inherited = streams[Stream.OBSERVATIONS].last
        self._past.remember(self.state, self._history.newest, self._streams)
        await self._past.check(self._log, streams)
        await check_last_words(self._log, sorted(self.state.membership.members))
        self._breaks = breaks

    async def _stored(self, cycle: Cycle) -> bool:
        """Whether the message after the fence is our own first frame."""
        stored = await self._log.get(Stream.DECISIONS, cycle.after + 1)
        return stored is not None and (stored.subject, stored.data) == cycle.messages[0]

    async def _tick(self) -> None:
        """Nothing arrived for a second: let log time pass."""
        frame = ObservationFrame(source=CLOCK, channel="", events=(Ticked(),))
        message = subjects.TICKS, codec.encode(frame)
        try:
            sequence = await self._log.append([message])
            self._past.told(Last(sequence=sequence, digest=digest(*message)))
        except (Uncertain, Unavailable) as error:
            _log.warning("tick: %s", error)  # the next one will do

    async def _check_heartbeats(self) -> None:
        await check_decision(self._log, self.state.membership.known_decision(), "an agent has read")

    def _ask_for_resyncs(self) -> None:
        """Ask the agents of broken channels for a full account, each at most so often."""
        now_s = self._clock.monotonic()
        for cluster, channel in self.state.membership.broken():
            if now_s - self._asked.get((cluster, channel), -1e9) < self._settings.resync_ask_s:
                continue
            self._asked[cluster, channel] = now_s
            task = asyncio.create_task(self._ask(cluster, channel))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _ask(self, cluster: str, channel: str) -> None:
        subject = subjects.control(cluster, "_scheduler", "resync")
        try:
            await self._requests.ask(subject, channel.encode())
        except Unavailable as error:
            _log.warning("resync of %s %s: %s", cluster, channel, error)
