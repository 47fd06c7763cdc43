"""Whole runs: the same each time, and a broken rule is told with its seed."""

import os
import subprocess
import sys

import pytest

from mcs.simulation import running
from mcs.simulation.checkers import Checkers, Violation
from mcs.simulation.drawing import draw
from mcs.simulation.plan import Burst, ClusterPlan, Kill, LoseTail, Plan
from mcs.simulation.running import run

QUIET = Plan(
    seed=1,
    clusters=(ClusterPlan(name="c1", nodes=(1000,)), ClusterPlan(name="c2", nodes=(2000,))),
    schedulers=1,
    lost_after_s=20,
    act_one_s=15,
    work=(Burst(at_s=5, cluster="c1", name="b", count=4, milli=400, run_s=2),),
    accidents=(),
)
DIGESTS = """
import logging, sys
from mcs.simulation.drawing import draw
from mcs.simulation.running import run
logging.disable(logging.CRITICAL)
for seed in sys.argv[1:]:
    print(seed, run(draw(int(seed))).digest)
"""


def test_a_quiet_plan_runs_to_its_end():
    outcome = run(QUIET, whole=True)
    assert outcome.failure == ""
    assert outcome.pods == 4
    assert outcome.happened == {}
    assert 15 < outcome.lasted_s < 60
    assert len(outcome.log) == outcome.events


def test_a_run_is_the_same_in_any_process():
    """Strings hash otherwise in each of them, so sets would be walked in another order."""
    seeds = ["3", "9", "17", "44"]  # the second one through the adapter for NATS
    told = []
    for number in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": number}
        command = [sys.executable, "-c", DIGESTS, *seeds]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        told.append(done.stdout)
    here = "".join(f"{seed} {run(draw(int(seed))).digest}\n" for seed in seeds)
    assert told == [here, here]


def test_one_accident_more_is_another_run():
    kill = Kill(at_s=6, process="agent-c1-1", calls=0, down_s=1)
    assert run(QUIET).digest == run(QUIET).digest
    assert run(QUIET).digest != run(QUIET.only(accidents=(kill,))).digest


def test_a_broken_rule_ends_the_run_and_is_named(monkeypatch):
    def broken(self):
        if self.pods:
            raise Violation("I7", "somebody deleted it", 6.0)

    monkeypatch.setattr(Checkers, "check", broken)
    outcome = run(QUIET)
    assert outcome.invariant == "I7"
    assert "somebody deleted it" in outcome.failure
    assert outcome.lasted_s < 15
    assert outcome.log


def test_an_error_of_the_simulator_is_no_failure_of_mcs(monkeypatch):
    def broken(self):
        raise ZeroDivisionError

    monkeypatch.setattr(Checkers, "check", broken)
    with pytest.raises(BaseExceptionGroup):
        run(QUIET)


@pytest.mark.parametrize("stream", ["OBSERVATIONS", "DECISIONS"])
def test_a_loss_of_acknowledged_messages_is_said(stream):
    plan = QUIET.only(accidents=(LoseTail(at_s=8, stream=stream, count=3, for_s=1),))
    outcome = run(plan, whole=True)
    assert outcome.failure == ""
    said = [told.what for told in outcome.story if told.what.startswith("ends:")]
    assert said


def test_a_loss_that_nobody_says_is_a_failure(monkeypatch):
    monkeypatch.setattr(running, "_said", lambda world: [])
    plan = QUIET.only(accidents=(LoseTail(at_s=8, stream="DECISIONS", count=3, for_s=1),))
    assert run(plan).invariant == "I6"


def test_what_never_ends_is_a_failure():
    endless = QUIET.only(
        work=(Burst(at_s=5, cluster="c1", name="b", count=1, milli=100, run_s=1e9),)
    )
    outcome = run(endless)
    assert outcome.invariant == "I2"
    assert "c1/b-0" in outcome.failure
