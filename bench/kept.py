"""The figures that ``docs/performance.md`` shows: a file for each benchmark, of the last run that
was kept. Its first line is the machine's, the others are what the run printed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from bench.machine import Machine
from bench.reporting import Figure

FOLDER: Final = Path(__file__).parents[1] / "docs" / "performance"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line."""

    short: bool
    machine: Machine


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one benchmark. ``short``: of the short form, so not of the whole size."""

    machine: Machine
    short: bool
    figures: list[Figure]

    @property
    def told(self) -> str:
        """What it was made on, in a sentence or two."""
        form = "A short run, of sizes far below those that are aimed at" if self.short else "A run"
        return f"{form}: {self.machine.told}"


def keep(bench: str, kept: Kept) -> None:
    """Write a run's file, in place of the one before."""
    lines = [Head(short=kept.short, machine=kept.machine), *kept.figures]
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{bench}.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def kept(bench: str) -> Kept | None:
    """The run that was kept, if any."""
    file = FOLDER / f"{bench}.jsonl"
    if not file.exists():
        return None
    first, *lines = file.read_bytes().splitlines()
    head = msgspec.json.decode(first, type=Head)
    figures = [msgspec.json.decode(line, type=Figure) for line in lines]
    return Kept(machine=head.machine, short=head.short, figures=figures)
