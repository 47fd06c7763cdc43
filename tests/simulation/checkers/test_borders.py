"""Reading, writing and saying what one must not is found (I9, I10)."""

import logging

import pytest

from mcs.events import subjects
from mcs.objects.kinds import EVENTS, SECRETS
from mcs.ports import Stream
from mcs.simulation.checkers.borders import covers
from tests.simulation.checkers.watched import Watched

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("pattern", "subject", "inside"),
    [
        ("mcs.obs.>", "mcs.obs.c1.cluster", True),
        ("mcs.obs.>", "mcs.obs.>", True),
        ("mcs.obs.>", "mcs.obs", False),
        ("mcs.obs.*.cluster", "mcs.obs.*.cluster", True),
        ("mcs.obs.c1.*", "mcs.obs.*.cluster", False),
        ("mcs.obs.*.cluster", "mcs.obs.>", False),
        ("mcs.dec.*.c1", "mcs.dec.c2.c1", True),
        ("mcs.dec.*.c1", "mcs.dec.c2.c3", False),
        ("mcs.dec.*.c1", "mcs.dec.c2.c1.x", False),
    ],
)
def test_patterns_that_lie_within_patterns(pattern, subject, inside):
    assert covers(pattern, subject) is inside


@pytest.mark.parametrize(
    ("process", "subject"),
    [
        ("agent-c1-1", "mcs.obs.>"),
        ("agent-c1-1", "mcs.obs.c2.capacity"),
        ("agent-c1-1", "mcs.dec.*.c2"),
        ("agent-c1-1", "mcs.ctl.c2.c2.resync"),
        ("scheduler-1", "mcs.ctl.c1.c2.resync"),
    ],
)
def test_i9_reading_what_is_not_for_it(process, subject):
    world = Watched()
    world.checkers.read(process, subject)

    (text,) = world.found()
    assert text.startswith("I9: ") and process in text and subject in text


@pytest.mark.parametrize(
    ("process", "subject"),
    [
        ("agent-c1-1", "mcs.obs.*.cluster"),
        ("agent-c1-1", "mcs.obs.*.delegate.c1"),
        ("agent-c1-1", "mcs.dec.c1.*"),
        ("agent-a-b-1", "mcs.dec.*.a-b"),
        ("agent-c1-1", "mcs.ctl.c2.c1.dependency"),
        ("scheduler-1", "mcs.obs.>"),
        ("scheduler-1", "mcs.ctl.c1._scheduler.resync"),
    ],
)
def test_reading_what_is_for_it(process, subject):
    world = Watched()
    world.checkers.read(process, subject)

    assert world.found() == []


def test_i9_a_mere_source_reads_no_decisions_for_a_target():
    world = Watched()
    world.join("c1", roles=("source",))
    world.checkers.read("agent-c1-1", "mcs.dec.c1.*")

    assert [text[:3] for text in world.found()] == ["I9:"]


def test_i9_writing_on_the_subjects_of_others():
    world = Watched()
    world.join("c1")
    at = world.broker.streams[Stream.OBSERVATIONS].last
    message = (world.observations[-1][1], world.observations[-1][3])
    world.checkers.acknowledged("agent-c1-1", Stream.OBSERVATIONS, at, [message])
    assert world.found() == []
    world.checkers.acknowledged("agent-c2-1", Stream.OBSERVATIONS, at, [message])

    (text,) = world.found()
    assert text.startswith("I9: ") and "agent-c2-1 wrote on mcs.obs.c1" in text


async def test_i10_a_secret_in_the_log_in_a_record_in_an_object_in_an_error():
    world = Watched("c1", secrets=[SECRET])
    cluster = world.clusters["c1"]
    await cluster.create(
        SECRETS,
        {"metadata": {"name": "s"}, "stringData": {"password": SECRET}},
        namespace="default",
    )
    logging.getLogger("mcs.services.x").warning("nothing to see")
    world.checkers.said("agent-c1-1", "nothing to hear")
    assert world.found() == []
    world.store(subjects.TICKS, b'"%s"' % SECRET.encode())
    logging.getLogger("mcs.services.x").warning("it is %s", SECRET)
    event = {"metadata": {"name": "e"}, "message": f"it is {SECRET}"}
    await cluster.create(EVENTS, event, namespace="default")
    world.checkers.said("agent-c1-1", f"it is {SECRET}")
    world.checkers.close()
    logging.getLogger("mcs.services.x").warning("it is %s", SECRET)

    found = world.found()
    assert all(text.startswith("I10: ") for text in found)
    places = ("on mcs.obs._clock", "mcs.services.x", "events default/e in c1", "agent-c1-1 said")
    assert len(found) == 4
    assert all(place in text for place, text in zip(places, found, strict=True))
    assert not any(SECRET in text for text in found)
