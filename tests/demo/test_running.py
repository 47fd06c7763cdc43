"""The demo ends well: on a real nats-server, with all of mcs, in a hurry."""

import asyncio
import contextlib
import io

import msgspec
import pytest
from rich.console import Console

from mcs import app, cli
from mcs.adapters.nats_server import embedded_server
from mcs.demo import folder as demo_folder
from mcs.demo import stage
from mcs.demo.folder import newest_run, runs
from mcs.demo.running import DemoSettings, demo
from mcs.demo.scenarios import STEP_S
from mcs.errors import Unavailable
from mcs.events.decisions import PodPlaced
from mcs.services.reading import Ends, Witness, chronicle, fold
from mcs.views.lines import Teller

pytestmark = pytest.mark.live
SPEED = 20.0
BOUND_S = 60.0


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The demo, run once, with what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    console = Console(file=io.StringIO(), width=120, color_system=None)
    settings = DemoSettings(folder=folder, speed=SPEED, plain=True)
    return asyncio.run(demo(settings, console)), console.file.getvalue(), folder


def test_every_step_succeeds(played):
    scenarios, _, _ = played

    assert [len(each.outcomes) for each in scenarios] == [10, 10, 3]
    assert all(each.well for each in scenarios)
    assert all(work.phase == "Succeeded" for each in scenarios for work in each.works)


def test_the_clusters_offer_what_the_published_example_did(played):
    for each in played[0]:
        found = {name: (c.free_milli, c.slots) for name, c in each.capacities.items()}
        assert found == {"cluster1": (980, 3), "cluster2": (1080, 4)}


def test_floors_follow_from_capacity_and_nobody_beats_them(played):
    assert [each.floor_s for each in played[0]] == [4 * STEP_S, 2 * STEP_S, 10.0]
    # Kubelets round to whole seconds; nothing else may make a scenario shorter than its floor.
    assert all(each.took_s > each.floor_s - 1 for each in played[0])


def test_both_clusters_are_used_when_steps_are_elected(played):
    alone, elected, dag = played[0]

    assert {work.place[0] for work in alone.works} == {"cluster1"}
    assert {work.place[0] for work in elected.works} == {"cluster1", "cluster2"}
    assert next(work for work in dag.works if work.name == "dag-b").place[0] == "cluster2"


def test_c_begins_after_a_and_b(played):
    a, b, c = played[0][2].outcomes

    assert c.begun_s >= max(a.ended_s, b.ended_s)


def test_no_node_is_ever_overfilled(played):
    ran = [(work.started_s, work.ended_s, work.place) for each in played[0] for work in each.works]
    moments = sorted({begin for begin, _, _ in ran})
    most = {}
    for moment in moments:
        for place in {place for _, _, place in ran}:
            count = sum(begin <= moment < end and at == place for begin, end, at in ran)
            most[place] = max(most.get(place, 0), count)

    slots = {place: 2 if place == ("cluster2", "cluster2-n1") else 1 for place in most}
    assert {place for place in most if most[place] > slots[place]} == set()
    assert len(most) == 6  # every node had work


def test_the_summary_names_what_to_try_next(played):
    _, text, folder = played

    assert f"mcs log --demo-dir {folder}" in text
    assert f"mcs why --demo-dir {folder} default/elected-step-" in text
    assert "All steps succeeded." in text
    assert text.count("floor") >= 3


async def test_the_log_it_leaves_can_be_read_and_folded(played):
    folder = played[2]
    source = app.LogSource(url="nats://127.0.0.1:1", demo_dir=str(folder))
    async with app.open_log(source, name="test") as log:
        ends = await Ends.of(log)
        state = Witness()
        await fold(log, state, ends)
        teller = Teller()
        events = [
            line.event async for stored in chronicle(log, ends) for line in teller.lines(stored)
        ]

    placed = [event for event in events if isinstance(event, PodPlaced)]
    assert {event.name for event in placed} >= {"elected-step-1", "dag-a", "dag-b", "dag-c"}
    assert len(placed) == 13  # each once, no attempt failed
    assert state.parked == {}
    assert {member.left for member in state.membership.members.values()} == {True}
    assert newest_run(folder) == runs(folder)[-1]


def test_the_log_it_leaves_is_clean(played, capsys):
    status = ["status", "--demo-dir", str(played[2]), "--json"]
    with pytest.raises(SystemExit):
        cli.main(status)
    token = msgspec.json.decode(capsys.readouterr().out)["token"]

    with pytest.raises(SystemExit) as end:
        cli.main(["verify", "--demo-dir", str(played[2]), "--expect", token])

    text = capsys.readouterr().out
    assert not end.value.code, text
    assert "It holds the digest known outside." in text
    assert "every cycle follows from the log" in text


@contextlib.asynccontextmanager
async def playing(tmp_path, monkeypatch):
    """A demo that plays its first scenario: its task, what it prints, and its server."""
    servers = []

    @contextlib.asynccontextmanager
    async def remembered(store):
        async with embedded_server(store) as server:
            servers.append(server)
            yield server

    monkeypatch.setattr(demo_folder, "embedded_server", remembered)
    console = Console(file=io.StringIO(), width=120, color_system=None)
    task = asyncio.create_task(demo(DemoSettings(folder=tmp_path, plain=True), console))
    async with asyncio.timeout(BOUND_S):
        while "alone-step-1" not in console.file.getvalue() and not task.done():
            await asyncio.sleep(0.01)
    try:
        yield task, console.file, servers[0]
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize("what", ["kill", "pause"])
async def test_a_server_that_takes_nothing_any_more_ends_the_demo_with_its_last_words(
    tmp_path, monkeypatch, what
):
    monkeypatch.setattr(stage, "STALLED_S", 3.0)
    async with asyncio.timeout(BOUND_S), playing(tmp_path, monkeypatch) as (task, _, server):
        if what == "kill":
            await server.kill()
        else:
            server.pause()
        with pytest.raises(Unavailable, match="nothing has come") as error:
            await task

    assert "Server is ready" in str(error.value)


async def test_who_interrupts_it_is_told_where_the_log_is(tmp_path, monkeypatch):
    async with asyncio.timeout(BOUND_S), playing(tmp_path, monkeypatch) as (task, printed, _):
        task.cancel()
        await asyncio.wait({task})

    assert f"Interrupted. The log until now is still there: mcs log --demo-dir {tmp_path}" in (
        printed.getvalue()
    )
