"""Progress: nothing for what is short, a line now and then, a bar on a terminal."""

import io

import pytest

from mcs.commands import progress
from mcs.commands.progress import Shown


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """The clock that progress reads, to be set."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_what_is_done_soon_says_nothing(clock, capsys):
    with Shown("messages") as shown:
        for done in range(10):
            clock[0] += 0.1
            shown.show("OBSERVATIONS", done, 9)

    assert capsys.readouterr() == ("", "")


def test_long_work_tells_its_rate_now_and_then(clock, capsys):
    with Shown("messages") as shown:
        for done in range(0, 30_000, 1000):
            shown.show("OBSERVATIONS", done, 30_000)
            clock[0] += 0.5

    out, told = capsys.readouterr()
    assert out == ""
    assert told.splitlines() == [
        "OBSERVATIONS: 10,000 of 30,000 messages, 2,000/s, 10s left",
        "OBSERVATIONS: 20,000 of 30,000 messages, 2,000/s, 5s left",
    ]


def test_the_next_step_has_a_rate_of_its_own(clock, capsys):
    with Shown("messages") as shown:
        shown.show("OBSERVATIONS", 0, 10)
        clock[0] += 4
        shown.show("DECISIONS", 0, 100)
        clock[0] += 5
        shown.show("DECISIONS", 0, 100)
        clock[0] += 5
        shown.show("DECISIONS", 20, 100)

    assert capsys.readouterr().err.splitlines() == [
        "DECISIONS: 0 of 100 messages, 0/s",
        "DECISIONS: 20 of 100 messages, 2/s, 40s left",
    ]


def test_a_terminal_sees_a_bar(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", screen)
    with Shown("messages") as shown:
        shown.show("OBSERVATIONS", 5, 10)
        shown.show("OBSERVATIONS", 10, 10)
        shown.show("DECISIONS", 3, 3)

    assert "OBSERVATIONS" in screen.getvalue() and "10/10" in screen.getvalue()
    assert "3/3" in screen.getvalue()


def test_patience_leaves_short_work_without_a_bar(clock, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", screen)
    with Shown("messages", patience_s=1.0) as shown:
        shown.show("folding", 5, 10)
        before = screen.getvalue()
        clock[0] += 2
        shown.show("folding", 8, 10)

    assert before == ""
    assert "8/10" in screen.getvalue()
