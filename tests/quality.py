"""Runs the examples of docs/quality.md anew: ``python -m tests.quality``."""

import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from mcs.cli import mcs_group

PAGE = Path(__file__).parents[1] / "docs" / "quality.md"
EXAMPLE = re.compile(r"^```console\n\$ mcs (.+)\n(?:.*\n)*?```$", re.MULTILINE)


def page():
    """The page, with what its commands print today."""
    return EXAMPLE.sub(lambda found: example(found[1]), PAGE.read_text())


def example(typed):
    ran = CliRunner().invoke(mcs_group, shlex.split(typed), catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    lines = [line.rstrip() for line in ran.stdout.splitlines()]
    printed = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return f"```console\n$ mcs {typed}\n{printed}\n```"


if __name__ == "__main__":
    PAGE.write_text(page())
