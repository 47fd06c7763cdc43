"""Makes a failing plan smaller, as long as it fails by the same rule.

Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002):
halves, then quarters, and so on of the accidents are left out, then of the work; then single things
are tried, fewer schedulers, one agent for each cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from mcs.simulation.drawing import processes
from mcs.simulation.plan import Plan
from mcs.simulation.running import Outcome

T = TypeVar("T")

RUNS_MAX: Final = 150


def shrink(
    failed: Outcome, run: Callable[[Plan], Outcome], *, runs_max: int = RUNS_MAX
) -> tuple[Outcome, int]:
    """The smallest plan found that fails by the same rule, as it went, and the runs it took."""
    best, runs, progress = failed, 0, True
    while progress:
        progress = False
        for plan in _smaller(best.plan):
            if runs >= runs_max:
                return best, runs
            runs += 1
            outcome = run(plan)
            if outcome.invariant == failed.invariant:
                best, progress = outcome, True
                break
    return best, runs


def _smaller(plan: Plan) -> Iterator[Plan]:
    for accidents in _without(plan.accidents):
        yield plan.only(accidents=accidents)
    for work in _without(plan.work):
        yield plan.only(work=work)
    if plan.schedulers > 1:
        yield _possible(plan.only(schedulers=plan.schedulers - 1))
    for number, cluster in enumerate(plan.clusters):
        if cluster.agents > 1:
            one = msgspec.structs.replace(cluster, agents=1)
            clusters = *plan.clusters[:number], one, *plan.clusters[number + 1 :]
            yield _possible(plan.only(clusters=clusters))


def _possible(plan: Plan) -> Plan:
    """Without accidents of processes that are not there."""
    there = processes(plan.clusters, plan.schedulers)
    accidents = tuple(
        item
        for item in plan.accidents
        if getattr(item, "process", getattr(item, "who", "")) in {"", *there, *_names(plan)}
    )
    return plan.only(accidents=accidents)


def _names(plan: Plan) -> list[str]:
    return [each.name for each in plan.clusters]


def _without(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """``items`` without a part of them, the largest parts first."""
    size = len(items)
    while size:
        for begin in range(0, len(items), size):
            yield (*items[:begin], *items[begin + size :])
        size //= 2
