"""The end of the demo: how long it took against the floor, who ran where, what to try next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mcs.demo.scenarios import Capacity, Scenario
from mcs.demo.watching import Work
from mcs.simulation.workloads import Outcome
from mcs.views.painting import paint
from mcs.views.tables import table_of
from mcs.views.words import cluster, command, good, node, quiet, say

_CHART: Final = 44  # columns of the time line
COLOURS: Final = {"cluster1": "cyan", "cluster2": "magenta"}


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario that ran: what each step's pod became, and where and when the work was done."""

    scenario: Scenario
    floor_s: float
    capacities: Mapping[str, Capacity]
    outcomes: tuple[Outcome, ...]
    works: tuple[Work, ...]

    @property
    def took_s(self) -> float:
        """From the first pod's creation to the last one's end, as its author saw it."""
        return max(outcome.ended_s for outcome in self.outcomes)

    @property
    def well(self) -> bool:
        """Whether every step succeeded."""
        return all(outcome.phase == "Succeeded" for outcome in self.outcomes)


def summary(played: Sequence[Played], *, speed: float = 1.0, charts: bool = True) -> RenderableType:
    """How long it took, and who ran where; without ``charts`` where they were shown already."""
    parts: list[RenderableType] = [Text(), _durations(played, speed)]
    for each in played if charts else ():
        parts += [Text(each.scenario.title, "bold"), chart(each), Text()]
    return Group(*parts)


def interrupted(folder: Path, program: str = "mcs") -> RenderableType:
    """What is left when somebody has seen enough; print it as ``what_next``."""
    typed = command(f"{program} log --demo-dir {folder}")
    return paint(say("Interrupted. The log until now is still there: ", typed))


def chart(played: Played) -> Table:
    """Who ran where and when: one bar for each step, waiting before it as dots."""
    table = Table.grid(padding=(0, 2, 0, 0))
    begin = min((work.created_s for work in played.works), default=0.0)
    end = max((work.ended_s or begin for work in played.works), default=begin)
    scale = _CHART / max(end - begin, 1e-9)
    for work in played.works:
        name, node_name = work.place
        started = work.started_s if work.started_s is not None else end
        ended = work.ended_s if work.ended_s is not None else end
        before = round((work.created_s - begin) * scale)
        waited = max(0, round((started - begin) * scale) - before)
        ran = max(1, round((ended - begin) * scale) - before - waited)
        bar = Text(" " * before)
        bar.append("·" * waited, "bright_black")
        bar.append("━" * ran, COLOURS.get(name, "white"))
        where = paint(say(cluster(name), " ", node(node_name))) if name else Text("nowhere")
        where.stylize(COLOURS.get(name, "white"), 0, len(name))
        step = work.name.removeprefix(f"{work.run}-")
        table.add_row(Text(f"  {step}"), bar, where)
    return table


def _durations(played: Sequence[Played], speed: float) -> Table:
    right = ("at once", "took", "floor", "over")
    table = table_of("scenario", *right, right=right)
    table.columns[0].no_wrap = False  # on a narrow terminal titles give way, not figures
    for each in played:
        slots = sum(each.capacities[name].slots for name in each.scenario.clusters)
        over = each.took_s - each.floor_s
        took = Text(f"{each.took_s:.1f} s", "bold green" if each.well else "bold red")
        table.add_row(
            Text(each.scenario.title),
            str(slots),
            took,
            f"{each.floor_s:.0f} s",
            f"{over:.1f} s",
        )
    if speed != 1:
        table.caption = f"seconds of a clock that ran {speed:g} times as fast"
    return table


def what_next(played: Sequence[Played], folder: Path, program: str = "mcs") -> RenderableType:
    """Commands that work on the log that was left behind; ``program`` is how the reader can call
    ``mcs``. Print it with ``soft_wrap``: they are copied whole.
    """
    option = f"--demo-dir {folder}"
    elected = [work for each in played for work in each.works if work.elected]
    waited = max(elected, key=lambda work: (work.started_s or 0.0) - work.created_s, default=None)
    tries = [("every event, in sentences", f"log {option}")]
    if waited is not None:
        name = f"default/{waited.name}"
        tries.append(("why the pod that waited longest did so", f"why {option} {name}"))
        tries.append(("its story", f"log {option} --pod {name}"))
    tries.append(("the same as programs see it", f"log {option} --json | head -3"))
    tries.append(("how things stood at the end", f"status {option}"))
    tries.append(("does every decision follow from the log?", f"verify {option}"))
    tries.append(("watch it again", f"replay {option} --follow"))
    lines = [
        paint(say(*part))
        for told, typed in tries
        for part in ((quiet(f"  # {told}"),), ("  ", command(f"{program} {typed}")))
    ]
    well = all(each.well for each in played)
    head = say(good("All steps succeeded. ") if well else "", "The log is still there:")
    tail = say(quiet("These start its nats-server for as long as they read."))
    return Group(paint(head), *lines, paint(tail))
