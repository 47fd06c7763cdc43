"""How far long work is, and how fast: a bar on a terminal, a line now and then elsewhere.

All of it goes to standard error, so that what a command prints stays what scripts read.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final, Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_LINE_S: Final = 5.0


class Shown:
    """Progress of steps one after the other; ``unit`` is what is counted: ``messages``. Work that
    is done within ``patience_s`` goes unmentioned.
    """

    def __init__(self, unit: str, *, patience_s: float = 0.0) -> None:
        self._unit = unit
        self._waits_until = time.monotonic() + patience_s
        self._title = ""
        self._began = self._told = time.monotonic()
        self._task: TaskID | None = None
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                _Rate(unit),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, title: str, done: int, total: int) -> None:
        """So far ``done`` of ``total``, in the step ``title``."""
        now = time.monotonic()
        if title != self._title:
            self._title, self._began, self._told, self._task = title, now, now, None
        if now < self._waits_until:
            return
        if self._bar is not None and self._task is None:
            self._bar.start()
            self._task = self._bar.add_task(title, total=total)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif now - self._told >= _LINE_S:
            self._told = now
            rate = done / (now - self._began)
            left = f", {(total - done) / rate:.0f}s left" if rate else ""
            click.echo(
                f"{title}: {done:,} of {total:,} {self._unit}, {rate:,.0f}/s{left}", err=True
            )


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Per second, lately."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self._unit}/s" if speed else "", style="magenta")
