"""Overviews and explanations drawn with rich: what ``mcs status`` and ``mcs why`` print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mcs.quantities import CPU, MEMORY
from mcs.views.amounts import amount, amounts, clock_time, lasting
from mcs.views.overview import ClusterRow, Overview, WaitingRow
from mcs.views.painting import paint
from mcs.views.reasoning import ClusterVerdict
from mcs.views.words import Piece, Words, bad, cluster, command, good, pod, quiet, say, wait

_WAITING_MOST: Final = 20
_STUCK_MOST: Final = 20
_STATE_STYLES: Final = {"ok": "green", "cordoned": "yellow", "left": "yellow", "removed": "dim"}


def status_view(view: Overview) -> RenderableType:
    """The whole of ``mcs status``."""
    parts: list[RenderableType] = [_heading(view), _clusters(view.clusters)]
    if view.running:
        parts += [_title("Running"), _running(view)]
    if view.waiting:
        parts += [_title(f"Waiting ({len(view.waiting)})"), _waiting(view.waiting)]
    if view.stuck:
        parts += [_title(f"Stuck ({len(view.stuck)})"), _stuck(view)]
    if view.parked:
        parts += [_title("Parked, that is: not understood, and passed over"), _parked(view)]
    parts.append(_footing(view))
    return Group(*parts)


def token_line(view: Overview) -> Text:
    """What `mcs verify --expect` takes; print it with ``soft_wrap``, it is copied whole."""
    return paint(say(quiet(f"Digest {view.token}")))


def exported_view(folder: str, time_ns: int) -> RenderableType:
    """What stands above the status of an exported log: of when it is."""
    moment = clock_time(time_ns, date=True) if time_ns else "the beginning"
    text = f": as of {moment} UTC, its newest message; ages are counted to then"
    return paint(say("Exported log ", command(folder), text))


def verdict_table(verdicts: Sequence[ClusterVerdict]) -> Table:
    """Each cluster's verdict on one pod."""
    table = table_of("cluster", "score", "verdict", "", right=("score",))
    for row in verdicts:
        score = str(row.score) if row.score else ""
        name = paint(say(cluster(row.cluster)))
        table.add_row(name, score, paint(row.words), paint(_choice(row)))
    return table


def _choice(row: ClusterVerdict) -> Words:
    """Why it is the one, or in spite of its score is not."""
    others = " and ".join(row.tie)
    if row.chosen:
        return say(good(f"← tie with {others}, broken by name" if row.tie else "← most room"))
    return say(quiet(f"as many as {others}: the name decides")) if row.tie else ()


def table_of(*headings: str, right: Sequence[str] = ()) -> Table:
    """An empty table in the house style; headings in ``right`` are of numbers."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bright_black", pad_edge=False)
    for heading in headings:
        number = heading in right
        table.add_column(heading, justify="right" if number else "left", no_wrap=number)
    table.columns[0].no_wrap = True
    return table


def _heading(view: Overview) -> Text:
    row = view.scheduler
    if row.silent_s is None:
        state: Piece = bad("none has ever been active: start one with `mcs scheduler`")
    elif row.active:
        state = good("active")
    else:
        state = bad(f"silent for {lasting(row.silent_s)}: start one with `mcs scheduler`")
    more = f", reign {row.reign}, cycle {row.cycle}, policy {row.policy.score}" if row.reign else ""
    return paint(say("Scheduler ", state, quiet(more)))


def _clusters(rows: Sequence[ClusterRow]) -> RenderableType:
    if not rows:
        return paint(
            say(wait("No cluster has joined yet"), ": start an agent in each, `mcs agent`")
        )
    right = ("nodes", "free cpu", "free memory", "heard")
    table = table_of("cluster", "state", "role", *right, right=right)
    for row in rows:
        words = [Text(word, _STATE_STYLES.get(word, "bold red")) for word in row.states]
        ready = "" if row.ready == row.nodes else f"{row.ready}/"
        table.add_row(
            paint(say(cluster(row.name))),
            Text(", ").join(words),
            "both" if len(row.roles) == 2 else "".join(row.roles),
            f"{ready}{row.nodes}",
            _of(row, CPU),
            _of(row, MEMORY),
            f"{lasting(row.heard_s)} ago",
        )
    return table


def _of(row: ClusterRow, resource: str) -> Text:
    free, total = amount(resource, row.free[resource]), amount(resource, row.total[resource])
    return Text.assemble((free, "magenta"), (f" / {total}", "bright_black"))


def _running(view: Overview) -> Table:
    table = table_of("source", "", "target", "pods", "", right=("pods",))
    for row in view.running:
        phases = ", ".join(f"{count} {phase}" for phase, count in sorted(row.phases.items()))
        table.add_row(
            paint(say(cluster(row.source))),
            "→",
            paint(say(cluster(row.target))),
            str(row.count),
            Text(phases, "bright_black"),
        )
    return table


def _waiting(rows: Sequence[WaitingRow]) -> Table:
    table = table_of("pod", "asks", "why not")
    for row in rows[:_WAITING_MOST]:
        name = paint(say(cluster(row.source), " ", pod(row.namespace, row.name)))
        table.add_row(name, paint(amounts(row.requests)), _reasons(row))
    if len(rows) > _WAITING_MOST:
        table.add_row(Text(f"… and {len(rows) - _WAITING_MOST} more (--json)", "bright_black"))
    return table


def _reasons(row: WaitingRow) -> Text:
    if row.gates:
        return paint(say(wait(f"gated by {', '.join(row.gates)}")))
    lines = [paint(say(cluster(name), f": {row.reasons[name]}")) for name in sorted(row.reasons)]
    return Text("\n").join(lines) if lines else paint(say(wait("about to be looked at")))


def _stuck(view: Overview) -> Table:
    table = table_of("what", "waits for", "a person may end it by")
    table.columns[0].no_wrap = False
    table.columns[2].no_wrap = True
    for row in view.stuck[:_STUCK_MOST]:
        commands = Text("\n").join(paint(say(command(each))) for each in row.commands)
        table.add_row(Text(row.what, "bold"), Text(row.waits_for), commands)
    if len(view.stuck) > _STUCK_MOST:
        table.add_row(Text(f"… and {len(view.stuck) - _STUCK_MOST} more (--json)", "bright_black"))
    return table


def _parked(view: Overview) -> Table:
    table = table_of("count", "what", "last at", right=("count",))
    for kind, entry in view.parked.items():
        stream = "dec" if entry.subject.startswith("mcs.dec.") else "obs"
        last = say(f"{stream} {entry.sequence}", quiet(f"  {entry.subject}"))
        table.add_row(str(entry.count), Text(kind, "yellow"), paint(last))
    return table


def _footing(view: Overview) -> Text:
    old = f", {lasting(view.behind_s)} old" if view.behind_s > 5 else ""
    place = f"decision {view.decision}, observation {view.observation}{old}"
    return paint(say(quiet(f"State {view.digest[:16]}… at {place}")))


def _title(text: str) -> Text:
    return Text(text, "bold")
