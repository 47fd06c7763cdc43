"""The live view shows clusters, proxies beside delegates, and events; and leaves no residue."""

import io

import pytest
from rich.console import Console

from mcs.adapters.clock import SystemClock
from mcs.demo.scenarios import Capacity, scenarios
from mcs.demo.screen import LiveScreen, PlainScreen, heading
from mcs.demo.sites import Site
from mcs.demo.watching import Watcher, Work
from mcs.names import Keys
from mcs.ports import Stored
from mcs.views.lines import Teller

KEYS = Keys()
ROOM = {name: Capacity(free_milli=980, slots=3) for name in ("cluster1", "cluster2")}


class Scene:
    """A stage as screens see it: two furnished clusters, one proxy with its delegate."""

    def __init__(self):
        self.clock = SystemClock()
        self.sites = [Site(name, self.clock, KEYS) for name in ("cluster1", "cluster2")]
        self.watcher = Watcher(self.sites, self.clock, KEYS)
        self.watcher.works["elected", "elected-step-1"] = Work(
            run="elected",
            name="elected-step-1",
            created_s=0.0,
            phase="Running",
            ran="Running",
            place=("cluster2", "cluster2-n1"),
            elected=True,
        )
        self.watcher.used["cluster2", "cluster2-n1"] = {
            "u": ("step", 200),
            "s": ("system", 500),
        }
        self.line = Teller().lines(Stored(7, "mcs.obs.c1.proxy", 0, b"{"))[0]
        self.watcher.tail.append(self.line)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100, height=34, force_terminal=True, color_system=None)


async def test_the_live_view_shows_it_all(console):
    scene = Scene()
    async with LiveScreen(console, scene) as screen:
        screen.begin(scenarios(KEYS)[1], 20.0, ROOM)
        console.file.truncate(0)
        screen.view.refresh()
        text = console.file.getvalue()

    for part in ("cluster1", "cluster2", "240m free 1 step", "elected-step-1", "delegate in"):
        assert part in text
    assert "0 of 10 done" in text
    assert "unreadable" in text
    assert "at best 20 s" in text


async def test_plain_lines_are_printed_as_they_come(console):
    scene = Scene()
    async with PlainScreen(console, scene) as screen:
        screen.begin(scenarios(KEYS)[0], 40.0, ROOM)
        scene.watcher.on_line(scene.line)

    text = console.file.getvalue()
    assert "A: ten steps in cluster1 alone" in text
    assert "obs 7" in text
    assert scene.watcher.on_line is None


def test_the_heading_names_only_clusters_that_take_part():
    assert heading(scenarios(KEYS)[0], 40.0, ROOM) == (
        "cluster1 has 980m free, room for 3; at best 40 s"
    )
