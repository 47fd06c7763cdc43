"""Plans: the same from the same seed, of all kinds from many."""

import msgspec

from mcs.simulation.drawing import draw, processes
from mcs.simulation.plan import Accident, Gang, Job, Kill, LossyWay, Plan, Work

SEEDS = range(400)


def test_a_seed_means_one_plan():
    assert all(draw(seed) == draw(seed) for seed in range(20))
    assert len({msgspec.json.encode(draw(seed).only(seed=0)) for seed in SEEDS}) == len(SEEDS)


def test_a_plan_is_data():
    for seed in range(50):
        plan = draw(seed)
        assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_everything_is_drawn_by_some_seed():
    plans = [draw(seed) for seed in SEEDS]
    assert {type(item) for plan in plans for item in plan.work} == set(Work.__args__)
    assert {type(item) for plan in plans for item in plan.accidents} == set(Accident.__args__)
    assert any(isinstance(item, Job) and item.size for plan in plans for item in plan.work)
    assert any(not plan.accidents for plan in plans)
    assert any(plan.damaging for plan in plans)
    assert any(plan.adapter for plan in plans)
    assert any(isinstance(item, Gang) and item.other_milli for plan in plans for item in plan.work)


def test_plans_make_sense():
    for seed in SEEDS:
        plan = draw(seed)
        names = processes(plan.clusters, plan.schedulers)
        assert "source" in plan.clusters[0].roles
        assert all(item.at_s < plan.act_one_s for item in (*plan.work, *plan.accidents))
        assert all(item.process in names for item in plan.accidents if isinstance(item, Kill))
        lossy = [item for item in plan.accidents if isinstance(item, LossyWay)]
        assert plan.adapter or not lossy
        assert list(plan.work) == sorted(plan.work, key=lambda item: item.at_s)


def test_an_item_tells_itself():
    item = Kill(at_s=3.25, process="agent-c1-1", calls=2, down_s=1.0)
    assert str(item) == "   3.25 s  Kill process=agent-c1-1 calls=2 down_s=1.0"
