"""The curves of ``docs/performance.md``, drawn from the figures that were kept.

matplotlib writes text as text and the same bytes for the same figures, so a curve that did not
change does not show as a difference.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import NullFormatter

from bench.kept import kept
from bench.reporting import say

_STYLE: Final[Any] = {
    "svg.hashsalt": "mcs",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
}


class Curve(NamedTuple):
    """One picture. ``cases``: legend by pattern of a case, whose group is x; ``floor``: draw the
    first one's floor too.
    """

    name: str
    bench: str
    x: str
    y: str
    cases: dict[str, str]
    floor: bool = False


_PLACING: Final = {"schedule": r"{} ([\d.]+)", "with framing and folding": r"{} ([\d.]+): framed.*"}
_FIRST: Final = {"first pod of each shape": r"{} ([\d.]+): first of each shape"}


def _over(word: str, patterns: dict[str, str]) -> dict[str, str]:
    return {legend: pattern.format(word) for legend, pattern in patterns.items()}


CURVES: Final = (
    *(
        Curve(f"decide-{word}", "decide", x, "placements/s", _over(word, _PLACING), floor=True)
        for word, x in (
            ("nodes", "nodes, in 100 clusters"),
            ("clusters", "clusters, of the same number of nodes in all"),
            ("shapes", "distinct shapes of pods"),
        )
    ),
    Curve("decide-first-nodes", "decide", "nodes", "s, for 32 shapes", _over("nodes", _FIRST)),
    Curve("decide-first-shapes", "decide", "distinct shapes", "s", _over("shapes", _FIRST)),
    Curve(
        "backlog",
        "backlog",
        "pods that wait",
        "ms of deciding, a cycle",
        {
            "nothing changes": r"queue of (\d+), nothing changes: a cycle",
            "room for 1": r"queue of (\d+), room for 1: deciding",
            "room for 10": r"queue of (\d+), room for 10: deciding",
            "room for 30": r"queue of (\d+), room for 30: deciding",
        },
    ),
)


def draw(folder: Path) -> None:
    """Draw each curve whose figures there are, as ``NAME.svg``."""
    with mpl.rc_context(_STYLE):
        for curve in CURVES:
            _draw(curve, folder / f"{curve.name}.svg")


def _draw(curve: Curve, file: Path) -> None:
    run = kept(curve.bench)
    drawing = Drawing(figsize=(6.4, 3.6), layout="constrained")
    axes = drawing.add_subplot(xscale="log", yscale="log", xlabel=curve.x, ylabel=curve.y)
    drawn = False
    for legend, pattern in curve.cases.items():
        points = sorted(
            (float(found[1]), figure.value, figure.floor)
            for figure in (run.figures if run else [])
            if (found := re.fullmatch(pattern, figure.case))
        )
        if not points:
            continue
        xs, ys, floors = zip(*points, strict=True)
        if curve.floor and not drawn:
            axes.plot(xs, floors, color="#aaaaaa", linestyle="--", label="floor: numpy alone")
        axes.plot(xs, ys, marker="o", label=legend)
        drawn = True
    if not drawn:
        say(f"{curve.name}: nothing was measured")
        return
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,g}")
        axis.set_minor_formatter(NullFormatter())
    axes.legend(frameon=False)
    if run and run.short:
        axes.set_title("a short run", fontsize=10, loc="left")
    drawing.savefig(file, metadata={"Date": None})
