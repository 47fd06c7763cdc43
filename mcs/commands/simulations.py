"""What ``mcs simulate`` prints: one run as a story or a sentence, many as progress and a table."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mcs.simulation.campaign import Block, campaign, hushed
from mcs.simulation.drawing import draw
from mcs.simulation.running import Outcome, run
from mcs.simulation.shrinking import shrink
from mcs.simulation.telling import planned, story, verdict
from mcs.views.painting import paint

_LAST_EVENTS = 25
_SHRUNK = 3  # of many failures, so many are made smaller


def one(seed: int, *, trace: bool, shrinking: bool) -> int:
    """Run one seed; returns the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    with hushed():
        outcome = run(draw(seed), whole=trace)
    if trace:
        _tell(console, outcome)
    console.print(paint(verdict(outcome)))
    if outcome.failure and not trace:
        _explain(console, outcome, shrinking=shrinking)
    return bool(outcome.failure)


def many(begin: int, seeds: int, *, jobs: int, journal: Path | None, shrinking: bool) -> int:
    """Run many seeds; returns the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    total, begun_s, ran = Block(begin=begin, end=begin + seeds, happened={}), time.monotonic(), 0
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("seeds", total=seeds, rate="")
        for block in campaign(begin, seeds, jobs=jobs, journal=journal):
            total.add(block)
            ran += block.end - block.begin
            rate = ran / (time.monotonic() - begun_s)
            progress.update(task, advance=block.end - block.begin, rate=f"{rate:.1f} seeds/s")
            for failure in block.failures:
                progress.console.print(f"seed {failure.seed}: {failure.text}", markup=False)
    _report(console, total, time.monotonic() - begun_s)
    for failure in total.failures[:_SHRUNK]:
        with hushed():
            outcome = run(draw(failure.seed))
        console.print(paint(verdict(outcome)))
        if outcome.failure:
            _explain(console, outcome, shrinking=shrinking)
    return bool(total.failures)


def _tell(console: Console, outcome: Outcome) -> None:
    for words in planned(outcome):
        console.print(paint(words))
    console.print()
    for words in story(outcome):
        console.print(paint(words))


def _explain(console: Console, outcome: Outcome, *, shrinking: bool) -> None:
    """The shortest plan found that fails the same way, and the last things that happened in it."""
    if shrinking:
        with hushed():
            smallest, runs = shrink(outcome, run)
            outcome = run(smallest.plan, whole=True)
        console.print(f"\nThe smallest plan found that breaks {outcome.invariant} ({runs} runs):")
    for words in planned(outcome):
        console.print(paint(words))
    console.print("\nThe last events:")
    for words in story(outcome, last=_LAST_EVENTS):
        console.print(paint(words))
    console.print(paint(verdict(outcome)))
    click.echo(f"\nThe whole story: mcs simulate --seed {outcome.plan.seed} --trace")


def _report(console: Console, total: Block, took_s: float) -> None:
    count = total.end - total.begin
    console.print(
        f"{count} seeds from {total.begin} in {took_s:.0f} s ({count / took_s:.1f} seeds/s): "
        f"{total.simulated_s / 3600:.1f} simulated hours, {total.events} frames, "
        f"{total.pods} pods, {sum(total.happened.values())} accidents"
    )
    table = Table("accident", "times", box=None)
    for kind, times in sorted(total.happened.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(kind, str(times))
    console.print(table)
    broken = Counter(failure.invariant for failure in total.failures)
    if broken:
        found = ", ".join(f"{name}: {times}" for name, times in sorted(broken.items()))
        console.print(f"[bold red]{len(total.failures)} seeds broke a rule[/] ({found})")
    else:
        console.print("[green]every rule held[/]")
