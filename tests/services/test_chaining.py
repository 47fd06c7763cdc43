"""The chains of DECISIONS hold without any state, also behind a trimmed head."""

import msgspec
import pytest

from mcs.events.event import Last
from mcs.ports import Stored
from mcs.services.chaining import Broken, Chain
from mcs.services.findings import Flaw
from tests.building import World, node, proxy


def frames():
    """A claim, a cycle of two frames, a mark."""
    world = World()
    world.join("c1", node("n1", cpu=300))
    world.proxies("c1", proxy("u1"), proxy("u2"))
    world.cycle()
    world.mark()
    return [
        (Stored(sequence, subject, 0, data), frame)
        for sequence, subject, data, frame in world.decisions
    ]


GOOD = frames()
END = GOOD[-1][1].based_on


def chain_after(count, head=1):
    chain = Chain(head)
    for stored, frame in GOOD[head - 1 : count]:
        chain.check(stored, frame, end=END)
        chain.add(stored, frame)
    return chain


def broken(count, **fields):
    """What is said of the frame after ``count`` good ones, with fields changed."""
    stored, frame = GOOD[count]
    with pytest.raises(Broken) as caught:
        chain_after(count).check(stored, msgspec.structs.replace(frame, **fields), end=END)
    return caught.value


def test_a_good_chain_holds():
    chain = chain_after(len(GOOD))

    assert chain.decided.sequence == len(GOOD) == 4
    assert (chain.cycle, chain.based_on, chain.whole()) == (3, END, "")


def test_a_chain_holds_from_any_head_on():
    for head in range(1, len(GOOD) + 1):
        assert chain_after(len(GOOD), head).decided.sequence == len(GOOD)


def test_an_unfinished_cycle_is_told():
    assert chain_after(2).unfinished
    assert chain_after(2).whole() == "cycle 2 has 1 of its 2 frames"


@pytest.mark.parametrize(
    ("count", "fields", "flaw", "words"),
    [
        (
            1,
            {"previous": "x"},
            Flaw.CHAIN,
            "names x as the digest of the frame before it, which is",
        ),
        (0, {"previous": "x"}, Flaw.CHAIN, "which is none"),
        (
            3,
            {"last": Last()},
            Flaw.SUBJECT,
            "before it on mcs.dec._._: it names none, which is 1 (",
        ),
        (1, {"cycle": 3}, Flaw.CYCLE, "cycle 3 of reign 1 stands where cycle 2 of reign 1 must"),
        (1, {"reign": 2}, Flaw.CYCLE, "cycle 2 of reign 2 stands where cycle 2 of reign 1 must"),
        (1, {"index": 1}, Flaw.CYCLE, "stands behind cycle 1, which it does not continue"),
        (2, {"index": 0}, Flaw.INCOMPLETE, "cycle 2 has 1 of its 2 frames when cycle 2 begins"),
        (2, {"state": "x"}, Flaw.CYCLE, "(index 1 of 2) stands behind cycle 2"),
        (3, {"based_on": 1}, Flaw.BASED_ON, f"the cycle before it on {END}: that never goes back"),
        (3, {"based_on": 99}, Flaw.BASED_ON, f"but OBSERVATIONS ends at {END}: its end was cut"),
    ],
)
def test_each_break_is_named(count, fields, flaw, words):
    found = broken(count, **fields)

    assert found.flaw is flaw
    assert words in found.words


def test_what_should_stand_there_is_shown():
    assert broken(1, previous="x").expected == GOOD[1][0].data
    assert broken(2, state="x").expected == GOOD[2][0].data
