"""Crowded plans: the same things, closer together, and still of act one."""

from random import Random

from mcs.simulation.crowding import Crowd
from mcs.simulation.plan import Kill, Pause

ACT_S = 30.0


def gathered(seed, items):
    return Crowd(Random(seed), ACT_S).gather(items)


def test_nothing_comes_or_goes_and_all_stays_in_act_one():
    items = [Pause(at_s=28.4, process=f"p{number}", for_s=10.0) for number in range(50)]
    for seed in range(50):
        found = gathered(seed, items)
        assert [item.process for item in found] == [item.process for item in items]
        assert all(4 <= item.at_s <= ACT_S * 0.95 for item in found)
        assert all(0 < item.for_s <= 10.0 for item in found)


def test_most_things_happen_within_seconds_of_a_few_moments():
    items = [Kill(at_s=1.0, process="p", calls=3, down_s=5.0) for _ in range(200)]
    moved = [item for item in gathered(7, items) if item.at_s != 1.0]
    seconds = {int(item.at_s) for item in moved}

    assert 110 < len(moved) < 170
    assert len(seconds) < 20
    assert 30 < sum(item.down_s < 5.0 for item in moved) < 120
    assert all(item.calls == 3 for item in moved)
