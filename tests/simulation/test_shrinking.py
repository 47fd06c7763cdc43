"""Smaller plans that still fail by the same rule."""

from mcs.simulation.drawing import draw
from mcs.simulation.plan import Burst, Kill
from mcs.simulation.running import Outcome
from mcs.simulation.shrinking import shrink


def fails_if(condition):
    def run(plan):
        broken = condition(plan)
        return Outcome(plan=plan, failure="I9: it is so" if broken else "", invariant="I9" * broken)

    return run


def rich_plan(condition):
    return next(
        plan
        for plan in (draw(seed) for seed in range(1, 500))
        if condition(plan) and len(plan.accidents) >= 12 and len(plan.work) >= 4
    )


def test_only_what_a_failure_needs_is_left():
    def condition(plan):
        kinds = [type(item) for item in plan.accidents]
        return Kill in kinds and any(isinstance(item, Burst) for item in plan.work)

    run = fails_if(condition)
    smallest, runs = shrink(run(rich_plan(condition)), run)
    assert [type(item) for item in smallest.plan.accidents] == [Kill]
    assert [type(item) for item in smallest.plan.work] == [Burst]
    killed = smallest.plan.accidents[0].process
    assert smallest.plan.schedulers == (2 if killed == "scheduler-2" else 1)
    assert all(cluster.agents == 1 for cluster in smallest.plan.clusters)
    assert 0 < runs <= 150


def test_another_failure_is_not_taken_for_the_same():
    plan = rich_plan(lambda plan: True)
    failed = Outcome(plan=plan, failure="I1: two", invariant="I1")
    smallest, _ = shrink(failed, fails_if(lambda plan: True))
    assert smallest is failed


def test_it_is_bounded():
    count = []

    def run(plan):
        count.append(plan)
        return Outcome(plan=plan)

    plan = rich_plan(lambda plan: True)
    _, runs = shrink(Outcome(plan=plan, invariant="I1", failure="x"), run, runs_max=7)
    assert runs == len(count) == 7
