"""How every benchmark reports: one JSON line per figure, and a table for people at the end.

A figure stands beside its floor: the same thing done without mcs, on the same parts, in the same
run. On another machine only the ratio means something. Lines go to stdout, so that they can be
kept and compared; the table goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured value. ``floor`` None: there is nothing to compare it with."""

    bench: str
    case: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None


class Report:
    """The figures of one benchmark."""

    def __init__(self, bench: str) -> None:
        self.figures: list[Figure] = []
        self._bench = bench

    def add(self, case: str, value: float, unit: str, floor: float | None = None) -> None:
        """Print a figure at once: a benchmark that is interrupted has not measured in vain."""
        figure = Figure(
            bench=self._bench,
            case=case,
            value=_rounded(value),
            unit=unit,
            floor=None if floor is None else _rounded(floor),
            ratio=round(value / floor, 2) if floor else None,
        )
        self.figures.append(figure)
        print(json.dumps(msgspec.to_builtins(figure)), flush=True)

    def show(self) -> None:
        """Print the table."""
        show(self.figures)


def show(figures: Iterable[Figure]) -> None:
    """All figures as a table, on stderr."""
    table = Table(title="figures", title_justify="left", box=None, header_style="bold")
    for name in ("bench", "case"):
        table.add_column(name, overflow="fold")
    for name in ("value", "floor", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for figure in figures:
        table.add_row(
            *(figure.bench, figure.case, _text(figure.value), _text(figure.floor)),
            *(_text(figure.ratio), figure.unit),
        )
    Console(file=sys.stderr, width=None if sys.stderr.isatty() else 120).print(table)


def arguments(doc: str | None, **options: Any) -> argparse.Namespace:
    """The command line: ``--short``, and an option for each keyword with its default."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="fewer rounds, for a first look")
    for name, default in options.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    return parser.parse_args()


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that ``percent`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median(values: Sequence[float]) -> float:
    """The middle one: a busy machine spoils means."""
    return statistics.median(values)


def say(text: str) -> None:
    """A word about what is going on, on stderr."""
    print(text, file=sys.stderr, flush=True)


def _rounded(value: float) -> float:
    """Four digits that count."""
    return float(f"{value:.4g}")


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
