"""All benchmarks, one after the other, each in a process of its own; then one table of all.

python -m bench [--short] [name …]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.reporting import Figure, say, show

_FOLDER = Path(__file__).parent


def benchmarks() -> list[str]:
    """Names of the scripts that can be run alone."""
    return sorted(
        file.stem
        for file in _FOLDER.glob("*.py")
        if not file.name.startswith("_") and "__main__" in file.read_text()
    )


def main() -> int:
    """Run them; the exit code tells of those that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *benchmarks()], default=[])
    parser.add_argument("--short", action="store_true")
    chosen = parser.parse_args()
    figures: list[Figure] = []
    failed = []
    for name in chosen.names or benchmarks():
        say(f"bench.{name}")
        command = [sys.executable, "-m", f"bench.{name}", *(["--short"] if chosen.short else [])]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=_FOLDER.parent
        ) as child:
            assert child.stdout is not None, "it is a pipe"
            for line in child.stdout:
                print(line, end="", flush=True)
                figures.append(msgspec.json.decode(line, type=Figure))
        if child.returncode:
            failed.append(name)
    show(figures)
    if failed:
        say(f"failed: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
