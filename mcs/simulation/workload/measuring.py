"""Figures of a workload that was played, from the player's own record of what ran where and when.

**Capacity**, by resource, averaged over the time from the first arrival until the last pod has its
place (after that what runs only runs out), splits in three: what pods have (*used*), what is free
but of no use (*fragmented*), and what is free. Free capacity of a node is of no use to a pod that
does not fit there as a whole; so of each node's free amount that share is fragmented which the pods
that do not fit have among the workload's pods. This is F(M), the measure of Weng et al., "Beware of
Fragmentation" (USENIX ATC 2023, section 3), with two differences: any resource is measured, with
the pods that ask for it; and a node's devices are one amount, so that halves of two devices count
as a whole one. Like that paper's simulator we take the most common shapes that together are 95 % of
the pods. A node of a separate cluster is of use only to that cluster's pods.

**Waits** are from arrival to place, as seconds of the workload; percentiles are those of the
nearest rank, over the pods that ran.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from mcs.quantities import PODS, Resources
from mcs.simulation.workload.playing import Played, Run
from mcs.simulation.workload.traces import Node, Pod, Shape

_COMMON: Final = 0.95
_SLICES: Final = 24


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from arrival to place. ``at_once``: the share of pods that waited for none."""

    at_once: float = 1.0
    mean_s: float = 0.0
    p50_s: int = 0
    p90_s: int = 0
    p99_s: int = 0
    longest_s: int = 0


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One resource. ``used`` and ``fragmented`` are shares of ``capacity``, averaged over time, and
    the rest is free; ``peak`` is the highest share used; ``timeline`` the shares used in equal
    slices of time.
    """

    capacity: int
    used: float
    fragmented: float
    peak: float
    timeline: tuple[float, ...]


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of one play. ``elsewhere``: pods that ran in another cluster than their source;
    ``never``: pods that would wait for ever; ``lasted_s``: from the first arrival to the last end.
    """

    pods: int
    ran: int
    elsewhere: int
    never: int
    lasted_s: int
    waits: Waits
    levels: dict[str, Level]


def measure(played: Played) -> Measures:
    """Measure it."""
    runs = played.runs
    begin_s, end_s = _window(played)
    return Measures(
        pods=len(played.workload.pods),
        ran=len(runs),
        elsewhere=sum(run.target != run.pod.source for run in runs),
        never=len(played.waiting),
        lasted_s=_last_end(played, begin_s) - begin_s,
        waits=waits_of([run.waited_s for run in runs]),
        levels=_levels(played, begin_s, end_s),
    )


def waits_of(waits_s: Iterable[int]) -> Waits:
    """Figures of some waits."""
    ordered = sorted(waits_s)
    if not ordered:
        return Waits()
    return Waits(
        at_once=sum(wait == 0 for wait in ordered) / len(ordered),
        mean_s=sum(ordered) / len(ordered),
        p50_s=percentile(ordered, 50),
        p90_s=percentile(ordered, 90),
        p99_s=percentile(ordered, 99),
        longest_s=ordered[-1],
    )


def percentile(ordered: Sequence[int], percent: int) -> int:
    """The smallest value that at least so many percent do not exceed (the nearest rank)."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _window(played: Played) -> tuple[int, int]:
    """While there is somebody to find a place for; where all find one at once, while they run."""
    begin_s = min((pod.arrival_s for pod in played.workload.pods), default=0)
    placed_s = max((run.begin_s for run in played.runs), default=begin_s)
    return begin_s, placed_s if placed_s > begin_s else _last_end(played, begin_s)


def _last_end(played: Played, begin_s: int) -> int:
    return max((run.end_s for run in played.runs), default=begin_s)


def _levels(played: Played, begin_s: int, end_s: int) -> dict[str, Level]:
    names = played.workload.resources
    meters = {name: _Meter(begin_s, end_s, played.workload.capacity(name)) for name in names}
    nodes = _Nodes(played)
    now = begin_s
    for second, starts, ends in _changes(played.runs):
        for name, meter in meters.items():
            meter.pass_time(now, min(second, end_s), nodes.used[name], nodes.fragmented[name])
        nodes.change(starts, ends)
        now = second
    return {name: meter.level() for name, meter in meters.items()}


def _changes(runs: Sequence[Run]) -> Iterator[tuple[int, list[Run], list[Run]]]:
    """Each second in which something begins or ends, in order."""
    starts: dict[int, list[Run]] = defaultdict(list)
    ends: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        starts[run.begin_s].append(run)
        ends[run.end_s].append(run)
    for second in sorted(starts.keys() | ends.keys()):
        yield second, starts.get(second, []), ends.get(second, [])


class _Meter:
    """Adds up one resource over time."""

    def __init__(self, begin_s: int, end_s: int, capacity: int) -> None:
        self._begin_s, self._capacity = begin_s, capacity
        self._length_s = max(1, end_s - begin_s)
        self._slices = [0.0] * _SLICES
        self._fragmented = 0.0
        self._peak = 0

    def pass_time(self, since_s: int, until_s: int, used: int, fragmented: float) -> None:
        """From one second to the other that much was used, and fragmented."""
        if until_s <= since_s:
            return
        self._peak = max(self._peak, used)
        self._fragmented += fragmented * (until_s - since_s)
        size_s = self._length_s / _SLICES
        first = int((since_s - self._begin_s) / size_s)
        for number in range(first, _SLICES):
            begins = self._begin_s + number * size_s
            if begins >= until_s:
                break
            inside = min(until_s, begins + size_s) - max(since_s, begins)
            self._slices[number] += used * max(0.0, inside)

    def level(self) -> Level:
        """What it came to."""
        whole = max(1, self._capacity)
        return Level(
            capacity=self._capacity,
            used=sum(self._slices) / whole / self._length_s,
            fragmented=self._fragmented / whole / self._length_s,
            peak=self._peak / whole,
            timeline=tuple(each * _SLICES / whole / self._length_s for each in self._slices),
        )


class _Common(NamedTuple):
    """The shapes of pods that may come to a node, and by resource the share of each among those
    that ask for it.
    """

    shapes: tuple[Shape, ...]
    shares: dict[str, tuple[float, ...]]


class _Nodes:
    """What is free on each node, and the sums over all of them of what is used and fragmented."""

    def __init__(self, played: Played) -> None:
        self._names = played.workload.resources
        self._free: dict[tuple[str, str], Resources] = {}
        self._nodes: dict[tuple[str, str], Node] = {}
        self._common: dict[str, _Common] = {}
        self._lost: dict[tuple[str, str], tuple[float, ...]] = {}
        self._known: dict[object, tuple[float, ...]] = {}
        self.used = dict.fromkeys(self._names, 0)
        self.fragmented = dict.fromkeys(self._names, 0.0)
        everybodys = _common(played.workload.pods, self._names)
        for cluster in played.workload.clusters:
            own = [pod for pod in played.workload.pods if pod.source == cluster.name]
            common = _common(own, self._names) if played.separate else everybodys
            self._common[cluster.name] = common
            for node in cluster.nodes:
                key = (cluster.name, node.name)
                self._nodes[key], self._free[key] = node, dict(node.allocatable)
                self._lost[key] = (0.0,) * len(self._names)
                self._assess(key)

    def change(self, starts: Iterable[Run], ends: Iterable[Run]) -> None:
        """Pods take their room, or give it back."""
        changed = set()
        for runs, sign in ((ends, 1), (starts, -1)):
            for run in runs:
                free = self._free[run.target, run.node]
                free[PODS] = free.get(PODS, 0) + sign
                for name, amount in run.pod.shape.amounts:
                    free[name] = free.get(name, 0) + sign * amount
                    self.used[name] -= sign * amount
                changed.add((run.target, run.node))
        for key in sorted(changed):
            self._assess(key)

    def _assess(self, key: tuple[str, str]) -> None:
        lost = self._fragments(key)
        for name, before, now in zip(self._names, self._lost[key], lost, strict=True):
            self.fragmented[name] += now - before
        self._lost[key] = lost

    def _fragments(self, key: tuple[str, str]) -> tuple[float, ...]:
        """How much of each resource is free on a node, but of no use. Nodes that are alike in what
        is free, in labels and in who may come are alike in this.
        """
        node, free = self._nodes[key], self._free[key]
        common = self._common[key[0]]
        like = (id(common), tuple(sorted(node.labels.items())), tuple(sorted(free.items())))
        if like not in self._known:
            misfits = [not (shape.admitted(node) and shape.fits(free)) for shape in common.shapes]
            self._known[like] = tuple(
                free.get(name, 0)
                * math.fsum(
                    share for share, out in zip(common.shares[name], misfits, strict=True) if out
                )
                for name in self._names
            )
        return self._known[like]


def _common(pods: Iterable[Pod], names: Sequence[str]) -> _Common:
    """The most common shapes that together are ``_COMMON`` of the pods."""
    counts = Counter(pod.shape for pod in pods)
    total, covered, taken = counts.total(), 0, []
    for shape, count in sorted(counts.items(), key=lambda item: (-item[1], item[0].amounts)):
        if covered >= _COMMON * total:
            break
        taken.append(shape)
        covered += count
    shares = {}
    for name in names:
        asking = [counts[shape] if name in shape.requests else 0 for shape in taken]
        shares[name] = tuple(count / max(1, sum(asking)) for count in asking)
    return _Common(tuple(taken), shares)
