"""The summary: durations against floors, bars in time, commands to try."""

import io
from pathlib import Path

from rich.console import Console

from mcs.demo.scenarios import Capacity, Scenario
from mcs.demo.summary import Played, chart, summary, what_next
from mcs.demo.watching import Work
from mcs.simulation.workloads import Outcome, Step


def played(phase="Succeeded"):
    steps = (Step(name="a"), Step(name="b"))
    works = tuple(
        Work(
            run="r",
            name=f"r-{name}",
            created_s=100.0,
            phase=phase,
            ran=phase,
            place=(cluster, f"{cluster}-n1"),
            started_s=100.0 + wait,
            ended_s=110.0 + wait,
            elected=True,
        )
        for name, cluster, wait in (("a", "cluster1", 0), ("b", "cluster2", 10))
    )
    return Played(
        scenario=Scenario(run="r", title="two steps", clusters=("cluster1",), steps=steps),
        floor_s=20.0,
        capacities={"cluster1": Capacity(free_milli=200, slots=1)},
        outcomes=(
            Outcome(step="a", phase="Succeeded", ended_s=10.0),
            Outcome(step="b", phase=phase, ended_s=20.5),
        ),
        works=works,
    )


def text_of(renderable, width=100):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(renderable)
    return console.file.getvalue()


def test_a_bar_begins_where_its_wait_ends():
    first, second = text_of(chart(played())).splitlines()

    assert first.split() == ["a", "━" * 22, "cluster1", "cluster1-n1"]
    assert second.split() == ["b", "·" * 22 + "━" * 22, "cluster2", "cluster2-n1"]


def test_durations_stand_beside_their_floors():
    text = text_of(summary([played()], speed=10))

    (line,) = [line for line in text.splitlines() if "20.5 s" in line]
    assert line.split()[-6:] == ["20.5", "s", "20", "s", "0.5", "s"]
    assert "10 times as fast" in text


def test_a_narrow_terminal_cuts_no_figure():
    text = text_of(summary([played()]), width=36)

    assert "20.5 s" in text


def test_the_pod_that_waited_longest_is_the_one_to_ask_about():
    text = text_of(what_next([played()], Path("mcs-demo")))

    assert "mcs why --demo-dir mcs-demo default/r-b" in text
    assert "All steps succeeded." in text


def test_a_failure_is_not_called_a_success():
    text = text_of(what_next([played(phase="Failed")], Path("mcs-demo")))

    assert "All steps succeeded" not in text
