"""Writes what catches each defect into docs/reliability.md: ``python -m tests.defects.telling``."""

import re
from collections import Counter
from pathlib import Path

from tests.defects.catching import BUDGET, found
from tests.defects.table import DEFECTS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
TITLE = "## Defects that the simulator must catch"
TEXT = f"""\
{TITLE}

{len(DEFECTS)} deliberate defects are kept in `tests/defects`.
Each changes a line or two of the product while a test runs, and must be caught by a rule that is
named for it, within {BUDGET} seeds from 1 on.
The last column is a seed that catches it, and the rule by which it does.

| Defect | What is wrong | Caught by | Seed |
| --- | --- | --- | --- |
"""
END = """\
`python -m tests.defects.catching` looks for all of them again (half an hour of one core);
`python -m tests.defects.telling` writes this section.
"""


def section():
    """The whole section."""
    catches = found()
    rows = []
    for name, defect in DEFECTS.items():
        catch = catches.get(name)
        first = f"{catch.seed} ({catch.invariant})" if catch else "none"
        rows.append(f"| {name} | {defect.what} | {', '.join(defect.caught_by)} | {first} |\n")
    counts = Counter(invariant for each in DEFECTS.values() for invariant in each.caught_by)
    rules = sorted(counts, key=lambda name: (not name[1:].isdigit(), len(name), name))
    total = ", ".join(f"{rule} {counts[rule]}" for rule in rules)
    return f"{TEXT}{''.join(rows)}\nDefects by rule (one may break several): {total}.\n{END}"


def _written(page):
    """The page with the section as it is now."""
    if TITLE not in page:
        return f"{page.rstrip()}\n\n{section()}"
    before, _, rest = page.partition(TITLE)
    after = re.search(r"^## ", rest, re.MULTILINE)
    tail = "\n" + rest[after.start() :] if after else ""
    return before + section() + tail


if __name__ == "__main__":
    PAGE.write_text(_written(PAGE.read_text()))
