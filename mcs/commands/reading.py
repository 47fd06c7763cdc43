"""What ``mcs status``, ``mcs log`` and ``mcs why`` do: read, fold, print."""

from __future__ import annotations

import difflib
import sys
import time
from contextlib import aclosing
from typing import NoReturn

import click
import msgspec
from rich.console import Console

from mcs import app
from mcs.commands.options import Unknown
from mcs.errors import BadName, BadSettings
from mcs.events.frames import DecisionFrame
from mcs.names import PodKey
from mcs.ports import Stream
from mcs.projections.state import State
from mcs.services.reading import Ends, Witness, chronicle, fold, newest_ns, stored_at
from mcs.views.amounts import since_ns
from mcs.views.explaining import Story, story_of
from mcs.views.lines import Line, Teller, as_json, sentence
from mcs.views.overview import overview
from mcs.views.painting import paint
from mcs.views.stories import story_view
from mcs.views.tables import status_view, token_line

_SUGGESTED = 10
_DAY_NS = 86_400_000_000_000


class _Console(Console):
    """A console whose reader may go away (`mcs log | head`) without that being an error."""

    def on_broken_pipe(self) -> None:
        """Leave it to ``main``."""
        raise BrokenPipeError


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which events ``mcs log`` shows, and how."""

    follow: bool = False
    cluster: str = ""
    pod: PodKey | None = None
    since_ns: int = 0
    everything: bool = False
    as_json: bool = False

    @classmethod
    def of(cls, *, pod: str, since: str, **rest: object) -> Selection:
        """From what was typed. Raises BadName, BadSettings."""
        return msgspec.convert(
            {
                "pod": pod_key(pod) if pod else None,
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


async def status(source: app.LogSource, *, as_json: bool) -> None:
    """Fold the log, show the state."""
    async with app.open_log(source, name="mcs status") as log:
        ends = await Ends.of(log)
        state = Witness()
        await fold(log, state, ends)
        decided_ns = await stored_at(log, Stream.DECISIONS, state.decided.sequence)
        now_s = await newest_ns(log, ends) / 1e9 if source.folder else time.time()
    view = overview(state, now_s=now_s, decided_ns=decided_ns)
    if as_json:
        click.echo(msgspec.json.encode(view))
    else:
        console = _Console()
        console.print(status_view(view))
        console.print(token_line(view), soft_wrap=True)


async def log(source: app.LogSource, selection: Selection) -> None:
    """Tell the events."""
    if source.folder and selection.follow:
        raise BadSettings(
            f"--follow goes on with a live log; {source.folder} is an exported one, to which "
            "nothing comes: leave out one of --follow and --log"
        )
    console = _Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    teller, hidden = Teller(), 0
    async with app.open_log(source, name="mcs log") as connection:
        ends = await Ends.of(connection)
        messages = chronicle(connection, ends, since_ns=selection.since_ns, follow=selection.follow)
        async with aclosing(messages):
            async for stored in messages:
                for line in teller.lines(stored):
                    if not selection.shows(line):
                        continue
                    if line.quiet and not (selection.everything or selection.as_json):
                        hidden += 1
                        continue
                    _print(console, line, selection)
    if hidden and sys.stdout.isatty():
        click.secho(f"({hidden} heartbeats, ticks and the like: --all)", dim=True, err=True)


async def why(source: app.LogSource, pod: str, cluster: str) -> None:
    """Tell a pod's story and each cluster's verdict."""
    key = pod_key(pod)
    teller, lines = Teller(), []
    async with app.open_log(source, name="mcs why") as log:
        ends = await Ends.of(log)
        messages = chronicle(log, ends)
        async with aclosing(messages):
            async for stored in messages:
                lines += [line for line in teller.lines(stored) if line.uid]
        uids = [
            uid
            for uid, named in teller.names.proxies.items()
            if (named.namespace, named.name) == (key.namespace, key.name)
            and cluster in {"", named.cluster}
        ]
        if not uids:
            _unknown(key, cluster, teller)
        stories = [Story.of(uid, teller.names.proxies[uid], lines) for uid in uids]

        def look(state: State, frame: DecisionFrame) -> None:
            for each in stories:
                each.look(state, frame)

        state = Witness(look)
        await fold(log, state, ends)
    console = _Console(highlight=False)
    for each in stories:
        console.print(story_view(story_of(each, state)))


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


def _unknown(key: PodKey, cluster: str, teller: Teller) -> NoReturn:
    named = teller.names.proxies.values()
    known = sorted({f"{each.namespace}/{each.name}" for each in named})
    where = f" from cluster {cluster}" if cluster else ""
    near = difflib.get_close_matches(str(key), known, n=_SUGGESTED) or known[:_SUGGESTED]
    if not near:
        raise Unknown(f"the log knows no pod {key}{where}; no elected pod was ever seen")
    raise Unknown(f"the log knows no pod {key}{where}; it knows {', '.join(near)}")
