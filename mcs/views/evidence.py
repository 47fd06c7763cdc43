"""Which message of the log said something last: how a verdict comes to name its events.

A state keeps facts and not where they came from. Who asks reads the log anyhow, and notes here, for
each thing that a verdict may rest on, the sequences of the messages that spoke of it.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, NamedTuple

from mcs.events import subjects
from mcs.events.decisions import ClusterLost, ClusterRecovered, Decision, PodPlaced
from mcs.events.observations import (
    ClusterJoined,
    ClusterLeft,
    DelegateGone,
    DelegateObserved,
    DelegateRejected,
    NodeGone,
    NodeObserved,
    Observation,
    OperatorCommanded,
    PodGone,
    PodObserved,
    PodsObserved,
    ProxyObserved,
    ResyncCompleted,
    ResyncStarted,
    Verb,
    VirtualNodeObserved,
)
from mcs.ports import Stream
from mcs.projections.state import State
from mcs.views.grounds import Fact
from mcs.views.lines import Line

_CORDONS: Final = {Verb.CORDON, Verb.UNCORDON}


class Position(NamedTuple):
    """A place in the order of history: the last sequence folded of each stream."""

    decision: int
    observation: int

    @classmethod
    def of(cls, state: State) -> Position:
        """Where a state stands."""
        return cls(state.decided.sequence, state.observed.sequence)


class Place(NamedTuple):
    """One message."""

    stream: Stream
    sequence: int


class Evidence:
    """Sequences of messages, by the fact that they spoke of."""

    def __init__(self) -> None:
        self._said: dict[Fact, tuple[Stream, list[int]]] = {}
        self._placed: dict[str, int] = {}

    def note(self, line: Line) -> None:
        """Take one line of the log; those of one stream come in order."""
        if isinstance(line.event, PodPlaced):
            self._placed[line.event.placement] = line.sequence
        stream = Stream.DECISIONS if line.stream == "decision" else Stream.OBSERVATIONS
        for fact in facts_of(line):
            self._said.setdefault(fact, (stream, []))[1].append(line.sequence)

    def placed(self, placement: str) -> int:
        """The decision that made a placement; 0: none did."""
        return self._placed.get(placement, 0)

    def behind(self, fact: Fact, position: Position) -> Place | None:
        """The message that had spoken of it last, at a position; None: nobody had."""
        if fact not in self._said:
            return None
        stream, sequences = self._said[fact]
        upto = position.decision if stream is Stream.DECISIONS else position.observation
        count = bisect_right(sequences, upto)
        return Place(stream, sequences[count - 1]) if count else None


def facts_of(line: Line) -> tuple[Fact, ...]:
    """What a line speaks of, where a verdict can rest on it."""
    if line.event is None:
        return ()
    source = line.clusters[0] if line.clusters else ""
    if isinstance(line.event, PodsObserved):
        return tuple(("charge", f"{source}/{uid}") for uid in line.event.uid)
    fact = _fact(line.event, source, line.subject)
    return (fact,) if fact is not None else ()


def _fact(event: Observation | Decision, source: str, subject: str) -> Fact | None:
    fact: Fact | None = None  # nothing that a verdict rests on
    match event:
        case NodeObserved() | NodeGone():
            fact = ("node", source, event.name)
        case PodObserved() | PodGone():
            fact = ("charge", f"{source}/{event.uid}")
        case DelegateObserved() | DelegateRejected() | DelegateGone():
            fact = ("charge", event.placement)
        case ProxyObserved():
            fact = ("proxy", event.uid)
        case VirtualNodeObserved():
            fact = ("virtual", source, event.target)
        case ClusterJoined():
            fact = ("joined", source)
        case ClusterLeft():
            fact = ("left", source)
        case ResyncStarted() | ResyncCompleted():
            about_nodes = subject == subjects.observation(source, subjects.CAPACITY)
            fact = ("capacity", source) if about_nodes else None
        case OperatorCommanded():
            fact = ("cordon", event.cluster) if event.verb in _CORDONS else None
        case ClusterLost() | ClusterRecovered():
            fact = ("lost", event.cluster)
    return fact
