"""The log as lines: one for each event, with its place, and whom it concerns."""

import json

from mcs.events import codec
from mcs.events.frames import DecisionFrame
from mcs.ports import Stored
from mcs.views.lines import Teller, as_json, columns, sentence
from mcs.views.painting import paint
from mcs.views.words import plain
from tests.building import World, delegate, node, proxy
from tests.views.events import DECIDED


def told(world):
    """Every line of a world's log, observations first."""
    teller = Teller()
    stored = [Stored(*message) for message in world.observations]
    stored += [Stored(seq, subject, 0, data) for seq, subject, data, _ in world.decisions]
    return [line for message in stored for line in teller.lines(message)]


def busy():
    world = World()
    world.join("c1", node("n1", cpu=300))
    world.join("c2", node("n1", cpu=100))
    world.proxies("c1", proxy("u1"), proxy("u2"))
    world.cycle()
    world.delegates("c1", "c1", delegate("u1.1", node="n1"))
    world.heartbeat("c1")
    world.mark()
    return world


def test_each_event_is_one_line_in_its_place():
    lines = told(busy())
    texts = [plain(sentence(line))[14:] for line in lines]

    assert "obs 11    c1                   proxy default/pod-u1 asks 200m cpu" in texts
    (placed,) = [text for text in texts if "placed" in text]
    assert placed.startswith("dec 3     c1 → itself          placed default/pod-u1 on c1 node n1")
    (waits,) = [text for text in texts if "waits" in text]
    assert waits.startswith("dec 2     c1                   default/pod-u2 waits: c1: not enough")


def test_what_repeats_without_news_is_quiet():
    quiet = {type(line.event).__name__ for line in told(busy()) if line.quiet}

    assert quiet == {"ClusterHeartbeat", "CycleMarked", "ResyncStarted", "ResyncCompleted"}


def test_a_delegate_is_known_by_its_proxy():
    line = next(line for line in told(busy()) if "delegate of" in plain(line.words))

    assert line.uid == "u1"
    assert (line.proxy.cluster, line.proxy.name) == ("c1", "pod-u1")
    assert line.clusters == ("c1", "c1")


def test_json_holds_the_whole_event():
    placed = DECIDED["placed default/step-3 on c1 node n2 (attempt 1), asking 200m cpu"]
    frame = DecisionFrame(
        reign=1, cycle=1, based_on=0, previous="", observed="", state="", events=(placed,)
    )
    (line,) = Teller().lines(Stored(9, "mcs.dec.c1.c2", 1_000_000_001, codec.encode(frame)))

    found = json.loads(as_json(line))

    assert found["event"]["manifest"] == "SECRET"
    assert (found["stream"], found["sequence"]) == ("DECISIONS", 9)
    assert found["time"] == "1970-01-01T00:00:01.000000001Z"
    assert found["clusters"] == ["c2", "c1"]
    assert "SECRET" not in found["text"]


def test_what_cannot_be_read_is_a_line_too():
    teller = Teller()
    (garbage,) = teller.lines(Stored(1, "mcs.obs.c1.proxy", 0, b"{"))
    strange = b'{"schema":9,"source":"c1","channel":"proxy","events":[{"type":"new.thing"}]}'
    (unknown,) = teller.lines(Stored(2, "mcs.obs.c1.proxy", 0, strange))
    (decision,) = teller.lines(Stored(1, "mcs.dec.c2.c1", 0, b"{"))

    assert plain(garbage.words).startswith("unreadable: ")
    assert plain(unknown.words) == "unknown event new.thing"
    assert garbage.event is unknown.event is None
    assert garbage.clusters == unknown.clusters == ("c1",)
    assert decision.clusters == ("c1", "c2")


def test_what_is_on_nobodys_subject_is_nobodys():
    for subject in ("mcs.dec._._", "mcs.obs._clock", "mcs.obs.C\x1b[31m.proxy"):
        (line,) = Teller().lines(Stored(1, subject, 0, b"{"))
        assert line.clusters == ()


def test_columns_are_the_parts_of_the_sentence():
    line = told(busy())[0]

    parts = [plain(column) for column in columns(line)]

    assert "".join(parts).replace(" ", "") == plain(sentence(line)).replace(" ", "")


def test_paint_changes_no_text():
    for line in told(busy()):
        assert paint(sentence(line)).plain == plain(sentence(line))
