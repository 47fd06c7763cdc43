"""A pod's story, and how it stands."""

import pytest

from mcs.events.observations import Phase
from mcs.ports import Stored
from mcs.services.reading import Witness
from mcs.views.evidence import Evidence, Position, facts_of
from mcs.views.explaining import Story, standing, story_of
from mcs.views.lines import Teller
from mcs.views.words import plain
from tests.building import World, delegate, deleted, node, proxy


def stands(world, uid="u1"):
    return plain(standing(world.state, uid))


def world_with(*proxies, cpu=1000):
    world = World()
    world.join("c1", node("n1", cpu=cpu))
    world.proxies("c1", *proxies)
    return world


def lines_of(world, teller):
    """Every line of a log, observations first."""
    for message in world.observations:
        yield from teller.lines(Stored(*message))
    for sequence, subject, data, _ in world.decisions:
        yield from teller.lines(Stored(sequence, subject, 0, data))


def told(world, uid):
    """The story of a proxy, as `mcs why` makes it from a log."""
    teller, evidence = Teller(), Evidence()
    lines = list(lines_of(world, teller))
    for line in lines:
        evidence.note(line)
    story = Story.of(uid, *_named(uid, teller, lines))
    state = Witness(story.look)
    for sequence, subject, data, frame in world.decisions:
        while state.observed.sequence < frame.based_on:
            state.observe(*world.observations[state.observed.sequence])
        state.decide(sequence, subject, data, frame)
    while state.observed.sequence < len(world.observations):
        state.observe(*world.observations[state.observed.sequence])
    return story_of(story, state, world.now_ns, evidence)


def _named(uid, teller, lines):
    return teller.names.proxies[uid], lines


def behind(world, story):
    """The events that a story's verdicts rest on, as `mcs why` finds them."""
    lines, evidence = list(lines_of(world, Teller())), Evidence()
    for line in lines:
        evidence.note(line)
    found = {}
    for moment in filter(None, (story.moment, story.now)):
        for fact in (fact for row in moment.verdicts for fact in row.grounds.facts):
            place = evidence.behind(fact, moment.position)
            for line in lines:
                stream = "DECISIONS" if line.stream == "decision" else "OBSERVATIONS"
                if (stream, line.sequence) == place and fact in facts_of(line):
                    found[fact, moment.position] = line
    return found


def test_the_verdicts_are_those_of_the_moment_of_the_decision():
    world = world_with(proxy("u1"), proxy("u2"), cpu=450)
    world.cycle()
    world.join("c2", node("n1", cpu=900))  # too late for u1, and not what it was decided by

    found = told(world, "u2")

    assert [(row.cluster, row.score) for row in found.moment.verdicts] == [("c1", 1)]
    assert "placed default/pod-u2" in plain(found.moment.line.words)
    assert found.moment.position == Position(1, 6)
    assert found.now.verdicts == ()


def test_a_pod_that_waits_has_verdicts_of_now():
    world = world_with(proxy("u1"), cpu=100)
    world.cycle()
    world.join("c2", node("n1", cpu=900))

    found = told(world, "u1")

    assert [row.cluster for row in found.moment.verdicts] == ["c1"]
    assert [(row.cluster, row.chosen) for row in found.now.verdicts] == [
        ("c1", False),
        ("c2", True),
    ]


def test_the_story_has_only_its_own_lines():
    world = world_with(proxy("u1"), proxy("u2"))
    world.cycle()

    texts = [plain(line.words) for line in told(world, "u1").lines]

    assert len(texts) == 2
    assert all("pod-u1" in text for text in texts)


def test_it_waits_behind_others():
    world = world_with(proxy("u1"), proxy("u2"), cpu=100)

    assert stands(world, "u2") == "it waits for a place, behind 1 other"


def test_it_is_gated():
    assert stands(world_with(proxy("u1", gates=("g",)))) == "it has not arrived: gated by g"


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (None, "it is placed in c1 as default/c1-default-pod-u1 (booked on n1), and not seen"),
        ({"node": "n1", "phase": Phase.RUNNING}, "it runs in c1 as default/c1-default-pod-u1 on"),
        ({"node": ""}, "it is Pending in c1 as default/c1-default-pod-u1, without a node yet"),
        ({"node": "n1", "phase": Phase.SUCCEEDED}, "it has ended: Succeeded in c1 on n1"),
    ],
)
def test_it_is_placed(seen, words):
    world = world_with(proxy("u1"))
    world.cycle()
    if seen is not None:
        world.delegates("c1", "c1", delegate("u1.1", **seen))

    assert stands(world).startswith(words)


def test_it_is_being_deleted():
    world = world_with(proxy("u1"))
    world.cycle()
    world.delegates("c1", "c1", delegate("u1.1", node="n1"))
    world.proxies("c1", deleted("u1"))
    world.cycle()

    assert stands(world).startswith("it is being deleted; its delegate ends in c1")


def test_it_is_gone():
    assert "nothing of it is left" in stands(world_with(proxy("u1")), "unknown")
