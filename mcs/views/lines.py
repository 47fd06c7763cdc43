"""The log as people read it: one line for each event, in the order of the server's time.

What repeats without news (heartbeats, ticks, marks, the frames around a full account) is *quiet*
and left out unless asked for, and counted. ``--json`` shows everything an event holds, manifests
too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from mcs.errors import BadFrame, BadName, BadSubject
from mcs.events import codec, subjects
from mcs.events.decisions import CycleMarked, Decision
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.events.observations import (
    ClusterHeartbeat,
    Observation,
    PodGone,
    ResyncCompleted,
    ResyncStarted,
    Ticked,
)
from mcs.names import CLOCK, OPERATOR, cluster_name
from mcs.ports import Stored
from mcs.views.amounts import clock_time, iso_time
from mcs.views.decided import decided
from mcs.views.naming import Names, Proxied
from mcs.views.observed import observed
from mcs.views.words import Piece, Words, bad, cluster, plain, quiet, say

_QUIET: Final = (ClusterHeartbeat, Ticked, CycleMarked, ResyncStarted, ResyncCompleted)
_PLACE_WIDTH: Final = 10
_CLUSTER_WIDTH: Final = 21
_raw = msgspec.json.Encoder()

Frame = ObservationFrame | DecisionFrame


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One event, told. ``clusters`` are those it concerns; ``proxy`` the pod, with its ``uid``.

    ``event`` is None for what could not be read.
    """

    time_ns: int
    stream: str
    sequence: int
    subject: str
    clusters: tuple[str, ...]
    words: Words
    uid: str = ""
    proxy: Proxied | None = None
    quiet: bool = False
    event: Observation | Decision | None = None


class Teller:
    """Turns messages into lines; it learns names on the way, so it should read from the head."""

    def __init__(self) -> None:
        self.names = Names()

    def lines(self, stored: Stored) -> list[Line]:
        """The events of one message of either stream."""
        try:
            if stored.subject.startswith("mcs.dec."):
                frame, unknown = codec.decode_decision(stored.subject, stored.data)
                found = list(self._decided(stored, frame))
            else:
                facts, unknown = codec.decode_observation(stored.subject, stored.data)
                found = list(self._observed(stored, facts))
        except BadFrame as error:
            return [_line(stored, _whose(stored.subject), say(bad("unreadable: "), str(error)))]
        more = [
            _line(
                stored,
                _whose(stored.subject),
                say(bad("unknown event "), event.tag or "without a tag"),
            )
            for event in unknown
        ]
        return found + more

    def _observed(self, stored: Stored, frame: ObservationFrame) -> Iterator[Line]:
        for event in frame.events:
            self.names.learn(event, frame.source)
            words = observed(event, frame.source, frame.channel, self.names)
            named = getattr(event, "cluster", "") if frame.source == OPERATOR else frame.source
            other = subjects.delegate_source(frame.channel) or ""
            clusters = tuple(name for name in (named, other) if name and name != CLOCK)
            yield self._line(stored, clusters, words, event)
            if isinstance(event, PodGone):
                self.names.forget_pod(frame.source, event.uid)

    def _decided(self, stored: Stored, frame: DecisionFrame) -> Iterator[Line]:
        for event in frame.events:
            self.names.learn(event)
            words = decided(event)
            if isinstance(event, CycleMarked):
                words = say(words, quiet(f" up to observation {frame.based_on}"))
            named = (getattr(event, word, "") for word in ("source", "target", "cluster"))
            yield self._line(stored, tuple(name for name in named if name), words, event)

    def _line(
        self, stored: Stored, clusters: tuple[str, ...], words: Words, event: Observation | Decision
    ) -> Line:
        try:
            uid, proxy = self.names.subject_of(event)
        except BadName:
            uid, proxy = "", None
        return msgspec.structs.replace(
            _line(stored, clusters, words),
            uid=uid,
            proxy=proxy,
            quiet=isinstance(event, _QUIET),
            event=event,
        )


def columns(line: Line, *, date: bool = False) -> tuple[Words, Words, Words, Words]:
    """A line's time, its place in the log, whom it concerns, and what happened."""
    decision = line.stream == "decision"
    place = f"{'dec' if decision else 'obs'} {line.sequence}"
    time = say(quiet(clock_time(line.time_ns, date=date)))
    return time, say(place), _concerned(line, arrow=decision), line.words


def sentence(line: Line, *, date: bool = False) -> Words:
    """A line whole, its columns aligned with those of others."""
    time, place, concerned, words = columns(line, date=date)
    return say(time, "  ", _wide(place, _PLACE_WIDTH), _wide(concerned, _CLUSTER_WIDTH), words)


def as_json(line: Line) -> bytes:
    """A line for programs: everything the event holds."""
    fields = {
        "time": iso_time(line.time_ns),
        "stream": "DECISIONS" if line.stream == "decision" else "OBSERVATIONS",
        "sequence": line.sequence,
        "subject": line.subject,
        "clusters": line.clusters,
        "text": plain(line.words),
        "event": line.event,
    }
    return _raw.encode(fields)


def _concerned(line: Line, *, arrow: bool) -> Words:
    """Who speaks, or for a decision source → target, in a column of its own."""
    if arrow:
        pieces: list[Piece] = ["scheduler"] if not line.clusters else []
        for number, name in enumerate(dict.fromkeys(line.clusters)):
            pieces += [" → " if number else "", cluster(name)]
        if len(line.clusters) == 2 and line.clusters[0] == line.clusters[1]:
            pieces += [" → ", "itself"]
    else:
        speaker = line.clusters[0] if line.clusters else "clock"
        pieces = ["operator" if OPERATOR in line.subject.split(".") else cluster(speaker)]
    return say(*pieces)


def _wide(words: Words, width: int) -> Words:
    """Words, filled up to a width, with two spaces at least."""
    return say(words, " " * max(2, width - len(plain(words))))


def _whose(subject: str) -> tuple[str, ...]:
    """The clusters whose subject it is, for what cannot be read."""
    try:
        if subject.startswith("mcs.dec."):
            target, source = subjects.parse_decision(subject)
            return tuple(name for name in (source, target) if name)
        return (cluster_name(subject.split(".")[2]),)
    except (BadName, BadSubject):  # the clock's, an operator's, or nobody's
        return ()


def _line(stored: Stored, clusters: tuple[str, ...], words: Words) -> Line:
    stream = "decision" if stored.subject.startswith("mcs.dec.") else "observation"
    return Line(
        time_ns=stored.time_ns,
        stream=stream,
        sequence=stored.sequence,
        subject=stored.subject,
        clusters=clusters,
        words=words,
    )
