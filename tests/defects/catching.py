"""Runs seeds with a defect switched on, until one is caught.

``python -m tests.defects.catching`` does so for all defects from the first seed on, and writes down
which seed caught each; with names, for these. ``… run NAME SEED`` tells of one run.
"""

import json
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import click

from mcs.simulation.campaign import hushed
from mcs.simulation.drawing import draw
from mcs.simulation.running import run
from tests.defects.table import DEFECTS

BUDGET = 640
"""Seeds, from 1 on, of which one must catch a defect."""

FOUND = Path(__file__).parent / "found.json"


class Catch(NamedTuple):
    """A seed that catches a defect, and by what."""

    seed: int
    invariant: str


def found():
    """What caught each defect, as written down."""
    entries = json.loads(FOUND.read_text()) if FOUND.exists() else {}
    return {name: Catch(*entry) for name, entry in entries.items()}


def caught(defect, seed):
    """By what a run of ``seed`` fails that has the defect; or nothing."""
    if "determinism" in defect.caught_by:
        runs = {_elsewhere(defect.name, seed, hashes) for hashes in ("1", "4")}
        return "determinism" if len(runs) > 1 else ""
    with hushed(), defect.switched_on():
        return run(draw(seed)).invariant


def first_catch(name, seeds=range(1, BUDGET + 1)):
    """The first of the seeds that catches a defect; None when none does."""
    for seed in seeds:
        if invariant := caught(DEFECTS[name], seed):
            return Catch(seed, invariant)
    return None


def _elsewhere(name, seed, hashes):
    """What a process of its own, in which strings hash otherwise, says of a run."""
    command = [sys.executable, "-m", "tests.defects.catching", "run", name, str(seed)]
    environment = {**os.environ, "PYTHONHASHSEED": hashes}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, env=environment, cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip()
    return done.stdout


def _tell(name, seed):
    """One run with a defect, in a line that is the same for the same run."""
    with hushed(), DEFECTS[name].switched_on():
        outcome = run(draw(int(seed)))
    click.echo(f"{outcome.digest} {outcome.failure}")


def _measure(names):
    """Look for all of these from the first seed on, and write down what was found."""
    catches = {name: catch for name, catch in found().items() if name in DEFECTS}
    # A defect is switched on in a whole process: so each has its own.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(mp_context=context) as pool:
        for name, catch in zip(names, pool.map(first_catch, names), strict=True):
            click.echo(f"{name}: {catch or 'not caught'}")
            catches.pop(name, None)
            if catch is not None:
                catches[name] = catch
            lines = [f"  {json.dumps(each)}: {json.dumps(catches[each])}" for each in catches]
            FOUND.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", name, seed]:
            _tell(name, seed)
        case names:
            _measure(names or list(DEFECTS))
