"""The checkers themselves: each finds the violation that it is there for. No cluster is needed."""

from types import SimpleNamespace

import pytest

from mcs.events.decisions import PlacementWithdrawn, PodPlaced
from tests.building import World, node, proxy
from tests.kubernetes.invariants import Audited, check_lives, unfinished
from tests.kubernetes.sightings import Life, Sightings


def world():
    made = World()
    made.join("c1", node(cpu=1000))
    return made


def placement(id, *, cpu=200):
    uid = id.partition(".")[0]
    return PodPlaced(
        placement=id,
        uid=uid,
        source="c1",
        target="c1",
        namespace="default",
        name=f"pod-{uid}",
        delegate=f"c1-default-pod-{uid}",
        manifest="{}",
        node="n1",
        requests={"cpu": cpu},
    )


def audit(world, disturb=lambda state: None):
    state = Audited()
    for sequence, subject, data, frame in world.decisions:
        while state.observed.sequence < frame.based_on:
            state.observe(*world.observations[state.observed.sequence])
        disturb(state)
        state.decide(sequence, subject, data, frame)
    return state


def test_a_sound_log_passes():
    made = world()
    made.proxies("c1", proxy("u1"), proxy("u2"))
    made.cycle()
    made.mark()

    state = audit(made)

    assert state.placements == {"u1.1": "u1", "u2.1": "u2"}
    assert (state.reigns, state.cycles) == (1, 2)


@pytest.mark.parametrize(
    ("decided", "broken"),
    [
        ([placement("u1.1"), placement("u1.2")], "I1: .* u1.2 .* while u1.1 lives"),
        ([placement("u1.1", cpu=600), placement("u2.1", cpu=600)], "I5: .* books u2.1 .* cpu"),
        ([placement("u1.1", cpu=1001)], "I5: .* books u1.1 .* cpu"),
    ],
)
def test_a_cycle_that_breaks_an_invariant_is_found(decided, broken):
    made = world()
    made.proxies("c1", proxy("u1"), proxy("u2"))
    made._append(decided)

    with pytest.raises(AssertionError, match=broken):
        audit(made)


def test_a_second_placement_in_a_later_cycle_is_found():
    made = world()
    made.proxies("c1", proxy("u1"))
    made.cycle()
    made._append([placement("u1.2")])

    with pytest.raises(AssertionError, match=r"I1: .* u1\.2 .* while u1\.1 lives"):
        audit(made)


def test_a_decision_that_does_not_follow_from_its_state_is_found():
    made = world()
    made.proxies("c1", proxy("u1"))
    withdrawn = PlacementWithdrawn(
        **{
            field: getattr(placement("u1.1"), field)
            for field in ("placement", "uid", "source", "target", "namespace", "name", "delegate")
        },
        reason="none",
    )
    made._append([withdrawn])

    with pytest.raises(AssertionError, match=r"I4: cycle 2 .* differs"):
        audit(made)


def test_a_changed_observation_is_found():
    made = world()
    made.proxies("c1", proxy("u1"))
    made.cycle()
    sequence, subject, _, data = made.observations[1]
    made.observations[1] = sequence, subject, 1, data

    with pytest.raises(AssertionError, match=r"I3: cycle 2 .* other observations"):
        audit(made)


def test_another_state_than_the_recorded_one_is_found():
    made = world()
    made.proxies("c1", proxy("u1"))
    made.cycle()

    def disturb(state):
        state.elapsed_ms += 1

    with pytest.raises(AssertionError, match=r"I3: cycle 1 .* in state"):
        audit(made, disturb)


PROXY = {"elected": True, "node": "mcs-c2", "phases": ["Pending", "Running"]}
DELEGATE = {"proxy_uid": "u1", "attempt": "1", "node": "n1", "phases": ["Running"]}


def seen(*lives):
    sightings = Sightings({})
    sightings.lives = {life.uid: life for life in lives}
    return sightings


def life(uid, cluster="c2", **fields):
    return Life(cluster, uid, "space", f"pod-{uid}", **fields)


def log(**ordered):
    return SimpleNamespace(placements={"u1.1": "u1", "u1.2": "u1"}, ordered=ordered)


def pair(proxy=(), delegate=()):
    return life("u1", "c1", **{**PROXY, **dict(proxy)}), life(
        "d1", **{**DELEGATE, **dict(delegate)}
    )


def test_lives_as_they_should_be_pass():
    check_lives(seen(*pair()), log(), namespace="space")
    assert unfinished(seen(*pair()), "space") == []


@pytest.mark.parametrize(
    ("lives", "broken"),
    [
        ((*pair(), life("d2", **{**DELEGATE, "attempt": "2"})), "I1: .* more than once"),
        ((*pair(), life("d2", **DELEGATE)), "I1: u1.1 was created 2 times"),
        (pair(delegate={"attempt": "3"}), "I7: nobody placed"),
        (pair(delegate={"deleting": True}), "I7: .* without a decision"),
        (pair(delegate={"gone": True}), "I7: .* without a decision"),
        (pair(proxy={"deleting": True}), "I7: .* nobody asked"),
        (pair(delegate={"phases": ["Pending"]}), "I2: .* nothing ran"),
        (pair(delegate={"restarts": 1}), "I7: .* restarted"),
    ],
)
def test_a_life_that_breaks_an_invariant_is_found(lives, broken):
    with pytest.raises(AssertionError, match=broken):
        check_lives(seen(*lives), log(), namespace="space")


def test_what_was_decided_or_asked_for_is_no_violation():
    lives = seen(*pair(proxy={"deleting": True}, delegate={"deleting": True, "gone": True}))

    check_lives(lives, log(**{"u1.1": ["PlacementWithdrawn"]}), namespace="space", deleted={"u1"})


@pytest.mark.parametrize(
    ("lives", "problem"),
    [
        (pair(proxy={"gone": True}), "outlives its proxy"),
        (pair(proxy={"deleting": True}), "still being deleted"),
        (pair(proxy={"phases": ["Pending"]}), "is Pending"),
        (pair(delegate={"gone": True}), "is Running, with"),
    ],
)
def test_what_has_not_settled_is_named(lives, problem):
    (found,) = unfinished(seen(*lives), "space")

    assert problem in found
