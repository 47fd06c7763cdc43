"""What ``mcs verify`` says: the verdict, what it rests on, both versions of what differs."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mcs.projections.state import RULES
from mcs.services.findings import Counts, Difference, Findings, Held
from mcs.views.amounts import lasting
from mcs.views.differing import Field, differing
from mcs.views.lines import Line, sentence
from mcs.views.overview import SILENT_S
from mcs.views.painting import paint
from mcs.views.tables import table_of
from mcs.views.words import Words, bad, good, plain, quiet, say, wait


class Verdict(StrEnum):
    """In one word."""

    CLEAN = "clean"
    PARTIAL = "partial"  # nothing is wrong, but not all could be derived here
    DIFFERS = "differs"


EXIT_CODES: Final = {Verdict.CLEAN: 0, Verdict.DIFFERS: 7, Verdict.PARTIAL: 8}


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A difference; ``led`` are the events that led to it, oldest first."""

    flaw: str
    stream: str
    sequence: int
    subject: str
    cycle: int
    words: str
    fields: tuple[Field, ...]
    expected: str | None
    found: str | None
    led: tuple[str, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, for programs. Rates are per second of the walk."""

    verdict: Verdict
    counts: Counts
    differences: tuple[Shown, ...]
    more: int
    expected: Held
    token: str
    cycle: int
    rules: int
    scheduler: str
    seconds: float
    messages_rate: float
    decisions_rate: float


def verdict_of(findings: Findings) -> Verdict:
    """The one word."""
    if not findings.clean:
        return Verdict.DIFFERS
    return Verdict.CLEAN if findings.whole else Verdict.PARTIAL


def report(
    findings: Findings,
    led: Sequence[Sequence[Line]],
    *,
    seconds: float,
    exported: bool = False,
) -> Report:
    """For programs; ``led`` are the lines behind each difference."""
    counts, per = findings.counts, max(seconds, 1e-9)
    return Report(
        verdict=verdict_of(findings),
        counts=counts,
        differences=tuple(
            Shown(
                flaw=each.flaw,
                stream=each.stream,
                sequence=each.sequence,
                subject=each.subject,
                cycle=each.cycle,
                words=each.words,
                fields=differing(each.expected, each.found),
                expected=_text(each.expected),
                found=_text(each.found),
                led=tuple(plain(sentence(line)) for line in lines),
            )
            for each, lines in zip(findings.differences, led, strict=True)
        ),
        more=findings.more,
        expected=findings.held,
        token=str(findings.seal),
        cycle=findings.cycle,
        rules=RULES,
        scheduler=plain(_scheduler(findings, exported=exported)),
        seconds=seconds,
        messages_rate=(counts.observations + counts.decision_frames) / per,
        decisions_rate=counts.decisions / per,
    )


def verdict_view(
    findings: Findings, led: Sequence[Sequence[Line]], *, seconds: float, exported: bool = False
) -> RenderableType:
    """For people."""
    parts: list[RenderableType] = [_table(findings.counts, seconds)]
    for each, lines in zip(findings.differences, led, strict=True):
        parts += [*_difference(each, lines), Text()]
    if findings.more:
        parts.append(paint(say(bad(f"and {findings.more} more differences"))))
    for remark in _remarks(findings, exported=exported):
        parts.append(paint(remark))
    parts.append(paint(_conclusion(findings)))
    return Group(*parts)


def _table(counts: Counts, seconds: float) -> Table:
    table = table_of("", "count", "how", right=("count",))
    messages = counts.observations + counts.decision_frames
    rate = f"{messages / max(seconds, 1e-9):,.0f} messages/s in {lasting(seconds)}"
    rows: list[tuple[str, int, str]] = [
        ("observations", counts.observations, "sequences dense, running digest"),
        ("decision frames", counts.decision_frames, "sequences dense, chained by digests"),
        ("decisions", counts.decisions, f"{counts.derived_decisions} of them derived again"),
        ("cycles", counts.cycles, rate),
        ("  derived again", counts.derived, "state and decisions, byte for byte"),
        ("  claims", counts.claims, "state and frame; chance made the rest"),
        ("  chain only", counts.chain_only, "their observations were trimmed"),
    ]
    rows += [
        (f"  of rules {rules}", count, f"not derivable here: this version has rules {RULES}")
        for rules, count in sorted(counts.foreign_rules.items())
    ]
    rows += [
        ("retried", counts.retried, "observations stored twice; the second is passed over"),
        ("late", counts.late, "observations of an epoch that was over"),
        ("gaps", counts.gaps, "in a cluster's channels, each healed by a resync"),
    ]
    rows += [("parked", count, name) for name, count in counts.parked.items()]
    always = {"observations", "decision frames", "decisions", "cycles", "  derived again"}
    for name, number, remark in rows:
        if number or name in always:
            table.add_row(name, f"{number:,}", Text(remark, "bright_black"))
    return table


def _difference(difference: Difference, lines: Sequence[Line]) -> list[RenderableType]:
    parts: list[RenderableType] = [paint(say(bad("✗ "), difference.words))]
    fields = differing(difference.expected, difference.found)
    if fields:
        table = table_of("field", "expected", "found")
        for field in fields:
            table.add_row(field.path, Text(field.expected, "green"), Text(field.found, "red"))
        parts.append(table)
    elif difference.found is not None:
        found = (_text(difference.found) or "")[:400]
        parts.append(paint(say(quiet("found: "), found)))
    if lines:
        parts.append(paint(say("What led to it:")))
        parts += [paint(sentence(line)) for line in lines]
    return parts


def _remarks(findings: Findings, *, exported: bool) -> list[Words]:
    remarks = [_scheduler(findings, exported=exported)]
    match findings.held:
        case Held.AGREES:
            remarks.append(say("It holds the digest known outside."))
        case Held.MANIFEST:
            text = "Whether that is all there was, only a digest kept elsewhere tells: --expect"
            remarks += [say("It holds the digest in its manifest."), say(quiet(text))]
        case Held.DIFFERS:
            remarks.append(say(bad("It is not the log of the digest known outside.")))
        case Held.NOT_REACHED:
            remarks.append(say(wait("The digest known outside lies behind the difference.")))
        case Held.OUT_OF_REACH:
            text = "The digest known outside pins what was trimmed since; give a newer one."
            remarks.append(say(wait(text)))
        case Held.NOT_ASKED:
            text = "Whether its end was cut off, only a digest known outside tells: --expect"
            remarks.append(say(quiet(text)))
    return remarks


def _scheduler(findings: Findings, *, exported: bool) -> Words:
    """Whether the live scheduler's state is the replayed one: its newest cycle carries it."""
    age_s = findings.newest_s
    if age_s is None:
        return say(quiet("No scheduler has ever decided anything."))
    if exported:
        return say(quiet("An exported log has no live scheduler to compare with."))
    if age_s >= SILENT_S:
        text = f"No scheduler is active: the newest cycle is {lasting(age_s)} old."
        return say(wait(text))
    if findings.clean and not (findings.counts.foreign_rules or findings.counts.chain_only):
        return say(f"The live scheduler's state at cycle {findings.cycle} is the replayed one.")
    return say(wait("The live scheduler's state could not be compared."))


def _conclusion(findings: Findings) -> Words:
    cycles = f"up to cycle {findings.cycle}"
    match verdict_of(findings):
        case Verdict.CLEAN:
            return say(good("Clean"), f" {cycles}: every cycle follows from the log.")
        case Verdict.PARTIAL:
            return say(wait("Nothing wrong"), f" {cycles}, but not everything can be derived here.")
        case Verdict.DIFFERS:
            first = findings.differences[0]
            place = f"{first.stream} {first.sequence}"
            return say(bad("Differs"), f" at {place}. Whole and derived {cycles}.")


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode(errors="replace")
