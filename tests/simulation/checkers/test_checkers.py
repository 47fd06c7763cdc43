"""A whole federation in calm weather breaks no rule, and gives every checker something to look at.

Defects that are switched on in it are found: so the checkers see what they are to watch.
"""

import asyncio
import logging

import pytest

from mcs.adapters.memory_log import MemoryBroker
from mcs.ports import Stream
from mcs.simulation.checkers import Checkers, Violation
from mcs.simulation.loop import VirtualClock, run_virtually
from mcs.simulation.plan import Burst, ClusterPlan, DeletePod, Plan
from mcs.simulation.running import run
from mcs.simulation.world import World
from tests.simulation.checkers.watched import KEYS

CLUSTERS = (
    ClusterPlan(name="c1", nodes=(1000,)),
    ClusterPlan(name="c2", nodes=(1000, 500), roles=("target",)),
)
WORK = (
    Burst(at_s=5.0, cluster="c1", name="many", count=6, milli=300, run_s=4.0),
    Burst(at_s=6.0, cluster="c1", name="bad", count=1, milli=100, run_s=2.0, exit_code=3),
    Burst(at_s=6.0, cluster="c1", name="never", count=1, milli=5000, run_s=2.0),
    Burst(at_s=7.0, cluster="c1", name="nowhere", count=1, milli=100, run_s=2.0, selector=True),
    DeletePod(at_s=8.0, number=1),
)
PLAN = Plan(
    seed=7,
    clusters=CLUSTERS,
    schedulers=1,
    lost_after_s=20,
    act_one_s=15.0,
    work=WORK,
    accidents=(),
)


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def seen(monkeypatch):
    """The checkers of the worlds that are made."""
    made = []

    class Kept(Checkers):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            made.append(self)

    monkeypatch.setattr("mcs.simulation.world.Checkers", Kept)
    return made


def test_a_calm_federation_breaks_no_rule(seen):
    outcome = run(PLAN)

    (checkers,) = seen
    assert outcome.failure == ""
    assert checkers.pods == 9
    replayed = checkers.journal.replayed
    assert replayed.cycles >= 10
    assert len(replayed.accounts.placed) >= 6
    phases = [life.phase for life in checkers.sightings.proxies.values() if not life.gone]
    assert phases.count("Pending") == 2
    assert phases.count("Failed") == 1
    assert phases.count("Succeeded") >= 4


def test_a_live_scheduler_is_where_its_replay_is(seen):
    async def main():
        world = World(PLAN)
        async with asyncio.TaskGroup() as tasks:
            living = tasks.create_task(world.run())
            await asyncio.sleep(12.0)
            (scheduler,) = world.schedulers.values()
            assert scheduler.state.decided.sequence > 1
            world.checkers.folded("scheduler-1", scheduler.state)
            world.checkers.check()
            scheduler.state.membership.members["c1"].cordoned = True
            world.checkers.folded("scheduler-1", scheduler.state)
            with pytest.raises(Violation) as raised:
                world.checkers.check()
            assert raised.value.invariant == "I3"
            assert "members[c1].cordoned is False, not True" in raised.value.text
            living.cancel()

    run_virtually(main())


def defect(monkeypatch, where, broken):
    monkeypatch.setattr(where, broken)
    outcome = run(PLAN)
    return outcome.invariant, outcome.failure


def test_a_forgotten_booking_is_caught(monkeypatch):
    broken = "mcs.decisions.scoring.Scores.book"
    invariant, text = defect(monkeypatch, broken, lambda *_: None)

    assert invariant == "I5", text


def test_what_a_broker_held_before_is_read_too():
    async def main():
        broker = MemoryBroker(VirtualClock())
        broker.store([("mcs.dec._._", b"not a frame")])
        checkers = Checkers(broker, {}, KEYS)
        with pytest.raises(Violation) as raised:
            checkers.check()
        assert raised.value.invariant == "I4"
        assert "decision 1 cannot be read" in str(raised.value)
        assert checkers.journal.last(Stream.DECISIONS) == 1

    run_virtually(main())
