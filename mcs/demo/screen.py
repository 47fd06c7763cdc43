"""The demo while it runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.text import Text

from mcs.demo.scenarios import Capacity, Scenario
from mcs.demo.sites import NODE, Site
from mcs.demo.stage import Stage
from mcs.demo.summary import Played, chart
from mcs.demo.watching import Watcher, Work
from mcs.quantities import CPU, parse
from mcs.views.lines import Line, sentence
from mcs.views.living import LiveView
from mcs.views.painting import paint
from mcs.views.scenes import Gauge, Pair, Place, Scene
from mcs.views.words import good, quiet, say, verb

_TAIL: Final = 60


class PlainScreen:
    """Prints what happens, line by line."""

    def __init__(self, console: Console, stage: Stage) -> None:
        self._console, self._stage = console, stage

    async def __aenter__(self) -> Self:
        self._stage.watcher.on_line = self._print
        return self

    async def __aexit__(
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
    """Clusters filling, pods side by side, and the tail of events."""

    def __init__(self, console: Console, stage: Stage) -> None:
        self._stage = stage
        self._scenario: Scenario | None = None
        self._heading = ""
        self._begun_s = 0.0
        self.view = LiveView(console, self._scene)

    async def __aenter__(self) -> Self:
        await self.view.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.view.__aexit__(kind, error, trace)

    def begin(self, scenario: Scenario, floor_s: float, capacities: Mapping[str, Capacity]) -> None:
        """A scenario begins."""
        self._scenario = scenario
        self._heading = heading(scenario, floor_s, capacities)
        self._begun_s = self._stage.clock.monotonic()

    def end(self, played: Played) -> None:
        """It has ended: its chart stays above the live view."""
        self._scenario = None
        took = Text.assemble(
            (played.scenario.title, "bold"),
            f"  took {played.took_s:.1f} s, floor {played.floor_s:.0f} s",
        )
        self.view.print(Group(Text(), took, chart(played)))

    def _scene(self) -> Scene | None:
        if self._scenario is None:
            return None
        run, steps, watcher = self._scenario.run, len(self._scenario.steps), self._stage.watcher
        works = [work for work in watcher.works.values() if work.run == run]
        works.sort(key=lambda work: (len(work.name), work.name))
        passed = self._stage.clock.monotonic() - self._begun_s
        done = sum(work.phase == "Succeeded" for work in works)
        elected = any(work.elected for work in works)
        heads = ("proxy in cluster1", "delegate in") if elected else ("pod in cluster1", "runs in")
        return Scene(
            title=say(
                verb(self._scenario.title), good(f"   {passed:.0f} s, {done} of {steps} done")
            ),
            heading=say(quiet(self._heading)),
            places=tuple(_place(site, watcher) for site in self._stage.sites),
            pairs=tuple(_pair(work) for work in works),
            tail=tuple(sentence(line) for line in list(watcher.tail)[-_TAIL:]),
            tail_title=f"events appended: {watcher.appended}",
            rows=steps,
            heads=heads,
            unit="step",
        )


def heading(scenario: Scenario, floor_s: float, capacities: Mapping[str, Capacity]) -> str:
    """What fits, and how fast it could be at best."""
    each = ", ".join(
        f"{name} has {capacities[name].free_milli}m free, room for {capacities[name].slots}"
        for name in scenario.clusters
    )
    return f"{each}; at best {floor_s:.0f} s"


def _place(site: Site, watcher: Watcher) -> Place:
    gauges = []
    for node in site.nodes:
        pods = watcher.used.get((site.name, node), {}).values()
        steps = [milli for kind, milli in pods if kind == "step"]
        others = sum(milli for kind, milli in pods if kind != "step")
        gauge = Gauge(
            node=node,
            whole=parse(CPU, NODE[CPU]),
            others=others,
            ours=sum(steps),
            count=len(steps),
        )
        gauges.append(gauge)
    return Place(cluster=site.name, gauges=tuple(gauges))


def _pair(work: Work) -> Pair:
    name, node = work.place
    return Pair(proxy=work.name, shows=work.phase, target=name, node=node, delegate=work.ran)
