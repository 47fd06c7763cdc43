"""What ``mcs status``, ``mcs replay`` and ``mcs log`` do: read, fold, print."""

from __future__ import annotations

import sys
import time
from contextlib import aclosing

import click
import msgspec
from rich.console import Console

from mcs import app
from mcs.commands.progress import Shown
from mcs.errors import BadName, BadSettings
from mcs.names import PodKey
from mcs.ports import EventLog
from mcs.projections.state import State
from mcs.services.moments import Moment, asked_moment, find
from mcs.services.reading import Ends, Witness, chronicle, fold, newest_ns
from mcs.views.amounts import clock_time, since_ns
from mcs.views.lines import Line, Teller, as_json, sentence
from mcs.views.overview import overview
from mcs.views.painting import paint
from mcs.views.tables import exported_view, status_view, token_line
from mcs.views.words import say

PATIENCE_S = 1.0
"""A fold that is over so soon shows no progress."""
_DAY_NS = 86_400_000_000_000


class Output(Console):
    """A console whose reader may go away (`mcs log | head`) without that being an error."""

    def on_broken_pipe(self) -> None:
        """Leave it to ``main``."""
        raise BrokenPipeError


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which events ``mcs log`` shows, and how."""

    follow: bool = False
    cluster: str = ""
    pod: PodKey | None = None
    since: str = ""
    since_ns: int = 0
    everything: bool = False
    as_json: bool = False

    @classmethod
    def of(cls, *, pod: str, since: str, **rest: object) -> Selection:
        """From what was typed. Raises BadName, BadSettings."""
        return msgspec.convert(
            {
                "pod": pod_key(pod) if pod else None,
                "since": since,
                "since_ns": since_ns(since, time.time()) if since else 0,
                **rest,
            },
            cls,
        )

    def shows(self, line: Line) -> bool:
        """Whether a line is asked for, quiet or not."""
        if line.time_ns < self.since_ns:
            return False
        if self.cluster and self.cluster not in line.clusters:
            return False
        if self.pod is None:
            return True
        named = line.proxy
        return named is not None and (named.namespace, named.name) == (
            self.pod.namespace,
            self.pod.name,
        )


async def status(source: app.LogSource, *, as_json: bool, at: str = "") -> None:
    """Fold the log to a moment (or its end), show the state as it was then."""
    asked_moment(at, 0.0)  # wrong words are told before anything is connected
    async with app.open_log(source, name="mcs status") as log:
        moment = await moment_of(source, log, at)
        state = Witness()
        await fold_shown(log, state, moment.ends)
    view = overview(state, now_s=moment.time_ns / 1e9, decided_ns=moment.decided_ns)
    if as_json:
        click.echo(msgspec.json.encode(view))
        return
    console = Output()
    if at:
        console.print(paint(say("As it was at ", f"{clock_time(moment.time_ns, date=True)} UTC")))
    elif source.folder:
        console.print(exported_view(source.folder, moment.time_ns))
    console.print(status_view(view))
    console.print(token_line(view), soft_wrap=True)


async def moment_of(source: app.LogSource, log: EventLog, at: str) -> Moment:
    """The moment that ``--at`` names; without it now, which for an exported log is its end.

    Raises:
        BadSettings, NoSuchMoment, LogLost, Unavailable.
    """
    ends = await Ends.of(log)
    now_s = await newest_ns(log, ends) / 1e9 if source.folder else time.time()
    return await find(log, asked_moment(at, now_s), ends, now_s)


async def fold_shown(log: EventLog, state: State, ends: Ends) -> None:
    """``fold``; where it takes long, its progress is on standard error."""
    with Shown("messages", patience_s=PATIENCE_S) as shown:
        await fold(log, state, ends, told=lambda done, whole: shown.show("folding", done, whole))


async def log(source: app.LogSource, selection: Selection) -> None:
    """Tell the events."""
    if source.folder and selection.follow:
        raise BadSettings(
            f"--follow goes on with a live log; {source.folder} is an exported one, to which "
            "nothing comes: leave out one of --follow and --log"
        )
    console = Output(highlight=False, soft_wrap=not sys.stdout.isatty())
    teller, shown, hidden = Teller(), 0, 0
    async with app.open_log(source, name="mcs log") as connection:
        ends = await Ends.of(connection)
        if source.folder and selection.since:
            end_s = await newest_ns(connection, ends) / 1e9
            since = since_ns(selection.since, end_s)
            selection = msgspec.structs.replace(selection, since_ns=since)
        messages = chronicle(connection, ends, since_ns=selection.since_ns, follow=selection.follow)
        async with aclosing(messages):
            async for stored in messages:
                for line in teller.lines(stored):
                    if not selection.shows(line):
                        continue
                    if line.quiet and not (selection.everything or selection.as_json):
                        hidden += 1
                        continue
                    shown += 1
                    _print(console, line, selection)
    if not shown and not hidden:
        click.secho("(nothing of that in the log)", dim=True, err=True)
    if hidden and sys.stdout.isatty():
        click.secho(f"({hidden} heartbeats, ticks and the like: --all)", dim=True, err=True)


def pod_key(text: str) -> PodKey:
    """``NS/NAME``. Raises BadName."""
    namespace, slash, name = text.partition("/")
    if not slash or not namespace or not name or "/" in name:
        raise BadName(f"{text!r} is no pod: write NAMESPACE/NAME, such as default/step-3")
    return PodKey(namespace, name)


def _print(console: Console, line: Line, selection: Selection) -> None:
    if selection.as_json:
        click.echo(as_json(line))
    else:
        old = time.time_ns() - line.time_ns > _DAY_NS
        console.print(paint(sentence(line, date=old)), soft_wrap=True)
