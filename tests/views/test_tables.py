"""Tables say what the overview says, at the width of a common terminal."""

import io
import re

from rich.console import Console

from mcs.events.observations import Phase, Verb
from mcs.views.overview import overview
from mcs.views.tables import status_view, token_line
from tests.building import World, delegate, deleted, node, proxy


def shown(world, width=80, **fields):
    fields.setdefault("now_s", world.now_ns / 1e9)
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(status_view(overview(world.state, **fields)))
    return console.file.getvalue()


def lost():
    world = World()
    world.join("c1", node("n1", cpu=100))
    world.join("c2", node("n1", cpu=300))
    world.proxies("c1", proxy("u1"), proxy("u2"))
    world.cycle()
    world.delegates("c2", "c1", delegate("u1.1", node="n1", phase=Phase.RUNNING))
    for _ in range(60):
        world.tick(1)
        world.heartbeat("c1")
    world.proxies("c1", deleted("u1"))
    world.cycle()
    world.cycle()
    return world


def test_everything_has_its_place():
    text = shown(lost())

    for part in (
        "c2        lost",
        "100m / 300m",
        "c1 default/pod-u2",
        "c1: not enough cpu",
        "deletion of",
        "mcs release c1/default/pod-u1",
        "mcs cluster remove c2 --confirm-dead",
        "c1       →   c2          1   1 Running",
    ):
        assert part in text, text


def test_no_line_is_wider_than_the_terminal():
    assert max(map(len, shown(lost()).splitlines())) <= 80


def test_an_empty_federation_says_what_to_do():
    world = World()

    text = shown(world, decided_ns=world.now_ns)

    assert "No cluster has joined yet" in text
    assert "Scheduler active" in text


def test_a_silent_scheduler_is_missed():
    world = World()

    text = shown(world, decided_ns=world.now_ns - 60 * 10**9)

    assert "Scheduler silent for 1m" in text


def test_many_who_wait_are_not_all_shown():
    world = World()
    world.join("c1", node("n1", cpu=100))
    world.proxies("c1", *[proxy(f"u{number:02}") for number in range(30)])
    world.command(id="1", verb=Verb.CORDON, cluster="c1")

    text = shown(world)

    assert "Waiting (30)" in text
    assert "… and 10 more" in text


def test_the_token_is_printed_whole_on_one_line():
    world = lost()
    console = Console(file=io.StringIO(), width=40, color_system=None)
    view = overview(world.state, now_s=0)

    console.print(token_line(view), soft_wrap=True)

    assert console.file.getvalue() == f"Digest {view.token}\n"


def test_what_was_parked_shows_how_often_and_where_it_was_last():
    world = World()
    world.store("mcs.obs.c1.proxy", b"garbage")
    world.store("mcs.obs.c2.proxy", b"garbage")

    text = shown(world)

    assert re.search(r"2\s+unreadable frame", text)
    assert re.search(r"obs 2\s+mcs.obs.c2.proxy", text)
