"""Seals pin both logs, and read back as they were printed."""

import pytest

from mcs.errors import BadSettings
from mcs.events.event import Last
from mcs.events.seals import Seal
from tests.building import World, node


def sealed(world, decisions=None, observations=None):
    seal = Seal()
    for sequence, subject, data, _ in decisions or world.decisions:
        seal = seal.decide(sequence, subject, data)
    for message in observations or world.observations:
        seal = seal.observe(*message)
    return seal


def world():
    made = World()
    made.join("c1", node())
    made.mark()
    made.tick()
    return made


def test_a_seal_is_the_state_s_ends():
    made = world()
    assert sealed(made) == Seal(decided=made.state.decided, observed=made.state.observed)


def test_a_seal_reads_back_as_it_was_printed():
    seal = sealed(world())
    assert Seal.parse(str(seal)) == seal
    assert Seal.parse(f" {seal}\n") == seal


def test_the_seal_of_an_empty_log_reads_back():
    assert str(Seal()) == "0::0:"
    assert Seal.parse("0::0:") == Seal()


def test_another_server_time_gives_another_seal():
    made = world()
    sequence, subject, time_ns, data = made.observations[0]
    changed = [(sequence, subject, time_ns + 1, data), *made.observations[1:]]
    assert sealed(made, observations=changed).observed != made.state.observed


@pytest.mark.parametrize(
    "text",
    ["", "12", "12:ab:3:cd", "1::2:" + "0" * 32, "0:" + "0" * 32 + ":0:", "x" * 70],
)
def test_what_is_no_seal_is_refused_in_words(text):
    with pytest.raises(BadSettings, match="is no digest of a log"):
        Seal.parse(text)


def test_a_seal_of_decisions_alone_is_one():
    last = Last(sequence=3, digest="0" * 32)
    assert Seal.parse(f"3:{'0' * 32}:0:").decided == last
