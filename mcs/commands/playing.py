"""What ``mcs replay --follow`` does: plays the log in a live view, or as lines."""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import aclosing
from typing import Self

import click
import msgspec

from mcs import app
from mcs.adapters.clock import SystemClock
from mcs.commands.progress import Shown
from mcs.commands.reading import PATIENCE_S, Output, moment_of
from mcs.errors import BadSettings
from mcs.ports import EventLog
from mcs.services.moments import Moment, asked_moment
from mcs.services.reading import Ends
from mcs.services.replaying import Beat, Pace, Player
from mcs.views.amounts import clock_time, lasting
from mcs.views.lines import sentence
from mcs.views.living import LiveView
from mcs.views.painting import paint
from mcs.views.scenes import Scene, pairs_of, places_of
from mcs.views.words import Words, quiet, say, verb

_TAIL = 60


class Playing(msgspec.Struct, frozen=True, kw_only=True):
    """What to play, and how. ``since``, ``at``: moments, empty for the log's ends."""

    speed: float = 10.0
    since: str = ""
    at: str = ""
    plain: bool = False


async def play(source: app.LogSource, playing: Playing) -> None:
    """Play the log between two moments."""
    asked_moment(playing.at, 0.0)
    asked_moment(playing.since, 0.0)
    async with app.open_log(source, name="mcs replay") as log:
        end = await moment_of(source, log, playing.at)
        start = await moment_of(source, log, playing.since) if playing.since else None
        if start is not None and start.time_ns > end.time_ns:
            raise BadSettings("--since is later than --at: there is nothing to play between them")
        player = _player(log, playing, start, end)
        with Shown("messages", patience_s=PATIENCE_S) as shown:
            await player.wind(lambda done, whole: shown.show("winding", done, whole))
        output = Output(highlight=False)
        live = output.is_terminal and not playing.plain
        screen = _Live(output, player, playing, end) if live else _Lines(output)
        begun_s, counted = time.monotonic(), 0
        async with screen, aclosing(player.play()) as beats:
            async for beat in beats:
                counted += len(beat.lines)
                screen.take(beat)
        took_s = time.monotonic() - begun_s
    state = player.state
    click.echo(
        f"Played {counted} events in {lasting(took_s)}, to decision {state.decided.sequence}, "
        f"observation {state.observed.sequence}.",
        err=not live,
    )


def _player(log: EventLog, playing: Playing, start: Moment | None, end: Moment) -> Player:
    pace = Pace(speed=playing.speed, since_ns=start.time_ns if start is not None else 0)
    begin = start.ends if start is not None else Ends(0, 0)
    return Player(log, SystemClock(), pace, start=begin, ends=end.ends)


class _Lines:
    """What happens, line by line, at its time."""

    def __init__(self, output: Output) -> None:
        self._output = output

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def take(self, beat: Beat) -> None:
        """Print what is news."""
        for words in _news(beat):
            self._output.print(paint(words), soft_wrap=True)
            sys.stdout.flush()


class _Live(LiveView):
    """Clusters filling, proxies beside delegates, and the tail of events."""

    def __init__(self, output: Output, player: Player, playing: Playing, end: Moment) -> None:
        super().__init__(output, self._scene)
        self._player, self._playing, self._end = player, playing, end
        self._tail: deque[Words] = deque(maxlen=_TAIL)
        self._events = 0

    def take(self, beat: Beat) -> None:
        """Remember what is news for the next picture."""
        self._events += len(beat.lines)
        self._tail.extend(_news(beat))

    def _scene(self) -> Scene:
        state, now_ns = self._player.state, self._player.now_ns
        ends = self._end.ends
        decision = f"decision {state.decided.sequence} of {ends.decisions}"
        observation = f"observation {state.observed.sequence} of {ends.observations}"
        speed = f"{self._playing.speed:g} times as fast"
        left = lasting(max(0, self._end.time_ns - now_ns) / 1e9)
        return Scene(
            title=say(verb(f"{clock_time(now_ns, date=True)} UTC"), f"   {speed}"),
            heading=say(quiet(f"{decision}, {observation}; {left} of history left")),
            places=places_of(state),
            pairs=pairs_of(state),
            tail=tuple(self._tail),
            tail_title=f"events: {self._events}",
        )


def _news(beat: Beat) -> list[Words]:
    """The lines that people want to see, and the silence before them."""
    silence = f"          … {lasting(beat.shortened_s)} without news, shortened"
    before = [say(quiet(silence))] if beat.shortened_s else []
    return before + [sentence(line) for line in beat.lines if not line.quiet]
