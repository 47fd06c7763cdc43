"""The verdict says what was looked at, what is wrong, and what it means."""

import io

import msgspec
import pytest
from rich.console import Console

from mcs.events.seals import Seal
from mcs.ports import Stream
from mcs.services.findings import Counts, Difference, Findings, Flaw, Held
from mcs.views.verdicts import EXIT_CODES, Verdict, report, verdict_of, verdict_view

DIFFERENCE = Difference(
    flaw=Flaw.DECISION,
    stream=Stream.DECISIONS,
    sequence=7,
    subject="mcs.dec._._",
    cycle=4,
    words="cycle 4 was decided otherwise than its rules decide",
    expected=b'{"cycle":4,"events":[{"type":"cycle.marked"}]}',
    found=b'{"cycle":4,"events":[{"type":"cluster.lost"}]}',
)


def findings(**fields):
    counts = Counts(observations=900, decision_frames=100, decisions=120, cycles=80, derived=79)
    fields.setdefault("counts", counts)
    return Findings(cycle=80, newest_s=1.0, **fields)


def shown(found, **options):
    console = Console(file=io.StringIO(), width=100, color_system=None)
    led = [()] * len(found.differences)
    console.print(verdict_view(found, led, seconds=2.0, **options))
    return console.file.getvalue()


def test_a_clean_log_is_called_clean():
    text = shown(findings())

    assert verdict_of(findings()) is Verdict.CLEAN
    assert "Clean up to cycle 80: every cycle follows from the log." in text
    assert "500 messages/s in 2.0s" in text
    assert "The live scheduler's state at cycle 80 is the replayed one." in text
    assert "--expect" in text


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"foreign_rules": {9: 3}}, "of rules 9"),
        ({"chain_only": 5}, "their observations were trimmed"),
    ],
)
def test_what_cannot_be_derived_here_has_a_verdict_of_its_own(counts, words):
    found = findings(counts=Counts(cycles=80, **counts))
    text = shown(found)

    assert verdict_of(found) is Verdict.PARTIAL
    assert words in text
    assert "Nothing wrong up to cycle 80, but not everything can be derived here." in text
    assert "could not be compared" in text


def test_a_difference_is_shown_with_both_versions():
    text = shown(findings(differences=[DIFFERENCE], more=2))

    assert "✗ cycle 4 was decided otherwise than its rules decide" in text
    assert 'events[0].type   "cycle.marked"   "cluster.lost"' in text
    assert "and 2 more differences" in text
    assert "Differs at DECISIONS 7." in text


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (Held.AGREES, "It holds the digest known outside."),
        (Held.DIFFERS, "It is not the log of the digest known outside."),
        (Held.MANIFEST, "It holds the digest in its manifest."),
        (Held.NOT_REACHED, "The digest known outside lies behind the difference."),
        (Held.OUT_OF_REACH, "pins what was trimmed since"),
    ],
)
def test_what_came_of_the_digest_known_outside_is_said(held, words):
    assert words in shown(findings(held=held))


@pytest.mark.parametrize(
    ("newest_s", "exported", "words"),
    [
        (None, False, "No scheduler has ever decided anything."),
        (90.0, False, "No scheduler is active: the newest cycle is 1m 30s old."),
        (90.0, True, "An exported log has no live scheduler to compare with."),
    ],
)
def test_where_nobody_is_active_that_is_said(newest_s, exported, words):
    found = findings()
    found.newest_s = newest_s

    assert words in shown(found, exported=exported)


def test_codes_tell_the_verdicts_apart():
    assert {EXIT_CODES[verdict] for verdict in Verdict} == {0, 7, 8}


def test_a_report_is_data():
    made = report(findings(differences=[DIFFERENCE]), [()], seconds=2.0)
    found = msgspec.json.decode(msgspec.json.encode(made))

    assert found["verdict"] == "differs"
    assert found["differences"][0]["fields"] == [
        {"path": "events[0].type", "expected": '"cycle.marked"', "found": '"cluster.lost"'}
    ]
    assert found["decisions_rate"] == 60
    assert found["token"] == str(Seal())
