"""What ``mcs why`` and ``mcs history`` do: one pod's story, read from the log."""

from __future__ import annotations

import difflib
import os
import sys
from contextlib import aclosing
from typing import NoReturn

import click
import msgspec

from mcs import app
from mcs.commands.options import Unknown
from mcs.commands.progress import Shown
from mcs.commands.reading import PATIENCE_S, Output, fold_shown, moment_of, pod_key
from mcs.events.frames import DecisionFrame
from mcs.names import PodKey
from mcs.ports import EventLog
from mcs.projections.state import State
from mcs.services.moments import Moment, asked_moment
from mcs.services.reading import Witness, chronicle
from mcs.views.evidence import Evidence, facts_of
from mcs.views.explaining import Explanation, Story, story_of
from mcs.views.histories import history_of
from mcs.views.lines import Line, Teller
from mcs.views.stories import story_view
from mcs.views.timetables import history_data, history_view
from mcs.views.told import Behind, why_data

_SUGGESTED = 10
_TOLD_EVERY = 1000  # messages
_WIDTH = 160  # columns of what is written to a file or a pipe


class Read(msgspec.Struct):
    """What was read of the log up to a moment: names, the lines about pods, and evidence."""

    teller: Teller
    lines: list[Line]
    evidence: Evidence


async def why(
    source: app.LogSource, pod: str, cluster: str, *, at: str = "", as_json: bool = False
) -> None:
    """Tell a pod's story and each cluster's verdict, at a moment."""
    key = pod_key(pod)
    asked_moment(at, 0.0)  # wrong words are told before anything is connected
    async with app.open_log(source, name="mcs why") as log:
        moment = await moment_of(source, log, at)
        read = await _read(log, moment, key)
        stories = [
            Story.of(uid, read.teller.names.proxies[uid], read.lines)
            for uid in _uids(read, key, cluster, at)
        ]

        def look(state: State, frame: DecisionFrame) -> None:
            for each in stories:
                each.look(state, frame)

        state = Witness(look)
        await fold_shown(log, state, moment.ends)
        told = [
            story_of(each, state, moment.time_ns, read.evidence, past=bool(at)) for each in stories
        ]
        behind = await _behind(log, read, told)
    if as_json:
        click.echo(msgspec.json.encode([why_data(each, behind) for each in told]))
        return
    console = _output()
    for each in told:
        console.print(story_view(each, behind))


async def history(
    source: app.LogSource, pod: str, cluster: str, *, at: str = "", as_json: bool = False
) -> None:
    """Tell everything that happened to the pods of a name, up to a moment."""
    key = pod_key(pod)
    asked_moment(at, 0.0)
    async with app.open_log(source, name="mcs history") as log:
        moment = await moment_of(source, log, at)
        read = await _read(log, moment, key)
    told = [
        history_of(uid, read.teller.names.proxies[uid], read.lines, moment.time_ns)
        for uid in _uids(read, key, cluster, at)
    ]
    if as_json:
        click.echo(msgspec.json.encode([history_data(each) for each in told]))
    else:
        _output().print(history_view(told))


def _output() -> Output:
    """Where stories are printed: wide, where no terminal sets a limit."""
    narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Output(highlight=False, width=None if narrow else _WIDTH)


async def _read(log: EventLog, moment: Moment, key: PodKey) -> Read:
    """Read both logs to a moment; lines of other pods are not kept."""
    read, done = Read(Teller(), [], Evidence()), 0
    named = (key.namespace, key.name)
    with Shown("messages", patience_s=PATIENCE_S) as shown:
        async with aclosing(chronicle(log, moment.ends)) as messages:
            async for stored in messages:
                for line in read.teller.lines(stored):
                    read.evidence.note(line)
                    if line.uid and (line.proxy is None or line.proxy[1:] == named):
                        read.lines.append(line)
                done += 1
                if done % _TOLD_EVERY == 0:
                    shown.show("reading", done, moment.ends.total)
    return read


async def _behind(log: EventLog, read: Read, told: list[Explanation]) -> Behind:
    """The events that the verdicts rest on, read once more."""
    wanted = {
        (fact, moment.position): place
        for story in told
        for moment in (story.moment, story.now)
        if moment is not None
        for row in moment.verdicts
        for fact in row.grounds.facts
        if (place := read.evidence.behind(fact, moment.position)) is not None
    }
    found = {}
    for (fact, position), place in wanted.items():
        stored = await log.get(place.stream, place.sequence)
        for line in read.teller.lines(stored) if stored is not None else ():
            if fact in facts_of(line):
                found[fact, position] = line
    return found


def _uids(read: Read, key: PodKey, cluster: str, at: str) -> list[str]:
    """The pods of that name, oldest first."""
    uids = [
        uid
        for uid, named in read.teller.names.proxies.items()
        if (named.namespace, named.name) == (key.namespace, key.name)
        and cluster in {"", named.cluster}
    ]
    if not uids:
        _unknown(key, cluster, at, read.teller)
    return uids


def _unknown(key: PodKey, cluster: str, at: str, teller: Teller) -> NoReturn:
    named = teller.names.proxies.values()
    known = sorted({f"{each.namespace}/{each.name}" for each in named})
    where = f" from cluster {cluster}" if cluster else ""
    where += f" up to {at}" if at else ""
    near = difflib.get_close_matches(str(key), known, n=_SUGGESTED) or known[:_SUGGESTED]
    if not near:
        raise Unknown(f"the log knows no pod {key}{where}; no elected pod was ever seen")
    raise Unknown(f"the log knows no pod {key}{where}; it knows {', '.join(near)}")
