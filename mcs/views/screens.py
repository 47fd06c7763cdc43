"""Scenes drawn with rich, for a terminal of any size."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mcs.views.painting import paint
from mcs.views.scenes import Gauge, Pair, Place, Scene

_BAR_LEAST: Final = 6
_BAR_MOST: Final = 40
_PANEL_LEAST: Final = 44  # columns that a cluster's panel needs
_NODE_TEXT: Final = 27  # columns of a cluster's panel beside its bars
_HEADINGS: Final = 3
_BORDERS: Final = 2
_TAIL_LEAST: Final = 3
_PAIRS_LEAST: Final = 4
_NODES_LEAST: Final = 2
_PALETTE: Final = ("cyan", "magenta", "bright_blue", "yellow", "bright_cyan", "bright_magenta")
_PHASES: Final = {
    "Running": "green",
    "Succeeded": "bright_black",
    "Failed": "bold red",
    "rejected": "bold red",
    "gone": "bright_black",
    "let go": "bright_black",
}


def draw(scene: Scene, width: int, height: int) -> RenderableType:
    """The whole picture, in ``width`` columns and ``height`` lines."""
    colours = {
        place.cluster: _PALETTE[number % len(_PALETTE)] for number, place in enumerate(scene.places)
    }
    abreast = max(1, min(len(scene.places), width // _PANEL_LEAST))
    storeys = math.ceil(len(scene.places) / abreast)
    left = height - _HEADINGS - 1 - _TAIL_LEAST - _BORDERS - _PAIRS_LEAST
    nodes = max(_NODES_LEAST, left // max(1, storeys) - _BORDERS)
    most = max((len(place.gauges) for place in scene.places), default=0)
    left += _PAIRS_LEAST - storeys * (min(nodes, most) + _BORDERS)
    rows = max(1, min(max(len(scene.pairs), scene.rows), left))
    clusters = Table.grid(expand=True)
    for _ in range(abreast):
        clusters.add_column(ratio=1)
    bar = max(_BAR_LEAST, min(_BAR_MOST, width // abreast - _NODE_TEXT))
    panels = [_place(place, scene, nodes, bar, colours) for place in scene.places]
    for first in range(0, len(panels), abreast):
        clusters.add_row(*panels[first : first + abreast])
    tail = max(_TAIL_LEAST, _TAIL_LEAST + left - rows)
    return Group(
        Text("\n", no_wrap=True, overflow="ellipsis").join(
            [paint(scene.title, cut=True), paint(scene.heading, cut=True)]
        ),
        clusters,
        _pairs(scene, rows, colours),
        _tail(scene, tail),
    )


def _place(place: Place, scene: Scene, nodes: int, bar: int, colours: dict[str, str]) -> Panel:
    grid = Table.grid(padding=(0, 1))
    gauges = list(place.gauges)
    if len(gauges) > nodes:
        rest = gauges[nodes - 1 :]
        gauges[nodes - 1 :] = [_summed(rest)]
    for gauge in gauges:
        count = f"{gauge.count} {scene.unit}{'s' if gauge.count != 1 else ''}"
        name = gauge.node.removeprefix(f"{place.cluster}-")
        drawn = _bar(bar, gauge, colours[place.cluster])
        grid.add_row(Text(name, no_wrap=True), drawn, f"{gauge.free}m free", count)
    title = f"[bold]{place.cluster}[/]" + (f" [red]{place.note}[/]" if place.note else "")
    return Panel(grid, title=title, border_style=colours[place.cluster], box=box.ROUNDED)


def _summed(gauges: list[Gauge]) -> Gauge:
    """Many nodes as one."""
    return Gauge(
        node=f"+{len(gauges)}",
        whole=sum(gauge.whole for gauge in gauges),
        others=sum(gauge.others for gauge in gauges),
        ours=sum(gauge.ours for gauge in gauges),
        booked=sum(gauge.booked for gauge in gauges),
        count=sum(gauge.count for gauge in gauges),
    )


def _bar(width: int, gauge: Gauge, colour: str) -> Text:
    """What others use, delegates use, is booked, and is free; to the nearest column."""
    bar, drawn, amount = Text(), 0, 0
    parts = ((gauge.others, "█", "bright_black"), (gauge.ours, "█", colour))
    for milli, sign, style in (*parts, (gauge.booked, "▒", colour)):
        amount += milli
        upto = min(width, round(width * amount / gauge.whole)) if gauge.whole else 0
        bar.append(sign * (upto - drawn), style)
        drawn = upto
    bar.append("░" * (width - drawn), "bright_black")
    return bar


def _pairs(scene: Scene, rows: int, colours: dict[str, str]) -> Table:
    table = Table(box=None, header_style="bright_black", padding=(0, 2, 0, 1))
    for head in (scene.heads[0], "phase", "", scene.heads[1], "node", "phase"):
        table.add_column(head, min_width=9 if head == "phase" else 0, no_wrap=True)
    many = len(scene.pairs) > rows
    for pair in scene.pairs[: rows - 1] if many else scene.pairs:
        table.add_row(
            pair.proxy,
            Text(pair.shows, _PHASES.get(pair.shows, "yellow")),
            "→" if pair.target else "",
            Text(pair.target, colours.get(pair.target, "")),
            Text(pair.node, "blue"),
            Text(pair.delegate, _PHASES.get(pair.delegate, "yellow")),
        )
    if many:
        table.add_row(Text(_more(scene.pairs[rows - 1 :]), "bright_black"))
    return table


def _more(pairs: tuple[Pair, ...]) -> str:
    counts = Counter(pair.shows for pair in pairs)
    each = ", ".join(f"{count} {shows}" for shows, count in sorted(counts.items()))
    return f"and {len(pairs)} more: {each}"


def _tail(scene: Scene, lines: int) -> Panel:
    table = Table.grid()
    table.add_column(no_wrap=True, overflow="ellipsis")
    for words in scene.tail[-lines:]:
        table.add_row(paint(words, cut=True))
    return Panel(table, title=scene.tail_title, border_style="bright_black", box=box.ROUNDED)
