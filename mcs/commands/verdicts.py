"""What ``mcs verify`` does: walk, look up what led to a difference, print."""

from __future__ import annotations

import time
from collections import deque
from contextlib import aclosing
from typing import Final

import click
import msgspec

from mcs import app
from mcs.commands.progress import Shown
from mcs.commands.reading import Output
from mcs.errors import BadFrame, LogLost
from mcs.events import codec
from mcs.events.seals import Seal
from mcs.names import Keys
from mcs.ports import EventLog, Stream
from mcs.services.findings import Difference, Findings, Held
from mcs.services.reading import Ends, chronicle
from mcs.services.verifying import earliest, verify
from mcs.views.lines import Line, Teller
from mcs.views.verdicts import EXIT_CODES, report, verdict_of, verdict_view

_LED_MOST: Final = 20  # observations shown before a difference
_DECISIONS_MOST: Final = 5  # about the same pods, or the last ones


async def verified(source: app.LogSource, *, domain: str, expect: str, as_json: bool) -> int:
    """Verify a log and print what was found; the exit code.

    Raises:
        BadSettings: ``expect`` is no digest.
        LogLost, Unavailable: the log cannot be read.
    """
    expected, began = Seal.parse(expect) if expect else None, time.monotonic()
    async with app.open_log(source, name="mcs verify") as log:
        start = await earliest(app.snapshots_beside(source, log), log)
        known = expected or app.seal_beside(log)
        with Shown("messages") as shown:

            def told(done: int, total: int, _: Findings) -> None:
                shown.show("verifying", done, total)

            found = await verify(
                log, Keys(domain), now_s=time.time(), expected=known, start=start, told=told
            )
        if expected is None and found.held is Held.AGREES:
            found.held = Held.MANIFEST
        seconds = time.monotonic() - began
        led = [await leading(log, each) for each in found.differences]
    exported = bool(source.folder)
    if as_json:
        click.echo(msgspec.json.encode(report(found, led, seconds=seconds, exported=exported)))
    else:
        Output(highlight=False).print(verdict_view(found, led, seconds=seconds, exported=exported))
    return EXIT_CODES[verdict_of(found)]


async def leading(log: EventLog, difference: Difference) -> list[Line]:
    """The lines that led to a difference: what was observed since the cycle before it, and the last
    decisions about the same pods.
    """
    here = await Ends.of(log)
    until = max(difference.until, difference.since)
    if difference.stream is Stream.OBSERVATIONS:
        until = max(until, difference.sequence)
    before = difference.sequence - 1 if difference.stream is Stream.DECISIONS else here.decisions
    ends = Ends(min(here.decisions, before), min(here.observations, until))
    teller, uids = Teller(), _uids(difference)
    observed: deque[Line] = deque(maxlen=_LED_MOST)
    decided: deque[Line] = deque(maxlen=_DECISIONS_MOST)
    messages = chronicle(log, ends)
    try:
        async with aclosing(messages):
            async for stored in messages:
                for line in teller.lines(stored):
                    if line.stream == "observation":
                        if difference.since < line.sequence <= until:
                            observed.append(line)
                    elif line.uid in uids or not (uids or line.quiet):
                        decided.append(line)
    except LogLost:
        pass  # a hole is a difference of its own; what was read so far is told
    return sorted([*observed, *decided], key=lambda line: (line.time_ns, line.stream == "decision"))


def _uids(difference: Difference) -> set[str]:
    """The pods that either version speaks of."""
    found: set[str] = set()
    for data in (difference.expected, difference.found):
        if data is None or difference.stream is not Stream.DECISIONS:
            continue
        try:
            frame, _ = codec.decode_decision(difference.subject, data)
        except BadFrame:
            continue
        found |= {uid for event in frame.events if (uid := getattr(event, "uid", ""))}
    return found
