"""All benchmarks, one after the other, each in a process of its own; then one table of all.

python -m bench [--short] [--keep] [name …]

``--keep`` writes each one's figures to ``docs/performance``, from which ``python -m bench.tell``
makes the tables and curves of ``docs/performance.md``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from bench.kept import Kept, keep
from bench.machine import machine
from bench.reporting import Figure, say, show

_FOLDER = Path(__file__).parent


def benchmarks() -> list[str]:
    """Names of the scripts that can be run alone: those that report under their own name."""
    return sorted(
        file.stem for file in _FOLDER.glob("*.py") if f'Report("{file.stem}")' in file.read_text()
    )


def run(name: str, *, short: bool) -> tuple[list[Figure], bool]:
    """One of them; its figures, and whether it went well."""
    say(f"bench.{name}")
    figures = []
    command = [sys.executable, "-m", f"bench.{name}", *(["--short"] if short else [])]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_FOLDER.parent) as child:
        assert child.stdout is not None, "it is a pipe"
        for line in child.stdout:
            print(line, end="", flush=True)
            figures.append(msgspec.json.decode(line, type=Figure))
    say(f"bench.{name}: {time.monotonic() - began:.0f} s")
    return figures, not child.returncode


def main() -> int:
    """Run them; the exit code tells of those that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *benchmarks()], default=[])
    parser.add_argument("--short", action="store_true", help="minutes, not hours")
    parser.add_argument("--keep", action="store_true", help="write docs/performance/NAME.jsonl")
    chosen = parser.parse_args()
    figures: list[Figure] = []
    failed = []
    for name in chosen.names or benchmarks():
        before = machine()
        found, well = run(name, short=chosen.short)
        figures += found
        if not well:
            failed.append(name)
        elif chosen.keep:
            keep(name, Kept(machine=before, short=chosen.short, figures=found))
    show(figures)
    if failed:
        say(f"failed: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
