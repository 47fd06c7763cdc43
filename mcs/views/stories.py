"""``mcs why`` drawn with rich."""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mcs.events.decisions import PodPlaced
from mcs.views.amounts import amounts, clock_time
from mcs.views.explaining import Explanation, Moment
from mcs.views.grounds import Booking
from mcs.views.lines import columns
from mcs.views.painting import paint
from mcs.views.tables import verdict_table
from mcs.views.told import Behind, lines_behind
from mcs.views.words import Words, cluster, node, pod, quiet, say

_GROUNDS_MOST: Final = 8  # lines under one cluster's verdict; --json has all


def story_view(story: Explanation, behind: Behind) -> RenderableType:
    """One proxy's story, oldest first, and where it stands; ``behind`` are the events that its
    verdicts rest on.
    """
    named = story.named
    heading = say(pod(named.namespace, named.name), " of ", cluster(named.cluster))
    parts: list[RenderableType] = [paint(say(heading, quiet(f"  (uid {story.uid})"))), Text()]
    parts.append(_lines(story))
    if story.moment is not None:
        parts += [Text(), *_moment(story.moment, behind)]
    decision, observation = story.now.position
    place = f"decision {decision}, observation {observation}"
    at = quiet(f"  ({clock_time(story.time_ns, date=True)} UTC, {place})")
    parts += [Text(), paint(say("Then " if story.past else "Now ", story.standing, ".", at))]
    if story.now.verdicts:
        parts += [verdict_table(story.now.verdicts), *_grounds(story.now, behind)]
    return Group(*parts, Text())


def _lines(story: Explanation) -> Table:
    """What was seen and decided; long sentences wrap in their own column."""
    table = _grid(3)
    for line in story.lines:
        table.add_row(*(paint(column) for column in columns(line)))
    return table


def _moment(moment: Moment, behind: Behind) -> list[RenderableType]:
    """What the clusters said when it was last decided."""
    line = moment.line
    assert line is not None
    what = "placed" if isinstance(line.event, PodPlaced) else "told to wait"
    by = f" at {clock_time(line.time_ns)}, based on observation {moment.position.observation}"
    heading = say(f"When it was last {what}, by decision {line.sequence}", quiet(by), ":")
    return [paint(heading), verdict_table(moment.verdicts), *_grounds(moment, behind)]


def _grounds(moment: Moment, behind: Behind) -> list[RenderableType]:
    """What the verdicts rest on: events, and bookings of delegates not seen bound yet."""
    table = _grid(2)
    for row in moment.verdicts:
        found = [columns(line) for line in lines_behind(row, moment, behind)]
        rows = [(place, words) for _, place, _, words in found]
        booked = [_booking(booking) for booking in row.grounds.bookings]
        for place, words in [*rows, *booked][:_GROUNDS_MOST]:
            table.add_row(paint(say(cluster(row.cluster))), paint(place), paint(words))
        if (more := len(rows) + len(booked) - _GROUNDS_MOST) > 0:
            rest = paint(say(quiet(f"and {more} more (--json)")))
            table.add_row(paint(say(cluster(row.cluster))), "", rest)
    return [paint(say("They rest on:")), table] if table.row_count else []


def _booking(booking: Booking) -> tuple[Words, Words]:
    """A booking's place in the log, and what it takes."""
    whose, where = pod(booking.namespace, booking.name), node(booking.node)
    takes = amounts(booking.requests)
    if not booking.decision:
        return say("queue"), say(whose, " goes first, on ", where, ": ", takes)
    how = quiet(", by the same cycle" if booking.ahead else ", not seen bound yet")
    return say(f"dec {booking.decision}"), say(
        "booked for ", whose, " on ", where, ": ", takes, how
    )


def _grid(narrow: int) -> Table:
    """Columns that keep their width, and one that wraps."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(narrow):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table
