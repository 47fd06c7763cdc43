"""Plays a workload through the real core: pods arrive, are placed, run and end; time is counted.

For each second in which something happens: what ends is observed, then what arrives; then one
cycle decides all that can be decided, is appended and folded, and the delegates run at once on the
nodes that were booked for them. So what a wait measures is want of room, and nothing else. Nothing
fails, no cluster is lost, and a target's kube-scheduler always agrees with the booking.

In ``separate`` clusters each pod is pinned to its source: the same core, without the federation.
"""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from mcs.decisions.policies.chosen import scoring
from mcs.events import subjects
from mcs.events.decisions import Decision, PodDeferred, PodPlaced, Policy, Verdict
from mcs.events.observations import (
    DelegateGone,
    DelegateObserved,
    End,
    NodeObserved,
    Observation,
    Phase,
    ProxyGone,
    ProxyObserved,
)
from mcs.simulation.workload.traces import Cluster, Pod, Workload
from mcs.simulation.writing import START_NS, Writer

_NS: Final = 1_000_000_000
_NEVER_S: Final = 1 << 40
_UNBOUNDED: Final = 1 << 40
_FRAME_EVENTS: Final = 500  # of some 400 bytes each: frames stay below what servers take
_NAMESPACE: Final = "default"
_MANIFEST: Final = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", "namespace": _NAMESPACE},
        "spec": {"containers": [{"name": "main", "image": "workload"}]},
    },
    separators=(",", ":"),
)

Progress = Callable[[int], None]
"""Called with the number of pods that were placed since the last call."""


@dataclass(frozen=True, slots=True)
class Run:
    """A pod got its place: ``node`` of cluster ``target``, from second ``begin_s`` on."""

    pod: Pod
    target: str
    node: str
    begin_s: int

    @property
    def end_s(self) -> int:
        """The second in which it gives its room back."""
        return self.begin_s + self.pod.duration_s

    @property
    def waited_s(self) -> int:
        """From arrival to place."""
        return self.begin_s - self.pod.arrival_s


@dataclass(frozen=True, kw_only=True)
class Played:
    """What became of a workload: ``runs`` in the order of their begin; and the pods that still wait
    when nothing runs any more, so they would wait for ever, each with the last reasons told.
    """

    workload: Workload
    separate: bool
    runs: tuple[Run, ...]
    waiting: tuple[tuple[Pod, dict[str, Verdict]], ...]
    events: int


def quiet_policy(score: str) -> Policy:
    """A policy for a world without failures, whose appends have no limits.

    Raises:
        BadSettings: there is no such score.
    """
    scoring(score)
    return Policy(
        score=score,
        lost_after_s=_NEVER_S,
        cycle_bytes=_UNBOUNDED,
        cycle_frames=_UNBOUNDED,
    )


def play(
    workload: Workload,
    score: str,
    *,
    separate: bool = False,
    progress: Progress | None = None,
) -> Played:
    """Play it from its first arrival until nothing runs any more."""
    return _Player(workload, score, separate=separate, progress=progress).play()


def join_all(writer: Writer, clusters: tuple[Cluster, ...]) -> None:
    """The clusters join, each with a full account of its nodes."""
    for cluster in clusters:
        nodes = [
            NodeObserved(name=n.name, allocatable=n.allocatable, labels=dict(n.labels))
            for n in cluster.nodes
        ]
        first, rest = nodes[:_FRAME_EVENTS], nodes[_FRAME_EVENTS:]
        writer.join(cluster.name, *first)
        for part in _parts(rest):
            writer.observe(cluster.name, subjects.CAPACITY, *part)


def arrive(writer: Writer, pods: list[Pod], *, pinned: bool = False) -> None:
    """The pods are seen in their sources, at the writer's time."""
    created = f"{(writer.now_ns - START_NS) // _NS:012d}"  # sorts as it should; nobody reads it
    by_source: dict[str, list[Observation]] = defaultdict(list)
    for pod in pods:
        event = ProxyObserved(
            uid=pod.name,
            namespace=_NAMESPACE,
            name=pod.name,
            created=created,
            manifest=_MANIFEST,
            requests=pod.shape.requests,
            constraints=pod.shape.constraints,
            priority=pod.priority,
            cluster=pod.source if pinned else "",
        )
        by_source[pod.source].append(event)
    for source, events in by_source.items():
        for part in _parts(events):
            writer.observe(source, subjects.PROXY, *part)


class _Player:
    def __init__(
        self, workload: Workload, score: str, *, separate: bool, progress: Progress | None
    ) -> None:
        self._workload, self._separate, self._progress = workload, separate, progress
        self._writer = Writer(quiet_policy(score))
        self._waiting: dict[str, Pod] = {}
        self._reasons: dict[str, dict[str, Verdict]] = {}
        self._running: list[tuple[int, int, Run, str]] = []  # a heap, by end; with the placement
        self._runs: list[Run] = []
        self._events = 0
        join_all(self._writer, workload.clusters)

    def play(self) -> Played:
        for second, arrived in self._seconds():
            self._writer.now_ns = max(self._writer.now_ns, START_NS + second * _NS)
            self._end(second)
            arrive(self._writer, arrived, pinned=self._separate)
            self._waiting.update({pod.name: pod for pod in arrived})
            if self._waiting:
                self._decide(second)
        return Played(
            workload=self._workload,
            separate=self._separate,
            runs=tuple(self._runs),
            waiting=tuple((pod, self._reasons.get(pod.name, {})) for pod in self._waiting.values()),
            events=self._events,
        )

    def _seconds(self) -> Iterator[tuple[int, list[Pod]]]:
        """Every second in which pods end or arrive, with those that arrive."""
        for second, pods in groupby(self._workload.pods, key=lambda pod: pod.arrival_s):
            while self._running and self._running[0][0] < second:
                yield self._running[0][0], []
            yield second, list(pods)
        while self._running:
            yield self._running[0][0], []

    def _end(self, second: int) -> None:
        """Delegates succeed and go, with their proxies."""
        delegates: dict[tuple[str, str], list[Observation]] = defaultdict(list)
        proxies: dict[str, list[Observation]] = defaultdict(list)
        while self._running and self._running[0][0] <= second:
            _, _, run, placement = heapq.heappop(self._running)
            seen = _delegate(run, placement, Phase.SUCCEEDED)
            gone = DelegateGone(
                placement=placement, namespace=_NAMESPACE, name=seen.name, end=End.SUCCEEDED
            )
            delegates[run.target, run.pod.source] += [seen, gone]
            proxies[run.pod.source].append(
                ProxyGone(uid=run.pod.name, namespace=_NAMESPACE, name=run.pod.name)
            )
        self._tell(delegates)
        for source, events in proxies.items():
            for part in _parts(events):
                self._writer.observe(source, subjects.PROXY, *part)

    def _decide(self, second: int) -> None:
        decided = self._writer.settle()
        self._events += len(decided)
        started: dict[tuple[str, str], list[Observation]] = defaultdict(list)
        for event in decided:
            self._take(event, second, started)
        self._tell(started)
        if self._progress:
            self._progress(sum(map(len, started.values())))

    def _take(
        self, event: Decision, second: int, started: dict[tuple[str, str], list[Observation]]
    ) -> None:
        if isinstance(event, PodDeferred):
            self._reasons[event.uid] = event.reasons
            return
        assert isinstance(event, PodPlaced), f"{event} is decided where nothing fails"
        run = Run(self._waiting.pop(event.uid), event.target, event.node, second)
        self._reasons.pop(event.uid, None)
        self._runs.append(run)
        heapq.heappush(self._running, (run.end_s, len(self._runs), run, event.placement))
        started[event.target, event.source].append(_delegate(run, event.placement, Phase.RUNNING))

    def _tell(self, delegates: dict[tuple[str, str], list[Observation]]) -> None:
        for (target, source), events in delegates.items():
            for part in _parts(events):
                self._writer.observe(target, subjects.delegate_channel(source), *part)


def _delegate(run: Run, placement: str, phase: Phase) -> DelegateObserved:
    return DelegateObserved(
        placement=placement,
        namespace=_NAMESPACE,
        name=run.pod.name,  # whatever it is called: nobody looks for it by name
        uid=placement,
        phase=phase,
        node=run.node,
        requests=run.pod.shape.requests,
    )


def _parts(events: Sequence[Observation]) -> Iterator[Sequence[Observation]]:
    for begin in range(0, len(events), _FRAME_EVENTS):
        yield events[begin : begin + _FRAME_EVENTS]
