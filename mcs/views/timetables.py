"""``mcs history`` drawn with rich, and as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mcs.views.amounts import clock_time, iso_time, lasting
from mcs.views.histories import PodHistory, Stage, Step
from mcs.views.lines import columns
from mcs.views.painting import paint
from mcs.views.tables import table_of
from mcs.views.told import line_data
from mcs.views.words import Words, cluster, pod, quiet, say, wait

_DAY_NS: Final = 86_400_000_000_000
_STYLES: Final = {
    Stage.GATED: "yellow",
    Stage.WAITING: "yellow",
    Stage.PLACING: "cyan",
    Stage.STARTING: "blue",
    Stage.RUNNING: "green",
    Stage.ENDING: "magenta",
    Stage.ENDED: "bright_black",
    Stage.OVER: "bright_black",
}
CREATED: Final = "created, through the webhook"
_NOTE: Final = (
    "The webhook writes nothing to the log: the first time is the pod's creationTimestamp, by its "
    "API server's clock, in whole seconds."
)


def history_view(histories: Sequence[PodHistory]) -> RenderableType:
    """All pods of one name, oldest first, told apart."""
    parts: list[RenderableType] = []
    for number, history in enumerate(histories, 1):
        parts += [paint(_heading(history, number, len(histories))), _steps(history)]
        parts += [_stages(history), Text()]
    parts.append(paint(say(quiet(_NOTE))))
    return Group(*parts)


def history_data(history: PodHistory) -> dict[str, object]:
    """One pod's history for programs."""
    named = history.named
    return {
        "cluster": named.cluster,
        "namespace": named.namespace,
        "name": named.name,
        "uid": history.uid,
        "until": iso_time(history.until_ns),
        "over": history.over,
        "attempts": history.attempts,
        "stages_s": {str(stage): seconds for stage, seconds in history.stages.items()},
        "total_s": history.total_s,
        "steps": [_step_data(step) for step in history.steps],
    }


def _step_data(step: Step) -> dict[str, object]:
    told = {"time": iso_time(step.time_ns), "text": CREATED}
    own = line_data(step.line) if step.line is not None else told
    timing = {"after_s": step.after_s, "attempt": step.attempt, "stage": str(step.stage)}
    return {**own, **timing}


def _heading(history: PodHistory, number: int, count: int) -> Words:
    named = history.named
    which = f", {number} of {count} of this name" if count > 1 else ""
    tries = f", {history.attempts} attempts" if history.attempts > 1 else ""
    name = say(pod(named.namespace, named.name), " of ", cluster(named.cluster))
    return say(name, quiet(f"  (uid {history.uid}){which}{tries}"))


def _steps(history: PodHistory) -> Table:
    """One row for each step; a rule before each attempt but the first."""
    several = history.attempts > 1
    heads = ("time (UTC)", "after", "place", "where", *(("attempt",) if several else ()), "what")
    table = table_of(*heads, right=("after", "attempt"))
    for column in table.columns[: len(heads) - 1]:
        column.no_wrap = True
    date = not _one_day(history)
    attempt = 0
    for number, step in enumerate(history.steps):
        if step.attempt > max(1, attempt):
            table.add_section()
        attempt = max(attempt, step.attempt)
        after = Text(f"+{shortly(step.after_s)}" if number else "", _slow(step))
        cells = _cells(step, date=date)
        tries = (Text(str(step.attempt or "")),) if several else ()
        table.add_row(cells[0], after, *cells[1:3], *tries, cells[3])
    return table


def _cells(step: Step, *, date: bool) -> tuple[Text, Text, Text, Text]:
    if step.line is not None:
        time, place, concerned, words = columns(step.line, date=date)
        return paint(time), paint(place), paint(concerned), paint(words)
    when = clock_time(step.time_ns, date=date).rpartition(".")[0]
    return paint(say(quiet(when))), Text(""), Text(""), Text(CREATED)


def _slow(step: Step) -> str:
    return "bold yellow" if step.after_s >= 1 else ""


def _stages(history: PodHistory) -> Table:
    """Seconds by stage, as words and as one bar."""
    table = Table.grid(padding=(0, 3, 0, 0))
    cells = [
        Text.assemble((f"{stage} ", _STYLES[stage]), (shortly(seconds), "bold"))
        for stage, seconds in history.stages.items()
    ]
    going = "" if history.over else " so far"
    cells.append(Text(f"in all {shortly(history.total_s)}{going}"))
    table.add_row(Text("   ").join(cells))
    if history.skew_s:
        skew = f"its API server's clock is at least {shortly(history.skew_s)} ahead of the log's"
        table.add_row(paint(say(wait(skew))))
    return table


def shortly(seconds: float) -> str:
    """A duration, also a very short one: ``18ms``, ``1.2s``, ``2m 5s``."""
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else lasting(seconds)


def _one_day(history: PodHistory) -> bool:
    days = {step.time_ns // _DAY_NS for step in history.steps}
    return len(days) <= 1
