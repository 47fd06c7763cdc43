"""Explanations for programs: the same as ``stories`` draws, as data for ``--json``."""

from __future__ import annotations

from collections.abc import Mapping

from mcs.ports import Stream
from mcs.views.amounts import iso_time
from mcs.views.evidence import Position
from mcs.views.explaining import Explanation, Moment
from mcs.views.grounds import Fact
from mcs.views.lines import Line
from mcs.views.reasoning import ClusterVerdict
from mcs.views.words import plain

Behind = Mapping[tuple[Fact, Position], Line]
"""The lines behind facts, at the positions at which they counted."""


def why_data(story: Explanation, behind: Behind) -> dict[str, object]:
    """What ``mcs why --json`` prints of one pod."""
    named = story.named
    return {
        "cluster": named.cluster,
        "namespace": named.namespace,
        "name": named.name,
        "uid": story.uid,
        "time": iso_time(story.time_ns),
        "decision": story.now.position.decision,
        "observation": story.now.position.observation,
        "standing": plain(story.standing),
        "verdicts": _verdicts(story.now, behind),
        "decided": None if story.moment is None else _decided(story.moment, behind),
        "events": [line_data(line) for line in story.lines],
    }


def line_data(line: Line) -> dict[str, object]:
    """One event, without its contents (``mcs log --json`` has them)."""
    return {
        "time": iso_time(line.time_ns),
        "stream": str(Stream.DECISIONS if line.stream == "decision" else Stream.OBSERVATIONS),
        "sequence": line.sequence,
        "clusters": line.clusters,
        "text": plain(line.words),
    }


def lines_behind(row: ClusterVerdict, moment: Moment, behind: Behind) -> list[Line]:
    """The events that a verdict rests on, in the order of its facts."""
    keys = ((fact, moment.position) for fact in row.grounds.facts)
    return [behind[key] for key in keys if key in behind]


def _decided(moment: Moment, behind: Behind) -> dict[str, object]:
    assert moment.line is not None
    return {
        **line_data(moment.line),
        "based_on": moment.position.observation,
        "verdicts": _verdicts(moment, behind),
    }


def _verdicts(moment: Moment, behind: Behind) -> list[dict[str, object]]:
    return [
        {
            "cluster": row.cluster,
            "verdict": row.verdict,
            "score": row.score,
            "chosen": row.chosen,
            "tie": row.tie,
            "text": plain(row.words),
            "bookings": row.grounds.bookings,
            "behind": [line_data(line) for line in lines_behind(row, moment, behind)],
        }
        for row in moment.verdicts
    ]
