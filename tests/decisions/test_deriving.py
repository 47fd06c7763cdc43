"""Cycles are derived again; claims have rules of their own; other rules are left alone."""

import msgspec
import pytest

from mcs.decisions.deriving import Derivation, claim_problem, derivation, derive
from mcs.events.decisions import CycleMarked, Policy, PolicyActivated, SchedulerClaimed
from mcs.events.frames import SCHEMA, DecisionFrame
from mcs.projections.state import RULES, State
from tests.building import World, node, proxy


def world():
    made = World()
    made.join("c1", node("n1"))
    made.proxies("c1", proxy("u1"))
    return made


def claim(*events, reign=2):
    return DecisionFrame(
        reign=reign,
        cycle=2,
        based_on=0,
        previous="",
        observed="",
        state="",
        events=(SchedulerClaimed(reign=reign, id="x"), *events),
    )


def activated(**fields):
    fields = {"rules": RULES, "schema": SCHEMA, "version": "t", "policy": Policy(), **fields}
    return PolicyActivated(**fields)


def test_a_cycle_is_derived_byte_for_byte():
    made = world()
    before = made.replay()
    made.cycle()
    _, subject, data, frame = made.decisions[-1]

    assert derivation(before, frame) is Derivation.DECIDED
    assert derive(before, made.keys, frame).messages == ((subject, data),)


def test_a_mark_is_derived_where_there_is_nothing_to_decide():
    made = World()
    before = made.replay()
    made.mark()

    (message,) = derive(before, made.keys, made.decisions[-1][3]).messages

    assert message == made.decisions[-1][1:3]


def test_a_claim_is_written_again_around_what_it_holds():
    _, subject, data, frame = World().decisions[0]

    assert derivation(State(), frame) is Derivation.CLAIMED
    assert derive(State(), World().keys, frame).messages == ((subject, data),)


@pytest.mark.parametrize("newer", [{"rules": RULES + 1}, {"schema": SCHEMA + 1}])
def test_what_is_decided_by_rules_to_come_cannot_be_derived(newer):
    state = world().state
    frame = claim(activated(**newer))
    assert derivation(state, frame) is Derivation.FOREIGN_RULES

    state.rules, state.schema = newer.get("rules", RULES), newer.get("schema", SCHEMA)
    mark = msgspec.structs.replace(frame, events=(CycleMarked(),))
    assert derivation(state, mark) is Derivation.FOREIGN_RULES


def test_what_is_decided_under_a_policy_to_come_cannot_be_derived():
    state, cheapest = world().state, Policy(score="cheapest")
    frame = claim(activated(policy=cheapest))
    assert derivation(state, frame) is Derivation.FOREIGN_RULES

    state.policy = cheapest
    mark = msgspec.structs.replace(frame, events=(CycleMarked(),))
    assert derivation(state, mark) is Derivation.FOREIGN_RULES
    assert derivation(state, claim(activated())) is Derivation.CLAIMED


def test_a_claim_that_brings_our_rules_back_is_derived():
    state = world().state
    state.rules = RULES + 1

    assert derivation(state, claim(activated())) is Derivation.CLAIMED


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (claim(), ""),
        (claim(activated(policy=Policy(backoff_s=1))), ""),
        (claim(reign=3), "a claim of reign 3 follows reign 1"),
        (claim(activated()), "a claim activates the policy that holds already"),
        (
            claim(CycleMarked()),
            "a claim stands with other decisions than the activation of a policy",
        ),
        (
            msgspec.structs.replace(
                claim(), events=(CycleMarked(), SchedulerClaimed(reign=2, id="x"))
            ),
            "a claim stands behind another decision",
        ),
    ],
)
def test_a_claim_has_rules_of_its_own(frame, problem):
    assert claim_problem(world().state, frame) == problem


def test_the_first_claim_brings_a_policy():
    assert claim_problem(State(), claim(reign=1)) == "the first claim activates no policy"
