"""``mcs replay --follow`` on a terminal: the live view of the demo, on an exported log."""

import io

import pytest
from rich.console import Console

from mcs import app
from mcs.adapters.files_archive import open_archive
from mcs.commands import playing
from mcs.services.exporting import export
from tests.services.clocks import LeapingClock
from tests.services.logs import WorldLog
from tests.services.test_replaying import history


async def exported(tmp_path):
    """A log of an hour in a folder."""
    with open_archive(tmp_path / "log", LeapingClock()) as archive:
        await export(WorldLog(history()).connection, archive, lambda _: None)
    return app.LogSource(url="", folder=str(tmp_path / "log"))


@pytest.fixture
def terminal(monkeypatch):
    """What a terminal of 100 columns and 40 lines was given."""
    console = Console(
        file=io.StringIO(), width=100, height=40, force_terminal=True, color_system=None
    )
    monkeypatch.setattr(playing, "Output", lambda **_: console)
    return console.file


async def test_clusters_fill_pods_run_and_events_pass(tmp_path, terminal, capsys, monkeypatch):
    pictures = []
    take = playing._Live.take

    def draw_each(self, beat):
        take(self, beat)
        if all(line.quiet for line in beat.lines):
            return
        terminal.truncate(0)
        self.refresh()
        pictures.append(terminal.getvalue())

    monkeypatch.setattr(playing._Live, "take", draw_each)

    await playing.play(await exported(tmp_path), playing.Playing(speed=1e6))

    assert any("1000m free 0 pods" in each for each in pictures)
    assert any("800m free" in each and "placed" in each for each in pictures)
    assert any("c1 default/pod-u1   Running     →   c1" in each for each in pictures)
    assert "Succeeded" in pictures[-1]
    assert "1e+06 times as fast" in pictures[0]
    assert "decision 63 of 63, observation 72 of 73" in pictures[-1]
    assert capsys.readouterr().out.startswith("Played ")


async def test_silence_is_said_where_it_is_shortened(tmp_path, terminal, capsys):
    await playing.play(
        await exported(tmp_path), playing.Playing(speed=1e3, plain=True, since="obs:8")
    )

    text = terminal.getvalue()
    assert "… 1h without news, shortened" in text
    assert text.index("Running") < text.index("without news") < text.index("Succeeded")
    assert "Played" in capsys.readouterr().err
