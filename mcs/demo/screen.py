"""The demo while it runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mcs.demo.scenarios import Capacity, Scenario
from mcs.demo.sites import NODE, SYSTEM_PODS
from mcs.demo.stage import Stage
from mcs.demo.summary import COLOURS, Played, chart
from mcs.demo.watching import Work
from mcs.quantities import CPU, parse
from mcs.views.lines import Line, sentence
from mcs.views.painting import paint

_BAR_LEAST: Final = 6
_BAR_MOST: Final = 40
_LINES_LEAST: Final = 3
_FRAME: Final = 12  # lines of headings, clusters and borders
_NODE_TEXT: Final = 27  # columns of a cluster's panel beside its bars
_PHASES: Final = {"Running": "green", "Succeeded": "bright_black", "Failed": "bold red"}
_REFRESH: Final = 8


class PlainScreen:
    """Prints what happens, line by line."""

    def __init__(self, console: Console, stage: Stage) -> None:
        self._console, self._stage = console, stage

    def __enter__(self) -> Self:
        self._stage.watcher.on_line = self._print
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stage.watcher.on_line = None

    def begin(self, scenario: Scenario, floor_s: float, capacities: Mapping[str, Capacity]) -> None:
        """A scenario begins."""
        fits = heading(scenario, floor_s, capacities)
        self._console.print(f"\n{scenario.title}\n{fits}\n", highlight=False)

    def end(self, played: Played) -> None:
        """It has ended."""
        took = f"{played.scenario.title}: took {played.took_s:.1f} s, floor {played.floor_s:.0f} s"
        self._console.print(f"\n{took}", highlight=False)

    def _print(self, line: Line) -> None:
        self._console.print(paint(sentence(line)), soft_wrap=True)


class LiveScreen:
    """Clusters filling, pods side by side, and the tail of events, redrawn eight times a second."""

    def __init__(self, console: Console, stage: Stage) -> None:
        self._console, self._stage = console, stage
        self._scenario: Scenario | None = None
        self._heading = ""
        self._begun_s = 0.0
        self._floor_s = 0.0
        self._live = Live(
            console=console,
            refresh_per_second=_REFRESH,
            get_renderable=self._draw,
            transient=True,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scenario = None  # the last frame is drawn whole: let it be an empty one
        self._live.__exit__(kind, error, trace)

    def begin(self, scenario: Scenario, floor_s: float, capacities: Mapping[str, Capacity]) -> None:
        """A scenario begins."""
        self._scenario, self._floor_s = scenario, floor_s
        self._heading = heading(scenario, floor_s, capacities)
        self._begun_s = self._stage.clock.monotonic()

    def end(self, played: Played) -> None:
        """It has ended: its chart stays above the live view."""
        self._scenario = None
        took = Text.assemble(
            (played.scenario.title, "bold"),
            f"  took {played.took_s:.1f} s, floor {played.floor_s:.0f} s",
        )
        self._console.print(Group(Text(), took, chart(played)))

    def _draw(self) -> RenderableType:
        if self._scenario is None:
            return Text()
        height = self._console.size.height
        works = [
            work for work in self._stage.watcher.works.values() if work.run == self._scenario.run
        ]
        clusters = Table.grid(expand=True)
        for _ in self._stage.sites:
            clusters.add_column(ratio=1)
        clusters.add_row(*(self._cluster(site.name, site.nodes) for site in self._stage.sites))
        pods = self._pods(works)
        used = _FRAME + max(len(works), len(self._scenario.steps))
        tail = self._tail(max(_LINES_LEAST, height - used))
        return Group(self._progress(works), clusters, pods, tail)

    def _progress(self, works: list[Work]) -> Text:
        passed = self._stage.clock.monotonic() - self._begun_s
        done = sum(work.phase == "Succeeded" for work in works)
        assert self._scenario is not None
        return Text.assemble(
            (self._scenario.title, "bold"),
            (f"   {passed:.0f} s, {done} of {len(self._scenario.steps)} done\n", "green"),
            (self._heading, "bright_black"),
            no_wrap=True,
            overflow="ellipsis",
        )

    def _cluster(self, name: str, nodes: list[str]) -> Panel:
        grid = Table.grid(padding=(0, 1))
        whole = parse(CPU, NODE[CPU])
        width = max(_BAR_LEAST, min(_BAR_MOST, self._console.size.width // 2 - _NODE_TEXT))
        for node, system in zip(nodes, SYSTEM_PODS[name], strict=True):
            pods = self._stage.watcher.used.get((name, node), {}).values()
            steps = [milli for kind, milli in pods if kind == "step"]
            taken = sum(system.values())
            bar = _bar(width, taken, sum(steps), whole, COLOURS[name])
            free = whole - taken - sum(steps)
            count = f"{len(steps)} step{'s' if len(steps) != 1 else ''}"
            grid.add_row(node.removeprefix(f"{name}-"), bar, f"{free}m free", count)
        return Panel(grid, title=f"[bold]{name}[/]", border_style=COLOURS[name], box=box.ROUNDED)

    def _pods(self, works: list[Work]) -> Table:
        table = Table(box=None, header_style="bright_black", padding=(0, 2, 0, 1))
        elected = any(work.elected for work in works)
        heads = ("proxy in cluster1" if elected else "pod in cluster1", "phase", "")
        for head in (*heads, "delegate in" if elected else "runs in", "node", "phase"):
            table.add_column(head, min_width=9 if head == "phase" else 0)
        for work in sorted(works, key=lambda work: (len(work.name), work.name)):
            name, node = work.place
            table.add_row(
                work.name,
                Text(work.phase, _PHASES.get(work.phase, "yellow")),
                "→" if name else "",
                Text(name, COLOURS.get(name, "")),
                Text(node, "blue"),
                Text(work.ran, _PHASES.get(work.ran, "yellow")),
            )
        return table

    def _tail(self, lines: int) -> Panel:
        watcher = self._stage.watcher
        last = list(watcher.tail)[-lines:]
        table = Table.grid()
        table.add_column(no_wrap=True, overflow="ellipsis")
        for line in last:
            table.add_row(paint(sentence(line), cut=True))
        title = f"events appended: {watcher.appended}"
        return Panel(table, title=title, border_style="bright_black", box=box.ROUNDED)


def heading(scenario: Scenario, floor_s: float, capacities: Mapping[str, Capacity]) -> str:
    """What fits, and how fast it could be at best."""
    each = ", ".join(
        f"{name} has {capacities[name].free_milli}m free, room for {capacities[name].slots}"
        for name in scenario.clusters
    )
    return f"{each}; at best {floor_s:.0f} s"


def _bar(width: int, system: int, steps: int, whole: int, colour: str) -> Text:
    first = round(width * system / whole)
    second = round(width * (system + steps) / whole) - first
    bar = Text("█" * first, "bright_black")
    bar.append("█" * second, colour)
    bar.append("░" * (width - first - second), "bright_black")
    return bar
