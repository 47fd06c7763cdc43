"""How every benchmark reports: one JSON line per figure, and a table for people at the end.

A figure stands beside its floor: the same thing done without mcs, on the same parts, in the same
run. On another machine only the ratio means something. Lines go to stdout, so that they can be
kept and compared; the table, in Markdown and with the machine above it, goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from bench.machine import machine


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
            ratio=float(f"{value / floor:.3g}") if floor else None,
        )
        self.figures.append(figure)
        print(json.dumps(msgspec.to_builtins(figure)), flush=True)

    def show(self) -> None:
        """Print the table."""
        show(self.figures)


PROFILE: Final = "profile of "
"""How the case of a figure begins that is a function's share of a hot loop."""


def show(figures: Iterable[Figure]) -> None:
    """All figures as a table, on stderr; profiles are for those who keep the lines."""
    shown = [figure for figure in figures if not figure.case.startswith(PROFILE)]
    print(f"\n{machine().told}\n\n{markdown(shown)}", file=sys.stderr, flush=True)


def markdown(figures: Iterable[Figure]) -> str:
    """A table of figures."""
    rows = [
        (each.bench, each.case, text(each.value), each.unit, text(each.floor), text(each.ratio))
        for each in figures
    ]
    return table(("bench", "case", "value", "unit", "floor", "ratio"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, its columns aligned."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    told = [
        "| " + " | ".join(map(str.ljust, cells, widths)) + " |"
        for cells in [head, ["-" * width for width in widths], *lines[1:]]
    ]
    return "\n".join(told)


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


def text(value: float | None) -> str:
    """A number as people read it: 1,234,000 and 0.00123."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
