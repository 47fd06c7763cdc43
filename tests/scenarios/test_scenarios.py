"""Every golden dialogue still goes as it is written, and goes so in every process."""

import difflib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.dialogue import parse, render
from tests.scenarios.interpreter import play

ROOT = Path(__file__).parents[2]
FILES = sorted(Path(__file__).parent.glob("*.txt"))
LIVELY = {"joining", "burst", "removed", "restarted", "uncertain"}  # where much happens at once


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_dialogue_goes_as_it_is_written(path, request):
    written = path.read_text()

    played = play(written)

    if request.config.getoption("--rewrite", default=False):
        path.write_text(played)
        return
    both = (written.splitlines(), played.splitlines())
    differences = "\n".join(difflib.unified_diff(*both, "written", "played", lineterm=""))
    assert not differences, differences


def test_every_process_tells_the_same():
    files = [path for path in FILES if path.stem in LIVELY]
    command = [sys.executable, "-m", "tests.scenarios.interpreter", *map(str, files)]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, stdout=subprocess.PIPE
        )
        for seed in ("1", "2")
    ]
    one, other = (process.communicate(timeout=300)[0] for process in processes)

    assert one.decode() == "".join(play(path.read_text()) for path in files)
    assert one == other


def test_a_file_reads_back_as_it_was_written():
    text = "# why\n\ncreate c1 default/a\nwait 3s\n----\n  0s  obs  c1\n\n# then\nwait 1s\n----\n"

    assert render(parse(text)) == text
