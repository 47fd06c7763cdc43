"""The log as it grew: every message when it was stored, and history folded along behind it.

I6  What was acknowledged is in the log, with its bytes, and stays there. A loss that the world
    announced takes what it took; whoever knew of that must say so, and the replay ends if it had
    read on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from mcs.adapters.memory_log import MemoryBroker
from mcs.errors import BadFrame, LogLost
from mcs.events import codec
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.names import Keys
from mcs.ports import Stored, Stream
from mcs.projections.dumping import dump
from mcs.projections.state import State
from mcs.simulation.checkers.findings import Findings
from mcs.simulation.checkers.replaying import Replaying

Frame = ObservationFrame | DecisionFrame


class Journal:
    """Observes a broker. ``listeners`` are told of each message that can be read, when it is
    stored; ``damaged`` is set once the log is no longer what it was.
    """

    def __init__(self, broker: MemoryBroker, keys: Keys, findings: Findings) -> None:
        self.replayed = Replaying(keys, findings)
        self.listeners: list[Callable[[Stored, Frame | None], None]] = []
        self.damaged = False
        self.stopped = False
        """History cannot be followed any further."""
        self._broker, self._findings = broker, findings
        self._kept: dict[Stream, list[Stored]] = {stream: [] for stream in Stream}
        self._first = dict.fromkeys(Stream, 1)
        self.dumped = b""
        """The state at some cycle's boundary."""

    def begin(self) -> None:
        """Read what is there, then watch."""
        for name, stream in self._broker.streams.items():
            self._first[name] = stream.first
            for message in stream.messages:
                self.stored(name, message)
        self._broker.observers.append(self)

    # -- what the broker tells -----------------------------------------------------------------

    def stored(self, stream: Stream, message: Stored) -> None:
        """See ``adapters.memory_log.Observer``."""
        self._kept[stream].append(message)
        frame = _frame(stream, message)
        for listener in self.listeners:
            listener(message, frame)

    def trimmed(self, stream: Stream, first: int) -> None:
        """See ``adapters.memory_log.Observer``."""

    def lost(self, stream: Stream, last: int) -> None:
        """See ``adapters.memory_log.Observer``."""
        kept = self._kept[stream]
        if not kept or kept[-1].sequence <= last:
            return
        del kept[max(0, last + 1 - self._first[stream]) :]
        state = self.replayed
        read = state.decided if stream is Stream.DECISIONS else state.observed
        self.damaged = True
        self.stopped = self.stopped or read.sequence > last

    # -- what the world tells ------------------------------------------------------------------

    def acknowledged(
        self, process: str, stream: Stream, sequence: int, messages: Sequence[tuple[str, bytes]]
    ) -> None:
        """An append's answer arrived."""
        if self.damaged:
            return
        for number, (subject, data) in enumerate(messages, sequence - len(messages) + 1):
            kept = self.get(stream, number)
            told = f"{process} was told that {stream} {number} is its own, on {subject}"
            if kept is None:
                self._findings.add("I6", f"{told}: nothing is stored there")
            elif (kept.subject, kept.data) != (subject, data):
                self._findings.add("I6", f"{told}: other bytes are, on {kept.subject}")

    def get(self, stream: Stream, sequence: int) -> Stored | None:
        """A message as it was stored, or None."""
        at = sequence - self._first[stream]
        return self._kept[stream][at] if 0 <= at < len(self._kept[stream]) else None

    def last(self, stream: Stream) -> int:
        """The last sequence stored."""
        return self._first[stream] + len(self._kept[stream]) - 1

    def forged(self) -> set[int]:
        """Sequences of accounts that somebody began in a cluster's name."""
        found = set()
        for stored in self._kept[Stream.OBSERVATIONS]:
            if b'"reason":"forged"' in stored.data:
                found.add(stored.sequence)
        return found

    # -- history -------------------------------------------------------------------------------

    def follow(self) -> None:
        """Fold every cycle that is stored, and the observations that each was based on."""
        while not self.stopped:
            try:
                if not self._step(self.replayed):
                    return
            except LogLost as error:
                self._stop("I3", str(error))

    def end_of(self, state: State) -> None:
        """Fold a state that stands anywhere in this history to its very end.

        Raises:
            LogLost: it does not stand there.
        """
        while not self.stopped and self._step(state):
            pass
        self.observe_to(state, self.last(Stream.OBSERVATIONS))

    def observe_to(self, state: State, sequence: int) -> None:
        """Fold observations up to ``sequence`` into a state that stands in this history."""
        while state.observed.sequence < sequence and not self.stopped:
            stored = self.get(Stream.OBSERVATIONS, state.observed.sequence + 1)
            if stored is None:
                last = state.observed.sequence
                self._stop("I6", f"a decision is based on {sequence}, observations end at {last}")
                return
            state.observe(stored.sequence, stored.subject, stored.time_ns, stored.data)

    def _step(self, state: State) -> bool:
        """Fold the next frame of a cycle; False when there is none."""
        stored = self.get(Stream.DECISIONS, state.decided.sequence + 1)
        if stored is None:
            return False
        try:
            frame, unknown = codec.decode_decision(stored.subject, stored.data)
        except BadFrame:
            self._stop("I4", f"decision {stored.sequence} cannot be read")
            return False
        state.pass_over(stored.sequence, stored.subject, unknown)
        state.check(stored.sequence, frame)
        self.observe_to(state, frame.based_on)
        if self.stopped:
            return False
        # Each time twice as far: at the end about half of history is folded on from there.
        if state is self.replayed and not frame.index and not frame.cycle & (frame.cycle - 1):
            self.dumped = dump(state)
        state.decide(stored.sequence, stored.subject, stored.data, frame)
        return True

    def check_kept(self) -> None:
        """I6: what was stored is still there, byte for byte."""
        for name, kept in self._kept.items():
            stream = self._broker.streams.get(name)
            for message in kept:
                if stream is None or message.sequence < stream.first:
                    continue
                if stream.get(message.sequence) != message:
                    text = f"{name} {message.sequence} ({message.subject}) is no longer what it was"
                    self._findings.add("I6", text)

    def _stop(self, invariant: str, text: str) -> None:
        self.stopped = True
        if not self.damaged:
            self._findings.add(invariant, text)


def _frame(stream: Stream, message: Stored) -> Frame | None:
    try:
        if stream is Stream.DECISIONS:
            return codec.decode_decision(message.subject, message.data)[0]
        return codec.decode_observation(message.subject, message.data)[0]
    except (BadFrame, msgspec.DecodeError):
        return None
