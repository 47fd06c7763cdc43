"""``mcs history`` on a terminal, and as data."""

import io
import json

import msgspec
import pytest
from rich.console import Console

from mcs.views.timetables import history_data, history_view, shortly
from tests.building import proxy
from tests.views.test_histories import born, history, whole_life


def shown(*histories):
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(history_view(histories))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_each_step_has_its_time_place_and_sentence():
    lines = [" ".join(line.split()) for line in shown(history(whole_life()))]

    assert lines[0] == "default/pod-u1 of c1 (uid u1)"
    assert "00:00:00 created, through the webhook" in lines
    assert "00:00:02.000 +2.0s obs 6 c1 proxy default/pod-u1 asks 200m cpu" in lines
    assert any(line.startswith("00:00:03.001 +1.0s dec 2 c1 → itself placed") for line in lines)
    assert (
        "waiting 3.0s placing 1.0s starting 3.0s running 10s ending 4.0s ended 1m in all 1m 21s"
    ) in lines


def test_it_says_where_the_first_time_comes_from():
    text = " ".join(shown(history(born())))

    assert "The webhook writes nothing to the log: the first time is the pod's creation" in text
    assert "so far" in text


def test_pods_of_one_name_are_told_apart():
    world = whole_life()
    world.proxies("c1", proxy("u2", name="pod-u1", created="2026-01-01T00:01:30Z"))

    text = "\n".join(shown(history(world, "u1"), history(world, "u2")))

    assert "(uid u1), 1 of 2 of this name" in text
    assert "(uid u2), 2 of 2 of this name" in text
    assert "API server's clock is at least" in text


def test_dates_are_shown_where_days_differ():
    world = born()
    world.tick(100_000)
    world.cycle()

    assert any("2026-01-02 03:46:" in line for line in shown(history(world)))


def test_programs_get_numbers():
    found = json.loads(msgspec.json.encode(history_data(history(whole_life()))))

    assert found["stages_s"]["running"] == pytest.approx(10, abs=0.1)
    assert found["over"] is True
    assert found["steps"][0] == {
        "time": "2026-01-01T00:00:00.000000000Z",
        "text": "created, through the webhook",
        "after_s": 0.0,
        "attempt": 0,
        "stage": "waiting",
    }
    assert found["steps"][2]["stream"] == "DECISIONS"
    assert found["steps"][2]["attempt"] == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0ms"), (0.0184, "18ms"), (1.2, "1.2s"), (125, "2m 5s")]
)
def test_short_times_are_told_in_milliseconds(seconds, text):
    assert shortly(seconds) == text
