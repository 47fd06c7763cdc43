"""``mcs demo`` from beginning to end: a folder, a server, a stage, scenarios, a summary."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec
from rich.console import Console

from mcs.demo.folder import last_words, new_run, serve_run, usable
from mcs.demo.scenarios import Scenario, floor_s, scenarios
from mcs.demo.screen import LiveScreen, PlainScreen
from mcs.demo.stage import Stage, stage
from mcs.demo.summary import Played, interrupted, summary, what_next
from mcs.errors import Unavailable


class DemoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What ``mcs demo`` was told."""

    folder: Path
    fresh: bool = False
    speed: float = 1.0
    plain: bool = False
    program: str = "mcs"  # how its user can call it again


async def demo(settings: DemoSettings, console: Console) -> list[Played]:
    """Run the demo; returns what was played. When it is interrupted it says where the log is.

    Raises:
        BadSettings: there is no nats-server, or the folder cannot be used.
        Unavailable: a part did not come up, or the log takes nothing any more.
    """
    run = new_run(settings.folder, fresh=settings.fresh)
    plain = settings.plain or not console.is_terminal
    try:
        with usable(run):
            _log_into(run / "mcs.log")
        async with serve_run(run) as url:
            console.print(f"nats-server at {url}, JetStream in [bold]{run}[/]", highlight=False)
            played = await _on_stage(run, url, settings, console, plain=plain)
    except asyncio.CancelledError:
        console.print(interrupted(settings.folder, settings.program), soft_wrap=True)
        raise
    console.print(summary(played, speed=settings.speed, charts=plain))
    console.print(what_next(played, settings.folder, settings.program), soft_wrap=True)
    return played


async def _on_stage(
    run: Path, url: str, settings: DemoSettings, console: Console, *, plain: bool
) -> list[Played]:
    try:
        async with stage(url, settings.speed) as made:
            screen = PlainScreen(console, made) if plain else LiveScreen(console, made)
            async with screen:
                return [await _play(made, scenario, screen) for scenario in scenarios(made.keys)]
    except Unavailable as error:
        # Whatever happened to the server, a full disk as well, is in its own log.
        raise Unavailable(f"{error}; nats-server's last words:\n{last_words(run)}") from error


class _Quiet(logging.FileHandler):
    """What cannot be written down is not worth a traceback over the live view."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Nothing."""


def _log_into(file: Path) -> None:
    """What the parts say goes beside the log that they write, not over the live view."""
    logging.basicConfig(handlers=[_Quiet(file)], level=logging.INFO, force=True)


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
