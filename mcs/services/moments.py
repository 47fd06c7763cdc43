"""A moment in history: what ``--at`` names, and where it lies in both logs.

A state exists at every place in the order of history, so a moment is a pair of sequences:

    a time     all that the logs held then: cycles that were whole, and all observations
    dec:45     just after decision 45's cycle, with the observations that it was based on
    cycle:45   the same, by the cycle's number
    obs:678    just after observation 678 was folded: after every cycle that was based on less

Sequences are found by halving, since times, cycles and ``based_on`` only grow; so a moment in a log
of a million messages costs some forty reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import msgspec

from mcs.errors import BadFrame, BadSettings, LogLost, NoSuchMoment
from mcs.events import codec
from mcs.events.frames import DecisionFrame
from mcs.ports import EventLog, Stored, Stream
from mcs.services.reading import Ends, stored_at
from mcs.views.amounts import clock_time, since_ns

_NUMBERED: Final = re.compile(r"(dec|cycle|obs)[: ]\s*(\d+)\Z")


class By(StrEnum):
    """How a moment is named."""

    TIME = "time"
    DECISION = "dec"
    CYCLE = "cycle"
    OBSERVATION = "obs"


class Asked(msgspec.Struct, frozen=True):
    """What was asked for; ``number`` is Unix nanoseconds, or a sequence, or a cycle."""

    by: By
    number: int


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the order of history. ``time_ns``: what ages are counted to (Unix, nanoseconds);
    ``decided_ns``: when the last decision before it was stored, 0 if there is none.
    """

    ends: Ends
    time_ns: int
    decided_ns: int


def asked_moment(text: str, now_s: float) -> Asked | None:
    """What ``--at`` says; None (it is empty) means now.

    Raises:
        BadSettings: it names no moment.
    """
    if not text.strip():
        return None
    if found := _NUMBERED.match(text.strip()):
        return Asked(By(found[1]), int(found[2]))
    try:
        return Asked(By.TIME, since_ns(text, now_s))
    except BadSettings as error:
        raise BadSettings(f"{error}, or a place: dec:45, cycle:45 or obs:678") from None


async def find(log: EventLog, asked: Asked | None, ends: Ends, now_s: float) -> Moment:
    """Where a moment lies; ``ends`` are the ends of the logs as they were just now.

    Raises:
        NoSuchMoment: before the log's head, in the future, or beyond its end.
        LogLost: a decision on the way cannot be read.
        Unavailable: the log cannot be read.
    """
    if asked is None:
        return await _moment(log, ends, int(now_s * 1e9))
    match asked.by:
        case By.TIME:
            return await _at_time(log, asked.number, ends, now_s)
        case By.DECISION:
            return await _at_decision(log, asked.number, ends)
        case By.CYCLE:
            return await _at_cycle(log, asked.number, ends)
        case By.OBSERVATION:
            return await _at_observation(log, asked.number, ends)


async def _at_time(log: EventLog, time_ns: int, ends: Ends, now_s: float) -> Moment:
    newest = max([await stored_at(log, stream, ends.last(stream)) for stream in Stream])
    if time_ns > max(newest, int(now_s * 1e9)):
        when = clock_time(time_ns, date=True)
        raise NoSuchMoment(f"{when} UTC is in the future: the log ends at {_told(newest)}")
    decision = await _last(log, Stream.DECISIONS, ends, lambda stored: stored.time_ns <= time_ns)
    observed = await _last(log, Stream.OBSERVATIONS, ends, lambda stored: stored.time_ns <= time_ns)
    if decision and (frame := await _frame(log, decision)).index + 1 < frame.count:
        decision -= frame.index + 1  # the rest of its cycle was stored later: not landed yet
    if decision:
        # The clocks of two streams' servers may differ by some milliseconds.
        observed = max(observed, (await _frame(log, decision)).based_on)
    if not decision and not observed:
        oldest = [await stored_at(log, stream, (await log.info(stream)).first) for stream in Stream]
        begins = _told(min((each for each in oldest if each), default=0))
        raise NoSuchMoment(
            f"{clock_time(time_ns, date=True)} UTC is before the log's head, which is of {begins}"
        )
    return await _moment(log, Ends(decision, observed), time_ns)


async def _at_decision(log: EventLog, number: int, ends: Ends) -> Moment:
    await _check(log, Stream.DECISIONS, number, ends, "decision")
    frame = await _frame(log, number)
    last = min(number + frame.count - 1 - frame.index, ends.decisions)
    return await _moment(log, Ends(last, frame.based_on))


async def _at_cycle(log: EventLog, number: int, ends: Ends) -> Moment:
    last = await _last(log, Stream.DECISIONS, ends, lambda s: _decoded(s).cycle <= number)
    if last:
        frame = await _frame(log, last)
        if frame.cycle == number:
            return await _moment(log, Ends(last, frame.based_on))
    newest = (await _frame(log, ends.decisions)).cycle if ends.decisions else 0
    raise NoSuchMoment(f"there is no cycle {number}: the log's last one is {newest}")


async def _at_observation(log: EventLog, number: int, ends: Ends) -> Moment:
    await _check(log, Stream.OBSERVATIONS, number, ends, "observation")
    last = await _last(log, Stream.DECISIONS, ends, lambda s: _decoded(s).based_on < number)
    return await _moment(log, Ends(last, number))


async def _check(log: EventLog, stream: Stream, number: int, ends: Ends, word: str) -> None:
    """Whether the log holds a message. Raises NoSuchMoment."""
    first, last = (await log.info(stream)).first, ends.last(stream)
    if not first <= number <= last:
        holds = f"it holds {first} to {last}" if last >= first else "it holds none"
        raise NoSuchMoment(f"the log has no {word} {number}: {holds}")


async def _last(log: EventLog, stream: Stream, ends: Ends, holds: Callable[[Stored], bool]) -> int:
    """The last message for which something holds that does not hold again once it ended; 0: none.

    What was trimmed away under way counts as held.
    """
    low, high = (await log.info(stream)).first, ends.last(stream)
    head = low
    while low <= high:
        middle = (low + high) // 2
        stored = await log.get(stream, middle)
        if stored is None or holds(stored):
            low = middle + 1
        else:
            high = middle - 1
    return high if high >= head else 0


async def _moment(log: EventLog, ends: Ends, time_ns: int = 0) -> Moment:
    """With the times of its last messages; ``time_ns`` 0 means these."""
    decided_ns = await stored_at(log, Stream.DECISIONS, ends.decisions)
    if not time_ns:
        observed_ns = await stored_at(log, Stream.OBSERVATIONS, ends.observations)
        time_ns = max(decided_ns, observed_ns)
    return Moment(ends=ends, time_ns=time_ns, decided_ns=decided_ns)


async def _frame(log: EventLog, sequence: int) -> DecisionFrame:
    stored = await log.get(Stream.DECISIONS, sequence)
    if stored is None:
        raise LogLost(f"DECISIONS {sequence} is not there any more")
    return _decoded(stored)


def _decoded(stored: Stored) -> DecisionFrame:
    try:
        return codec.decode_decision(stored.subject, stored.data)[0]
    except BadFrame as error:
        raise LogLost(f"DECISIONS {stored.sequence} cannot be read: {error}") from error


def _told(time_ns: int) -> str:
    return f"{clock_time(time_ns, date=True)} UTC" if time_ns else "no time at all: it is empty"
