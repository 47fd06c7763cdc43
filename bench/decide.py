"""Placements a second: of ``schedule`` alone, and of a whole cycle; and what they depend on.

    python -m bench.decide [--short] [--pods 20000] [--patience 300] [--only WORD]

Each case has a federation of its own, told by its agents' frames. Then one pod of each shape is
placed: that is the *first* time, in which a shape meets every node. Then come the pods that are
timed, in cycles as long as the policy lets them be. The floor is what no decision can do without,
in numpy: the largest of as many scores as there are clusters, and one row of a table changed.

Seconds are those of the processor: nothing waits, and others may work beside us.

Curves change one thing at a time: nodes, clusters, distinct shapes, constraints, and nodes that
change between cycles. A curve ends early when one point takes longer than ``--patience`` seconds.
"""

from __future__ import annotations

import gc
import time
from itertools import cycle as around
from typing import Final

import msgspec
import numpy as np

from bench.cycles import Core, Cycle
from bench.feeding import Feed, cluster_names, proxy
from bench.profiling import Samples
from bench.reporting import Report, arguments, say
from bench.shapes import Shape, node, shapes
from mcs.events import subjects

_BURST: Final = 2000  # pods that arrive between two cycles
_CYCLES_A_SECOND: Final = 10  # by which a churn per second becomes one per cycle
_STAGES: Final = {
    "projections.state.State.digest": "digest",
    "objects.": "manifests",
    "decisions.telling.tell_place": "manifests",
    "decisions.framing": "framing",
    "decisions.budget": "framing",
    "decisions.": "choosing",
}
"""Parts of a cycle, by a function that is called for nothing else."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """``nodes``: of the whole federation; ``churn``: share of them that changes per second."""

    name: str
    clusters: int = 100
    nodes: int = 500_000
    shapes: int = 32
    kind: str = "plain"
    sources: int = 1
    churn: float = 0.0
    profiled: bool = False


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """``first_s``: until one pod of each shape was placed; ``cycles``: those of the other pods."""

    first_s: float
    changes_s: float
    changes: int
    cycles: list[Cycle]
    samples: Samples

    @property
    def placed(self) -> int:
        """How many pods."""
        return sum(len(cycle.placed) for cycle in self.cycles)


class Federation:
    """A state that knows clusters, nodes and waiting pods."""

    def __init__(self, case: Case) -> None:
        self.core = Core()
        self.feed = Feed(self.core.take)
        self.names = cluster_names(case.clusters)
        self.each = max(1, case.nodes // case.clusters)
        self._shapes = shapes(case.shapes, case.kind)
        self._asked = around(self._shapes)
        self._sources = around(self.names[: case.sources])
        self._serial = 0
        self._changed = around(range(self.each))
        self._generation = 0
        for name in self.names:
            self.feed.join(name)
            found = (node(number) for number in range(self.each))
            self.feed.account(name, subjects.CAPACITY, found)
        self.core.settle()

    def one_of_each(self) -> None:
        """A pod of each shape arrives."""
        for shape in self._shapes:
            self._arrive([shape])

    def arrive(self, count: int) -> None:
        """So many pods arrive, of the shapes in turn."""
        for _ in range(0, count, 50):
            self._arrive([next(self._asked) for _ in range(min(50, count))])

    def change(self, count: int) -> None:
        """So many nodes change, clusters in turn."""
        names = around(self.names)
        self._generation += 1
        for _ in range(0, count, 4):
            changed = [
                node(next(self._changed), generation=self._generation) for _ in range(min(4, count))
            ]
            self.feed.observe(next(names), subjects.CAPACITY, *changed)

    def _arrive(self, asked: list[Shape]) -> None:
        told = [proxy(self._serial + number, shape) for number, shape in enumerate(asked)]
        self._serial += len(asked)
        self.feed.observe(next(self._sources), subjects.PROXY, *told)


def measure(case: Case, pods: int) -> Measured:
    """Build the federation, and place."""
    federation, samples = Federation(case), Samples()
    federation.one_of_each()
    first = federation.core.settle()
    changes = round(case.nodes * case.churn / _CYCLES_A_SECOND)
    cycles: list[Cycle] = []
    changes_s = 0.0
    gc.collect()
    for _ in range(0, pods, _BURST):
        federation.arrive(min(_BURST, pods))
        began = time.process_time()
        federation.change(changes)
        changes_s += time.process_time() - began
        if case.profiled:
            with samples:
                cycles += federation.core.settle()
        else:
            cycles += federation.core.settle()
    return Measured(
        first_s=sum(cycle.schedule_s for cycle in first),
        changes_s=changes_s,
        changes=changes * (pods // _BURST),
        cycles=cycles,
        samples=samples,
    )


def floor(clusters: int, rounds: int = 20_000) -> float:
    """Placements a second of the least that a decision is; the best of three."""
    scores = np.arange(clusters, dtype=np.int64) + 1_000_000
    free = np.full((clusters, 3), 1 << 40, dtype=np.int64)
    asked = np.array([250, 1 << 29, 1], dtype=np.int64)
    taken: list[float] = []
    for _ in range(3):
        began = time.process_time()
        for _ in range(rounds):
            target = int(scores.argmax())
            free[target] -= asked
            scores[target] -= 1
        taken.append(time.process_time() - began)
    return rounds / min(taken)


def report_case(report: Report, case: Case, measured: Measured) -> None:
    """Its figures; all parts for one that is profiled."""
    placed, cycles = measured.placed, measured.cycles
    scheduling = sum(cycle.schedule_s for cycle in cycles)
    whole = sum(cycle.whole_s for cycle in cycles)
    least = floor(case.clusters)
    report.add(case.name, placed / scheduling, "placements/s", least)
    report.add(f"{case.name}: framed and folded too", placed / whole, "placements/s", least)
    report.add(f"{case.name}: first of each shape", measured.first_s, "s")
    if measured.changes:
        report.add(
            f"{case.name}: folding a node's change",
            1e6 * measured.changes_s / measured.changes,
            "us",
        )
    if not case.profiled:
        return
    report.add(f"{case.name}: placements in a cycle", placed / len(cycles), "pods")
    longest = max(cycle.whole_s for cycle in cycles)
    report.add(f"{case.name}: longest cycle", 1000 * longest, "ms")
    report_parts(report, case.name, measured, whole / max(1, placed))
    measured.samples.report(report, case.name)


def report_parts(report: Report, name: str, measured: Measured, each_s: float) -> None:
    """Microseconds of a placement by part, as sampled."""
    for part, share in measured.samples.shares(_STAGES, "folding").items():
        report.add(f"{name}: {part}", 1e6 * share * each_s, "us")


def curves(*, short: bool) -> list[list[Case]]:
    """Cases by curve, in the order of their cost."""
    nodes = (1000, 3000, 10_000) if short else (1000, 5000, 20_000, 100_000, 500_000)
    clusters = (2, 10, 100) if short else (2, 10, 100, 300, 1000)
    some, few = (2000, 1000) if short else (100_000, 50_000)
    distinct = (1, 32, 1000) if short else (1, 32, 1000, 10_000)
    kinds = ("selectors", "taints", "affinity", "mixed")
    least = (10, 1000) if short else (100, 500_000)
    return [
        [Case(name="full scale", clusters=least[0], nodes=least[1], profiled=True)],
        [Case(name=f"nodes {count}", nodes=count) for count in nodes],
        [Case(name=f"clusters {count}", clusters=count, nodes=some) for count in clusters],
        [Case(name=f"shapes {count}", shapes=count, nodes=few) for count in distinct],
        [Case(name=f"constraints {kind}", kind=kind, nodes=few) for kind in kinds],
        [Case(name=f"sources {count}", sources=count, nodes=few) for count in (1, 4, 16)],
        [Case(name=f"churn {churn:g}", churn=churn, nodes=some) for churn in (0, 0.01, 0.1)],
    ]


def main() -> None:
    """All curves."""
    options = arguments(__doc__, pods=20_000, patience=300.0, only="")
    pods = 2000 if options.short else options.pods
    patience = 20.0 if options.short else options.patience
    report = Report("decide")
    for curve in curves(short=options.short):
        for case in curve:
            if not case.name.startswith(options.only):
                continue
            began = time.process_time()
            report_case(report, case, measure(case, pods))
            took = time.process_time() - began
            say(f"{case.name}: {took:.1f} s")
            if took > patience:
                say(f"the curve ends here: longer than {patience:g} s")
                break
    report.show()


if __name__ == "__main__":
    main()
