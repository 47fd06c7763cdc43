"""Everything that happened to a pod: steps, time between them, stages and attempts."""

import pytest

from mcs.events.observations import DelegateGone, DelegateRejected, End, Phase, ProxyGone
from mcs.views.histories import Stage, history_of
from mcs.views.lines import Teller
from tests.building import World, delegate, deleted, node, proxy
from tests.services.logs import WorldLog

NAMED = {"namespace": "default", "name": "d"}
BORN_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z, when proxies of `building` are created


def born(*proxies, cpu=1000, later_s=2):
    """A world in which c1 sees its proxies some seconds after their creation."""
    world = World()
    world.now_ns = BORN_NS - 60_000_000_000
    world.join("c1", node("n1", cpu=cpu))
    world.now_ns = BORN_NS + later_s * 1_000_000_000 - 1_000_000
    world.proxies("c1", *(proxies or (proxy("u1"),)))
    return world


def lines_in_time(world):
    log, teller = WorldLog(world), Teller()
    messages = [each for stream in log.broker.streams.values() for each in stream.messages]
    messages.sort(key=lambda stored: stored.time_ns)
    return [line for stored in messages for line in teller.lines(stored)], teller.names


def history(world, uid="u1", later_s=0):
    lines, names = lines_in_time(world)
    return history_of(uid, names.proxies[uid], lines, world.now_ns + later_s * 1_000_000_000)


def seconds(found):
    return {str(stage): round(each, 1) for stage, each in found.stages.items()}


def whole_life():
    """2 s until it is seen, 1 s to be placed, 3 to start, 10 to run, 60 kept, 4 to go."""
    world = born()
    world.tick(1)
    world.cycle()
    world.tick(1)
    world.delegates("c1", "c1", delegate("u1.1", node="n1"))
    world.tick(3)
    world.delegates("c1", "c1", delegate("u1.1", node="n1", phase=Phase.RUNNING))
    world.tick(10)
    world.delegates("c1", "c1", delegate("u1.1", node="n1", phase=Phase.SUCCEEDED))
    world.proxies("c1", proxy("u1", ended=True))
    world.tick(60)
    world.proxies("c1", deleted("u1"))
    world.cycle()
    world.tick(4)
    world.delegates("c1", "c1", DelegateGone(placement="u1.1", end=End.SUCCEEDED, **NAMED))
    world.cycle()
    world.proxies("c1", ProxyGone(uid="u1", namespace="default", name="pod-u1"))
    return world


def test_a_life_is_told_from_its_creation_to_its_end():
    found = history(whole_life())

    assert [str(step.stage) for step in found.steps] == [
        *("waiting", "waiting", "placing", "starting", "running", "ending", "ended"),
        *("ending", "ending", "ending", "ending", "over"),
    ]
    assert found.steps[0].line is None
    assert found.steps[0].time_ns == BORN_NS
    assert found.over


def test_times_between_steps_add_up_to_the_whole():
    found = history(whole_life(), later_s=1000)

    assert [round(step.after_s, 1) for step in found.steps] == [
        *(0.0, 2.0, 1.0, 1.0, 3.0, 10.0, 0.0, 60.0, 0.0, 4.0, 0.0, 0.0)
    ]
    assert sum(step.after_s for step in found.steps) == pytest.approx(found.total_s)


def test_each_stage_has_its_time():
    assert seconds(history(whole_life())) == {
        "waiting": 3.0,
        "placing": 1.0,
        "starting": 3.0,
        "running": 10.0,
        "ending": 4.0,
        "ended": 60.0,
    }


def test_the_last_stage_goes_on_to_the_moment_that_is_asked_about():
    found = history(born(), later_s=100)

    assert not found.over
    assert seconds(found) == {"waiting": 102.0}


def test_a_gated_pod_has_not_begun_to_wait():
    world = born(proxy("u1", gates=("g",)))
    world.tick(5)
    world.proxies("c1", proxy("u1"))
    world.tick(1)
    world.cycle()

    assert seconds(history(world)) == {"gated": 5.0, "waiting": 3.0, "placing": 0.0}


def test_attempts_are_told_apart():
    world = born()
    world.join("c2", node("n1", cpu=900))
    world.cycle()
    refused = DelegateRejected(placement="u1.1", reason="Forbidden", message="quota", **NAMED)
    world.tick(2)
    world.delegates("c1", "c1", refused)
    world.tick(3)
    world.cycle()

    found = history(world)

    assert [(step.attempt, str(step.stage)) for step in found.steps[2:]] == [
        (1, "placing"),
        (1, "waiting"),
        (2, "placing"),
    ]
    assert found.attempts == 2
    assert seconds(found)["placing"] == 2.0
    assert seconds(found)["waiting"] == 5.0


def test_a_withdrawal_to_try_elsewhere_is_no_end():
    world = born()
    world.cycle()
    world.delegates("c1", "c1", delegate("u1.1", unschedulable="no room"))
    world.tick(5, 8)
    (withdrawn, *_) = world.cycle()
    world.delegates("c1", "c1", delegate("u1.1", deleting=True))
    world.tick(1)
    world.delegates("c1", "c1", DelegateGone(placement="u1.1", end=End.DELETED, **NAMED))

    found = history(world)

    assert withdrawn.unbound_only
    assert [str(step.stage) for step in found.steps[-3:]] == ["starting", "starting", "waiting"]


def test_what_vanishes_unseen_ends():
    world = born()
    world.cycle()
    world.delegates("c1", "c1", delegate("u1.1", node="n1", phase=Phase.RUNNING))
    world.delegates("c1", "c1", DelegateGone(placement="u1.1", **NAMED))

    assert history(world).steps[-1].stage is Stage.ENDING


def test_other_pods_of_the_same_name_have_histories_of_their_own():
    world = whole_life()
    world.proxies("c1", proxy("u2", name="pod-u1", created="2026-01-01T00:01:20Z"))

    first, second = history(world, "u1"), history(world, "u2")

    assert first.over
    assert [step.line.sequence for step in second.steps if step.line] == [len(world.observations)]


def test_a_clock_that_is_ahead_is_said():
    found = history(born(later_s=-30))

    assert found.skew_s == pytest.approx(30, abs=0.1)
    assert found.steps[1].after_s == 0.0


@pytest.mark.parametrize("created", ["", "yesterday"])
def test_without_a_creation_it_begins_with_its_first_sight(created):
    found = history(born(proxy("u1", created=created)))

    assert len(found.steps) == 1
    assert found.steps[0].line is not None
