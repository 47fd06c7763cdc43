"""``mcs why`` drawn with rich."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mcs.events.decisions import PodPlaced
from mcs.views.amounts import clock_time
from mcs.views.explaining import Explanation, Moment
from mcs.views.lines import columns
from mcs.views.painting import paint
from mcs.views.tables import verdict_table
from mcs.views.words import cluster, pod, quiet, say


def story_view(story: Explanation) -> RenderableType:
    """One proxy's story, oldest first, and where it stands."""
    named = story.named
    heading = say(pod(named.namespace, named.name), " of ", cluster(named.cluster))
    parts: list[RenderableType] = [paint(say(heading, quiet(f"  (uid {story.uid})"))), Text()]
    parts.append(_lines(story))
    if story.moment is not None:
        parts += [Text(), *_moment(story.moment)]
    parts += [Text(), paint(say("Now ", story.standing, "."))]
    if story.now:
        parts.append(verdict_table(story.now))
    return Group(*parts, Text())


def _lines(story: Explanation) -> Table:
    """What was seen and decided; long sentences wrap in their own column."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in story.lines:
        table.add_row(*(paint(column) for column in columns(line)))
    return table


def _moment(moment: Moment) -> list[RenderableType]:
    """What the clusters said when it was last decided."""
    line = moment.line
    what = "placed" if isinstance(line.event, PodPlaced) else "told to wait"
    heading = say(
        f"When it was last {what}, by decision {line.sequence}",
        quiet(f" at {clock_time(line.time_ns)}"),
        ":",
    )
    return [paint(heading), verdict_table(moment.verdicts)]
