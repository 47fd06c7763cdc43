"""The simulator's checkers can fail: each deliberate defect is caught by some seed, and named."""

import pytest

from mcs.simulation.drawing import draw
from mcs.simulation.running import run
from tests.defects.catching import BUDGET, first_catch, found
from tests.defects.table import DEFECTS
from tests.defects.telling import PAGE, section

FOUND = found()


@pytest.mark.simulator
@pytest.mark.parametrize("name", DEFECTS)
def test_the_simulator_catches(name):
    """The seed that caught it last time is tried first; when seeds mean other runs than they did
    then, another one may do.
    """
    defect = DEFECTS[name]
    seeds = [FOUND[name].seed] if name in FOUND else []
    catch = first_catch(name, [*seeds, *range(1, BUDGET + 1)])
    assert catch is not None, f"no seed up to {BUDGET} notices that {defect.what}"
    assert catch.invariant in defect.caught_by


@pytest.mark.simulator
@pytest.mark.parametrize("seed", sorted({catch.seed for catch in FOUND.values()}))
def test_the_seeds_that_catch_defects_catch_nothing_else(seed):
    assert run(draw(seed)).failure == ""


def test_a_defect_ends_with_its_test():
    defect = DEFECTS["a booking not counted in its own cycle"]
    function = defect.edits[0].function
    before = function.__code__
    with defect.switched_on():
        assert function.__code__ is not before
    assert function.__code__ is before


@pytest.mark.parametrize("name", DEFECTS)
def test_every_defect_is_still_one(name):
    """The lines that it changes are there, once."""
    with DEFECTS[name].switched_on():
        pass


def test_there_are_many_and_all_rules_have_some():
    assert len(DEFECTS) >= 20
    named = {invariant for defect in DEFECTS.values() for invariant in defect.caught_by}
    assert named >= {f"I{number}" for number in range(1, 11)} | {"crash", "determinism"}


def test_what_caught_them_is_what_the_page_says():
    """``python -m tests.defects.telling`` writes it."""
    assert section() in PAGE.read_text()


def test_a_defect_is_caught_by_a_rule_that_is_named_for_it():
    assert [name for name in DEFECTS if name not in FOUND] == []
    assert [n for n, c in FOUND.items() if c.invariant not in DEFECTS[n].caught_by] == []
