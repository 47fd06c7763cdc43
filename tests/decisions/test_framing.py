"""Cycles as frames: order, chains, sizes."""

from mcs.decisions.budget import subject_of
from mcs.decisions.framing import frame_cycle
from mcs.events.decisions import ClusterLost, PodDeferred, PodPlaced
from mcs.events.event import Last
from mcs.events.frames import FRAME_BYTES, digest
from tests.building import World, node, proxy


def deferred(source):
    return PodDeferred(uid="u", source=source, namespace="n", name="p")


def placed(target, source, size=0):
    return PodPlaced(
        placement="u.1",
        uid="u",
        source=source,
        target=target,
        namespace="n",
        name="p",
        delegate="d",
        manifest="x" * size,
        node="n1",
    )


def test_frames_stand_in_the_order_of_their_subjects_and_are_chained():
    world = World()
    before = world.state.decided

    cycle = frame_cycle(
        world.state, 1, (deferred("c2"), placed("c2", "c1"), placed("c1", "c2"), deferred("c1"))
    )

    subjects = [subject for subject, _ in cycle.messages]
    assert subjects == ["mcs.dec._.c1", "mcs.dec._.c2", "mcs.dec.c1.c2", "mcs.dec.c2.c1"]
    digests = [before.digest, *(digest(*message) for message in cycle.messages)]
    assert [frame.previous for frame in cycle.frames] == digests[:-1]
    assert [(frame.index, frame.count) for frame in cycle.frames] == [(i, 4) for i in range(4)]


def test_a_subjects_frames_name_the_one_before_on_it():
    world = World()
    world.join("c1", node())
    world.proxies("c1", proxy("u1"), proxy("u2"))
    world.cycle()
    (sequence, subject, data, _) = world.decisions[-1]
    world.proxies("c1", proxy("u3"))

    (frame,) = frame_cycle(world.state, 1, (placed("c1", "c1"),)).frames

    assert frame.last == Last(sequence=sequence, digest=digest(subject, data))


def test_large_cycles_split_at_the_border_of_events():
    world = World()
    events = tuple(placed("c1", "c1", FRAME_BYTES // 3) for _ in range(5))

    cycle = frame_cycle(world.state, 1, events)

    assert [len(frame.events) for frame in cycle.frames] == [2, 2, 1]
    assert all(len(data) <= FRAME_BYTES + 2048 for _, data in cycle.messages)
    lasts = [frame.last.digest for frame in cycle.frames]
    assert lasts == ["", *(digest(*message) for message in cycle.messages[:-1])]


def test_what_concerns_everybody_has_a_subject_of_its_own():
    assert subject_of(ClusterLost(cluster="c1")) == "mcs.dec._._"
