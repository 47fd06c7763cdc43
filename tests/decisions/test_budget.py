"""A cycle's budget, for single decisions and for those that stand or fall together."""

import msgspec
import pytest

from mcs.decisions.budget import Budget
from mcs.events.decisions import Policy
from tests.decisions.placements import placed

SIZE = len(msgspec.json.encode(placed())) + 1


def test_the_first_decision_always_fits():
    budget = Budget(Policy(cycle_bytes=10))

    assert budget.take(placed())
    assert not budget.take(placed())
    assert budget.taken == (placed(),)


@pytest.mark.parametrize(("room", "fits"), [(3 * SIZE, True), (3 * SIZE - 1, False)])
def test_a_gang_is_taken_whole_or_not_at_all(room, fits):
    budget = Budget(Policy(cycle_bytes=room))
    budget.take(placed())

    assert budget.take_all([placed()] * 2) == fits
    assert len(budget.taken) == (3 if fits else 1)
    assert budget.take(placed()) == (not fits)


def test_what_was_taken_whole_counts_in_what_follows():
    budget = Budget(Policy(cycle_bytes=3 * SIZE))

    assert budget.take_all([placed()] * 2)
    assert budget.take(placed())
    assert not budget.take(placed())


def test_a_gang_needs_frames_for_all_its_clusters():
    gang = [msgspec.structs.replace(placed(), target=f"c{number}") for number in range(3)]

    assert not Budget(Policy(cycle_frames=2)).take_all(gang)
    assert Budget(Policy(cycle_frames=3)).take_all(gang)


def test_a_gang_beyond_the_budget_is_told_from_one_that_came_late():
    budget = Budget(Policy(cycle_bytes=3 * SIZE))
    budget.take(placed())

    assert not budget.take_all([placed()] * 3)
    assert budget.holds([placed()] * 3)
    assert not budget.holds([placed()] * 4)
    assert budget.taken == (placed(),)
