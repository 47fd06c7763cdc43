"""Writes a log as agents and a scheduler do: well-formed frames, numbered, chained, and folded as
they are written; what to decide is asked of the real core.

For whoever needs the product's state or its log without its services: no adapters, no loops, and
the time is whatever the caller says it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mcs.decisions.framing import frame_cycle
from mcs.decisions.scheduling import schedule
from mcs.events import codec, subjects
from mcs.events.decisions import Decision, Policy, PolicyActivated, SchedulerClaimed
from mcs.events.frames import SCHEMA, Frame, ObservationFrame, digest
from mcs.events.observations import (
    ClusterJoined,
    Observation,
    ResyncCompleted,
    ResyncStarted,
)
from mcs.names import Keys
from mcs.ports import Stored, Stream
from mcs.projections.state import RULES, State

START_NS: Final = 1_700_000_000_000_000_000

Keep = Callable[[Stream, Stored, Frame], None]
"""Takes each message of the log, in the order in which it was written, with its frame."""


class Writer:
    """One federation's log. ``now_ns``: the time at which the next message is stored; whoever wants
    time to pass sets it.
    """

    def __init__(self, policy: Policy | None = None, *, keep: Keep | None = None) -> None:
        self.state, self.keys = State(), Keys()
        self.now_ns = START_NS
        self._keep = keep
        self._epochs: dict[str, int] = {}
        self._channels: dict[tuple[str, str], tuple[int, str]] = {}  # last number and digest
        activated = PolicyActivated(
            rules=RULES, schema=SCHEMA, version="simulation", policy=policy or Policy()
        )
        self.append((SchedulerClaimed(reign=1, id="simulation"), activated))

    def join(self, cluster: str, *capacity: Observation) -> None:
        """A cluster joins and gives a full account: of these nodes and pods, and of no proxies."""
        event = ClusterJoined(id=f"join-{cluster}", uid=f"uid-{cluster}")
        frame = ObservationFrame(source=cluster, channel=subjects.CLUSTER, events=(event,))
        subject, data = subjects.observation(cluster, subjects.CLUSTER), codec.encode(frame)
        self._epochs[cluster] = self._store(subject, data, frame)
        self._channels[cluster, subjects.CLUSTER] = (0, digest(subject, data))
        self.resync(cluster, subjects.CAPACITY, *capacity)
        self.resync(cluster, subjects.PROXY)

    def resync(self, cluster: str, channel: str, *events: Observation) -> None:
        """A channel's full account."""
        started = self.observe(cluster, channel, ResyncStarted())
        self.observe(cluster, channel, *events, ResyncCompleted(started=started))

    def observe(self, cluster: str, channel: str, *events: Observation) -> int:
        """A cluster's next frame on a channel; returns its sequence. A channel's first frame in an
        epoch begins a full account, so one is given where the caller did not.
        """
        known = self._channels.get((cluster, channel))
        if known is None and not isinstance(events[0], ResyncStarted):
            self.resync(cluster, channel)
            known = self._channels[cluster, channel]
        last, previous = known or (-1, "")
        frame = ObservationFrame(
            source=cluster,
            epoch=self._epochs[cluster],
            channel=channel,
            number=last + 1,
            previous=previous,
            at="2026-01-01T00:00:00.000000Z",
            events=events,
        )
        subject, data = subjects.observation(cluster, channel), codec.encode(frame)
        self._channels[cluster, channel] = (frame.number, digest(subject, data))
        return self._store(subject, data, frame)

    def cycle(self) -> tuple[Decision, ...]:
        """Decide, append, fold; returns what was decided, and writes nothing where that is
        nothing.
        """
        events = schedule(self.state, self.keys)
        if events:
            self.append(events)
        return events

    def settle(self) -> tuple[Decision, ...]:
        """Cycles until there is nothing more to decide; all that they decided."""
        decided: list[Decision] = []
        while events := self.cycle():
            decided += events
        return tuple(decided)

    def append(self, events: tuple[Decision, ...]) -> None:
        """A cycle's frames, with these decisions."""
        cycle = frame_cycle(self.state, max(1, self.state.reign), events)
        pairs = zip(cycle.frames, cycle.messages, strict=True)
        for sequence, (frame, (subject, data)) in enumerate(pairs, cycle.after + 1):
            if self._keep:
                self._keep(Stream.DECISIONS, Stored(sequence, subject, self.now_ns, data), frame)
            self.state.decide(sequence, subject, data, frame)

    def _store(self, subject: str, data: bytes, frame: ObservationFrame) -> int:
        stored = Stored(self.state.observed.sequence + 1, subject, self.now_ns, data)
        self.state.observe(stored.sequence, subject, stored.time_ns, data)
        if self._keep:
            self._keep(Stream.OBSERVATIONS, stored, frame)
        return stored.sequence
