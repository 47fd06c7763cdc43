"""``mcs demo`` from beginning to end: a folder, a server, a stage, scenarios, a summary."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec
from rich.console import Console

from mcs.demo.folder import new_run, serve_run
from mcs.demo.scenarios import Scenario, floor_s, scenarios
from mcs.demo.screen import LiveScreen, PlainScreen
from mcs.demo.stage import Stage, stage
from mcs.demo.summary import Played, summary


class DemoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What ``mcs demo`` was told."""

    folder: Path
    fresh: bool = False
    speed: float = 1.0
    plain: bool = False
    program: str = "mcs"  # how its user can call it again


async def demo(settings: DemoSettings, console: Console) -> list[Played]:
    """Run the demo; returns what was played.

    Raises:
        BadSettings: there is no nats-server, or the folder cannot be used.
        Unavailable: a part did not come up.
    """
    run = new_run(settings.folder, fresh=settings.fresh)
    # What the parts say goes beside the log that they write, not over the live view.
    logging.basicConfig(filename=run / "mcs.log", level=logging.INFO, force=True)
    plain = settings.plain or not console.is_terminal
    async with serve_run(run) as url:
        console.print(f"nats-server at {url}, JetStream in [bold]{run}[/]", highlight=False)
        async with stage(url, settings.speed) as made:
            screen = PlainScreen(console, made) if plain else LiveScreen(console, made)
            async with screen:
                played = [await _play(made, scenario, screen) for scenario in scenarios(made.keys)]
    end = summary(
        played, settings.folder, speed=settings.speed, charts=plain, program=settings.program
    )
    console.print(end)
    return played


async def _play(made: Stage, scenario: Scenario, screen: LiveScreen | PlainScreen) -> Played:
    capacities = made.capacities()
    floor = floor_s(scenario, capacities)
    screen.begin(scenario, floor, capacities)
    outcomes = await made.play(scenario)
    await made.until(made.settled, "all steps to be over")
    works = {
        work.name.removeprefix(f"{scenario.run}-"): work
        for work in made.watcher.works.values()
        if work.run == scenario.run
    }
    played = Played(
        scenario=scenario,
        floor_s=floor,
        capacities=capacities,
        outcomes=tuple(outcomes),
        works=tuple(works[step.name] for step in scenario.steps if step.name in works),
    )
    screen.end(played)
    return played


def run_demo(settings: DemoSettings, console: Console) -> list[Played]:
    """``demo`` in an event loop of its own."""
    return asyncio.run(demo(settings, console))
