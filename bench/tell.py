"""Writes the tables and curves of ``docs/performance.md`` anew, from the figures that were kept.

    python -m bench.tell

The page is written by people but for what stands between two comments: ``<!-- figures: NAME … -->``
and ``<!-- end -->``. There stand a benchmark's figures (those whose case begins with the words
after its name, if any), ``<!-- machine: NAME -->`` the machine, ``<!-- profile: NAME CASE -->`` the
functions that took most of a hot loop, and ``<!-- aims -->`` what is aimed at beside what is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import groupby
from typing import Final

from bench.aims import AIMS, Aim
from bench.kept import FOLDER, kept
from bench.reporting import PROFILE, Figure, table, text

PAGE: Final = FOLDER.with_suffix(".md")
_BLOCK: Final = re.compile(
    r"(<!-- (figures|machine|profile|aims)(?:: (.*?))? -->\n).*?(<!-- end -->)", re.DOTALL
)
_NOTHING: Final = "Not measured yet."


def told(page: str) -> str:
    """The page with each block written anew."""
    return _BLOCK.sub(lambda found: found[1] + _block(found[2], found[3] or "") + found[4], page)


def figures(name: str) -> str:
    """The table of a benchmark, or of some of its cases."""
    bench, _, prefix = name.partition(" ")
    run = kept(bench)
    shown = [
        each
        for each in (run.figures if run else [])
        if each.case.startswith(prefix) and not each.case.startswith(PROFILE)
    ]
    rows = [(each.case, text(each.value), each.unit, *_beside(each)) for each in shown]
    return table(("case", "measured", "", "floor", "ratio"), rows) if rows else _NOTHING


def machine(bench: str) -> str:
    """What the run of a benchmark was made on."""
    run = kept(bench)
    return run.told if run else _NOTHING


def profile(name: str) -> str:
    """The functions that took most of a case, which ``name`` names after its benchmark."""
    bench, _, case = name.partition(" ")
    run, prefix = kept(bench), f"{PROFILE}{case}: "
    rows = [
        (f"`{each.case.removeprefix(prefix)}`", f"{each.value:.0f} %")
        for each in (run.figures if run else [])
        if each.case.startswith(prefix)
    ]
    return table(("function", "of the samples"), rows) if rows else _NOTHING


def aims(_: str) -> str:
    """What is aimed at beside what was measured."""
    rows = []
    for bench, group in groupby(AIMS, lambda aim: aim.bench):
        run = kept(bench)
        found = {each.case: each for each in (run.figures if run else [])}
        short = bool(run and run.short)
        for aim in group:
            verdict = _verdict(aim, found.get(aim.case), short=short)
            rows.append((bench, aim.case, *verdict))
    return table(("bench", "case", "aim", "measured", ""), rows)


def _verdict(aim: Aim, figure: Figure | None, *, short: bool) -> tuple[str, str, str]:
    bound = f"{'≤' if aim.most else '≥'} {text(aim.value)}"
    if figure is None:
        return bound, "", "not measured"
    met = figure.value <= aim.value if aim.most else figure.value >= aim.value
    told = "not judged: a short run" if short else "met" if met else "not met"
    return f"{bound} {figure.unit}", text(figure.value), told


def _beside(figure: Figure) -> tuple[str, str]:
    return text(figure.floor), text(figure.ratio)


_BLOCKS: Final[dict[str, Callable[[str], str]]] = {
    "figures": figures,
    "machine": machine,
    "profile": profile,
    "aims": aims,
}


def _block(kind: str, name: str) -> str:
    return f"\n{_BLOCKS[kind](name)}\n\n"


def main() -> None:
    """Write the page and its curves."""
    from bench.plots import draw

    PAGE.write_text(told(PAGE.read_text()))
    draw(FOLDER)


if __name__ == "__main__":
    main()
