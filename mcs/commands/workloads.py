"""What ``mcs simulate --workload`` does and prints: a workload played as a federation and as
separate clusters, side by side.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from mcs.events.decisions import Policy, Verdict
from mcs.simulation.workload.alibaba import read
from mcs.simulation.workload.compacting import Compaction, compact
from mcs.simulation.workload.measuring import Level, Measures, measure
from mcs.simulation.workload.playing import Played, play, quiet_policy
from mcs.simulation.workload.synthetic import KINDS, Size, generate
from mcs.simulation.workload.traces import Workload
from mcs.views.amounts import lasting
from mcs.views.decided import reasons_words
from mcs.views.painting import paint
from mcs.views.tables import table_of
from mcs.views.words import Words, bad, good, plain, quiet, say

_BARS: Final = "▁▂▃▄▅▆▇█"
_SEPARATE: Final = "separate"
_FEDERATION: Final = "federation"
_REASONS_MOST: Final = 5
_WIDTH: Final = 120  # of a file or a pipe


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The command's options."""

    names: tuple[str, ...]
    seed: int
    policies: tuple[str, ...]  # none: the default
    separate: bool
    clusters: int
    nodes: int | None
    pods: int | None
    load: float
    trials: int
    as_json: bool


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One play and its figures. ``clusters``: separate, or a federation."""

    clusters: str
    policy: str
    measures: Measures


class Compacted(msgspec.Struct, frozen=True, kw_only=True):
    """How few nodes would do under a policy."""

    policy: str
    compaction: Compaction


def compare(asked: Asked) -> None:
    """Play it in every way that is asked for, and print the figures.

    Raises:
        BadSettings: no such workload or policy, or a file that is not of the format.
    """
    policies = asked.policies or (Policy().score,)
    for policy in policies:
        quiet_policy(policy)  # a wrong one is said now, not after the first ones were played
    workload = _workload(asked)
    rows, compacted, waiting = [], [], []
    with _progress() as progress:
        for clusters, policy in _plays(policies, separate=asked.separate):
            with _counted(progress, f"{clusters}, {policy}", len(workload.pods)) as task:
                played = play(
                    workload,
                    policy,
                    separate=clusters == _SEPARATE,
                    progress=partial(progress.advance, task),
                )
            rows.append(Row(clusters=clusters, policy=policy, measures=measure(played)))
            waiting.append(_reasons(played))
        for policy in policies if asked.trials else ():
            with _counted(progress, f"fewer nodes, {policy}", None) as task:
                compaction = compact(
                    workload,
                    policy,
                    seed=asked.seed,
                    trials=asked.trials,
                    probed=partial(progress.advance, task),
                )
            compacted.append(Compacted(policy=policy, compaction=compaction))
    if asked.as_json:
        click.echo(_json(workload, rows, compacted))
    else:
        _print(workload, rows, compacted, waiting)


def _plays(policies: Sequence[str], *, separate: bool) -> list[tuple[str, str]]:
    federated = [(_FEDERATION, policy) for policy in policies]
    return [(_SEPARATE, policies[0]), *federated] if separate else federated


def _workload(asked: Asked) -> Workload:
    generated = [name for name in asked.names if name in KINDS]
    if generated and len(asked.names) > 1:
        raise click.UsageError(f"--workload {generated[0]} stands alone; files are given together")
    if generated:
        sizes = {"nodes": asked.nodes, "pods": asked.pods}
        given = {name: value for name, value in sizes.items() if value is not None}
        made = generate(generated[0], Size(clusters=asked.clusters, **given), asked.seed)
        return made.faster(asked.load)
    paths = [Path(name) for name in asked.names]
    for path in paths:
        if not path.exists():
            raise click.UsageError(
                f"--workload {path}: neither a file nor one of {', '.join(KINDS)}"
            )
    if asked.nodes is not None:
        raise click.UsageError("--nodes: the files say which nodes there are")
    found = read(paths, clusters=asked.clusters, seed=asked.seed, most=asked.pods)
    return found.faster(asked.load)


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress


@contextmanager
def _counted(progress: Progress, told: str, total: int | None) -> Iterator[TaskID]:
    task = progress.add_task(told, total=total)
    yield task
    progress.remove_task(task)


def _json(workload: Workload, rows: list[Row], compacted: list[Compacted]) -> str:
    whole = {
        "workload": {
            "name": workload.name,
            "clusters": {cluster.name: len(cluster.nodes) for cluster in workload.clusters},
            "pods": len(workload.pods),
            "notes": workload.notes,
        },
        "plays": rows,
        "compactions": compacted,
    }
    return msgspec.json.encode(whole).decode()


def _print(
    workload: Workload,
    rows: list[Row],
    compacted: list[Compacted],
    waiting: list[Counter[str]],
) -> None:
    console = Console(
        highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH
    )
    asked = (f"{workload.asked(name):.0%} of {_short(name)}" for name in workload.resources)
    console.print(
        f"[bold]{workload.name}[/]: {_count(len(workload.pods), 'pod')} in "
        f"{lasting(workload.lasts_s)}, for {_count(len(workload.clusters), 'cluster')} with "
        f"{_count(workload.nodes, 'node')}; they ask on average for {', '.join(asked)}"
    )
    for note in workload.notes:
        console.print(paint(say(quiet(note))))
    console.print("\n[bold]Waits[/], from arrival to place")
    console.print(_waits(rows))
    for row, reasons in zip(rows, waiting, strict=True):
        for words in _never(row, reasons):
            console.print(paint(words))
    console.print("\n[bold]Capacity[/], while there were pods to place")
    console.print(_capacity(rows))
    if compacted:
        console.print("\n[bold]Nodes[/] that would do at the busiest moments, without any wait")
        console.print(_compactions(compacted))
        for each in compacted:
            console.print(paint(_conclusion(each)))


def _waits(rows: list[Row]) -> Table:
    right = ("at once", "mean", "p50", "p90", "p99", "longest", "elsewhere", "all done", "never")
    table = table_of("clusters", "policy", *right, right=right)
    for row in rows:
        figures = row.measures
        waits = figures.waits
        times = (waits.mean_s, waits.p50_s, waits.p90_s, waits.p99_s, waits.longest_s)
        table.add_row(
            row.clusters,
            row.policy,
            f"{waits.at_once:.1%}",
            *(lasting(time) if time else "0" for time in times),
            f"{figures.elsewhere / max(1, figures.ran):.0%}",
            lasting(figures.lasted_s),
            str(figures.never),
        )
    return table


def _never(row: Row, reasons: Counter[str]) -> list[Words]:
    """Who would wait for ever, and why."""
    told = [
        say(
            bad(f"{_count(count, 'pod')} would never run"),
            f" ({row.clusters}, {row.policy}): {reason}",
        )
        for reason, count in reasons.most_common(_REASONS_MOST)
    ]
    rest = sum(reasons.values()) - sum(count for _, count in reasons.most_common(_REASONS_MOST))
    return [*told, say(quiet(f"and {rest} more"))] if rest else told


def _reasons(played: Played) -> Counter[str]:
    def told(reasons: dict[str, Verdict]) -> str:
        return plain(reasons_words(reasons))

    return Counter(told(reasons) for _, reasons in played.waiting)


def _capacity(rows: list[Row]) -> Table:
    right = ("used", "fragmented", "free", "peak")
    table = table_of("clusters", "policy", "resource", *right, "used, over time", right=right)
    for row in rows:
        for number, (name, level) in enumerate(row.measures.levels.items()):
            named = ("", "") if number else (row.clusters, row.policy)
            table.add_row(*named, _short(name), *_shares(level), _bars(level))
    return table


def _short(resource: str) -> str:
    return resource.rpartition("/")[2]


def _shares(level: Level) -> tuple[str, ...]:
    free = 1 - level.used - level.fragmented
    return tuple(f"{each:.1%}" for each in (level.used, level.fragmented, free, level.peak))


def _bars(level: Level) -> str:
    most = len(_BARS) - 1
    return "".join(_BARS[min(most, int(share * len(_BARS)))] for share in level.timeline)


def _compactions(compacted: list[Compacted]) -> Table:
    right = ("there are", "separate", "federation", "saved", "whole clusters")
    table = table_of("policy", *right, right=right)
    for each in compacted:
        found = each.compaction
        table.add_row(
            each.policy,
            str(found.nodes),
            str(found.separate),
            str(found.federation),
            str(found.separate - found.federation),
            f"{found.clusters_needed} of {found.clusters}",
        )
    return table


def _conclusion(compacted: Compacted) -> Words:
    found = compacted.compaction
    saved = found.separate - found.federation
    told = say(
        f"{compacted.policy}: a federation does with {_count(found.federation, 'node')} what "
        f"separate clusters need {found.separate} for: ",
        good(f"{_count(saved, 'node')} saved, as many as {found.clusters_saved:.1f} clusters have")
        if saved > 0
        else bad("nothing is saved"),
    )
    if found.left_out:
        told = say(
            told, quiet(f" (left out: {_count(found.left_out, 'pod')} that no node at home takes)")
        )
    return told


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
