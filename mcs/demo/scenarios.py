"""What the demo runs, and how fast it could be done at best.

The floors are computed from what the scheduler itself knows of the clusters, not written down here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from mcs.decisions.scoring import Scores
from mcs.events.constraints import Constraints
from mcs.names import Keys
from mcs.projections.inventory import Inventory
from mcs.quantities import CPU, parse
from mcs.simulation.workloads import Step

STEP_S: Final = 10.0
DAG_S: Final = 5.0
STEPS: Final = 10
CPU_ASKED: Final = "200m"
PINNED: Final = "cluster2"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Steps to be run from cluster1, over ``clusters``."""

    run: str
    title: str
    clusters: tuple[str, ...]
    steps: tuple[Step, ...]


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster offers: free CPU in thousandths, and how many steps fit at once."""

    free_milli: int
    slots: int


def scenarios(keys: Keys) -> tuple[Scenario, ...]:
    """All of them, in order."""
    both = ("cluster1", "cluster2")
    elected = {keys.elect: ""}
    pinned = elected | {keys.clustername: PINNED}
    return (
        Scenario(
            run="alone",
            title="A: ten steps in cluster1 alone",
            clusters=("cluster1",),
            steps=tuple(_step(number, {}) for number in range(1, STEPS + 1)),
        ),
        Scenario(
            run="elected",
            title="A: ten steps, elected, over both clusters",
            clusters=both,
            steps=tuple(_step(number, elected) for number in range(1, STEPS + 1)),
        ),
        Scenario(
            run="dag",
            title=f"B: a and b, then c; b is pinned to {PINNED}",
            clusters=both,
            steps=(
                Step(name="a", run_for_s=DAG_S, cpu=CPU_ASKED, annotations=elected),
                Step(name="b", run_for_s=DAG_S, cpu=CPU_ASKED, annotations=pinned),
                Step(
                    name="c", run_for_s=DAG_S, cpu=CPU_ASKED, after=("a", "b"), annotations=elected
                ),
            ),
        ),
    )


def capacity(inventory: Inventory, cluster: str) -> Capacity:
    """What a cluster offers to steps at this moment."""
    nodes = inventory.nodes.get(cluster, {})
    free = sum(
        node.allocatable.get(CPU, 0) - inventory.used(cluster, name).get(CPU, 0)
        for name, node in nodes.items()
    )
    asked = {CPU: parse(CPU, CPU_ASKED)}
    slots = Scores(inventory).fit(asked, Constraints(), cluster).total
    return Capacity(free_milli=free, slots=slots)


def floor_s(scenario: Scenario, capacities: Mapping[str, Capacity]) -> float:
    """Seconds below which nobody can be: waves of steps that fit at once, level after level."""
    slots = sum(capacities[name].slots for name in scenario.clusters)
    if not slots:
        return math.inf
    return sum(
        math.ceil(len(level) / slots) * max(step.run_for_s for step in level)
        for level in _levels(scenario.steps)
    )


def _levels(steps: Sequence[Step]) -> list[list[Step]]:
    """Steps by the number of steps that must come before them."""
    depth: dict[str, int] = {}
    for step in steps:
        depth[step.name] = 1 + max((depth[name] for name in step.after), default=-1)
    levels: list[list[Step]] = [[] for _ in range(max(depth.values()) + 1)]
    for step in steps:
        levels[depth[step.name]].append(step)
    return levels


def _step(number: int, annotations: dict[str, str]) -> Step:
    return Step(
        name=f"step-{number}", run_for_s=STEP_S, cpu=CPU_ASKED, annotations=dict(annotations)
    )
