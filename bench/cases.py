"""Logs of one kind of events each, in the order of history: what ``bench.fold`` folds.

They are written as agents write them and decided by the real core, and kept as lists of messages in
memory.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from bench.cycles import Core
from bench.feeding import Feed, chunks, cluster_names, local_pod, proxy, uid
from bench.recorded import Recording, recorded
from bench.shapes import node, node_name, shapes
from mcs.events import subjects
from mcs.events.decisions import PodPlaced
from mcs.events.frames import DecisionFrame
from mcs.events.observations import (
    DelegateGone,
    DelegateObserved,
    End,
    Observation,
    Phase,
    PodGone,
    PodObserved,
    PodsObserved,
    ProxyGone,
)
from mcs.ports import Stored, Stream

_decisions = msgspec.json.Decoder(DecisionFrame)
_STATUS: Final = msgspec.Raw(
    b'{"phase":"Running","conditions":[{"type":"PodScheduled","status":"True"},{"type":"Ready",'
    b'"status":"True"}],"containerStatuses":[{"name":"main","ready":true,"restartCount":0,'
    b'"state":{"running":{"startedAt":"2026-01-01T00:00:01Z"}}}]}'
)
_COLUMN: Final = 4000  # pods in one event of columns: a frame of 256 KiB


class Case(NamedTuple):
    """Messages of both streams in the order of history; the first ``before`` are not timed."""

    name: str
    messages: Sequence[Stored]
    before: int
    events: int


class Log:
    """Both streams as one list, in the order of history."""

    def __init__(self) -> None:
        self.messages: list[Stored] = []
        self.core = Core()
        self.messages += [stored for stored, _ in self.core.written]
        self.feed = Feed(self._take)
        self._begun = (0, 0)

    def begin(self) -> None:
        """What follows is the case."""
        self._begun = (len(self.messages), self.feed.events)

    def cycle(self) -> list[PodPlaced]:
        """Decide; what was placed. Its messages are part of the log."""
        placed = self.core.cycle().placed
        self.messages += [stored for stored, _ in self.core.written]
        return placed

    def case(self, name: str, decisions: int = 0) -> Case:
        """What was written since ``begin``."""
        before, events = self._begun
        return Case(name, self.messages, before, self.feed.events - events + decisions)

    def _take(self, stored: Stored) -> None:
        self.messages.append(stored)
        self.core.take(stored)


def members(log: Log, clusters: int) -> list[str]:
    """Clusters that joined."""
    names = cluster_names(clusters)
    for name in names:
        log.feed.join(name)
    return names


def nodes(clusters: int, count: int) -> Case:
    """A full account of nodes."""
    log = Log()
    names = members(log, clusters)
    log.begin()
    for name in names:
        log.feed.account(name, subjects.CAPACITY, (node(number) for number in range(count)))
    return log.case("full account of nodes")


def pods(clusters: int, count: int, pods: int, *, columns: bool) -> Case:
    """A full account of nodes and pods; the nodes are not timed."""
    log = Log()
    names = members(log, clusters)
    each = pods // clusters
    for name in names:
        log.feed.account(name, subjects.CAPACITY, (node(number) for number in range(count)))
    log.begin()
    for place, name in enumerate(names):
        found = (
            local_pod(place * each + number, node_name(number % count)) for number in range(each)
        )
        told = columned(found) if columns else found
        log.feed.account(name, subjects.CAPACITY, told)
    case = log.case(f"full account of pods{', as columns' if columns else ''}")
    return case._replace(events=each * clusters)


def columned(pods: Iterator[PodObserved]) -> Iterator[Observation]:
    """The same pods as columns: dictionaries of what repeats, and numbers into them."""
    for part in chunks(pods, _COLUMN):
        nodes, node = _numbered([pod.node for pod in part])
        namespaces, namespace = _numbered([pod.namespace for pod in part])
        texts, ask = _numbered([msgspec.json.encode(pod.requests) for pod in part])
        yield PodsObserved(
            nodes=nodes,
            namespaces=namespaces,
            asks=tuple(msgspec.json.decode(text) for text in texts),
            uid=tuple(pod.uid for pod in part),
            name=tuple(pod.name for pod in part),
            namespace=namespace,
            node=node,
            ask=ask,
        )


def _numbered(values: list[Any]) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """Distinct values, and the number of each value among them."""
    distinct = tuple(dict.fromkeys(values))
    numbers = {value: number for number, value in enumerate(distinct)}
    return distinct, tuple(numbers[value] for value in values)


def changes(clusters: int, count: int, events: int) -> Case:
    """Steady changes: pods come and go in small frames, nodes change, heartbeats."""
    log, chance = Log(), random.Random(5)
    names = members(log, clusters)
    running: dict[str, list[str]] = {}
    serial = 0
    for name in names:
        log.feed.account(name, subjects.CAPACITY, (node(number) for number in range(count)))
        found = [local_pod(serial + number, node_name(number % count)) for number in range(count)]
        serial += count
        log.feed.observe(name, subjects.CAPACITY, *found)
        running[name] = [pod.uid for pod in found]
    log.begin()
    begun = log.feed.events
    while log.feed.events < begun + events:
        for name in names:
            told: list[Observation] = []
            for _ in range(chance.choice((1, 2, 6))):
                serial += 1
                told.append(local_pod(serial, node_name(chance.randrange(count))))
                at = chance.randrange(len(running[name]))
                told.append(PodGone(uid=running[name][at]))
                running[name][at] = uid(serial)
            if chance.random() < 0.2:
                told.append(node(chance.randrange(count), generation=serial))
            log.feed.observe(name, subjects.CAPACITY, *told)
        if chance.random() < 0.05:
            log.feed.heartbeats()
    return log.case("steady changes")


def lives(clusters: int, count: int, events: int) -> Case:
    """Elected pods from arrival to end, with what was decided about them."""
    log = Log()
    names = members(log, clusters)
    for name in names:
        log.feed.account(name, subjects.CAPACITY, (node(number) for number in range(count)))
    asked, serial, decisions = shapes(32), 0, 0
    log.begin()
    begun = log.feed.events
    while log.feed.events + decisions < begun + events:
        for source in names[:4]:
            told = [proxy(serial + number, asked[number]) for number in range(32)]
            serial += 32
            log.feed.observe(source, subjects.PROXY, *told)
        placed = log.cycle()
        decisions += len(placed)
        for phase, bound in (
            (Phase.PENDING, False),
            (Phase.PENDING, True),
            (Phase.RUNNING, True),
            (Phase.SUCCEEDED, True),
        ):
            tell(log.feed, placed, partial(delegate, phase=phase, bound=bound))
        for each in placed:
            named = {"namespace": each.namespace, "name": each.name}
            log.feed.observe(each.source, subjects.PROXY, ProxyGone(uid=each.uid, **named))
        tell(log.feed, placed, gone)
    return log.case("lives of elected pods", decisions)


def tell(feed: Feed, placed: list[PodPlaced], event: Callable[[PodPlaced], Observation]) -> None:
    """An event for each placement, on its target's channel to its source."""
    channels: dict[tuple[str, str], list[Observation]] = {}
    for each in placed:
        channels.setdefault((each.target, each.source), []).append(event(each))
    for (target, source), events in channels.items():
        feed.observe(target, subjects.delegate_channel(source), *events)


def delegate(placed: PodPlaced, *, phase: Phase, bound: bool) -> DelegateObserved:
    """What the target tells of a delegate."""
    return DelegateObserved(
        placement=placed.placement,
        namespace=placed.namespace,
        name=placed.delegate,
        uid=f"d-{placed.uid}",
        phase=phase,
        node=placed.node if bound else "",
        requests=placed.requests,
        status=_STATUS,
    )


def gone(placed: PodPlaced) -> DelegateGone:
    """The delegate ended well, and is not there any more."""
    return DelegateGone(
        placement=placed.placement,
        namespace=placed.namespace,
        name=placed.delegate,
        end=End.SUCCEEDED,
    )


def mixed(events: int) -> Case:
    """The log of ``bench.recorded``, cycles in their places."""
    recording = recorded(events)
    return Case("mixed", list(in_order(recording)), 0, recording.events)


def in_order(recording: Recording) -> Iterator[Stored]:
    """Both streams in the order of history."""
    observed = iter(recording.messages[Stream.OBSERVATIONS])
    sequence = 0
    for stored in recording.messages[Stream.DECISIONS]:
        while sequence < _decisions.decode(stored.data).based_on:
            each = next(observed)
            sequence = each.sequence
            yield each
        yield stored
    yield from observed
