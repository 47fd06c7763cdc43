"""A stored cycle, derived again: what its append must have been, decided in the same state.

``schedule`` decides twice what it decided once, so every cycle can be held against the log byte for
byte (invariant I4). Two things cannot be derived: a claim, which chance and a person's settings
make (it has a rule of its own, and its frame is written again around it), and a cycle of rules, or
under a policy, that this version does not have.
"""

from __future__ import annotations

from enum import StrEnum

from mcs.decisions.framing import Cycle, frame_cycle
from mcs.decisions.policies.chosen import known
from mcs.decisions.scheduling import schedule
from mcs.events.decisions import (
    CycleMarked,
    Decision,
    Policy,
    PolicyActivated,
    SchedulerClaimed,
)
from mcs.events.frames import SCHEMA, DecisionFrame
from mcs.names import Keys
from mcs.projections.state import RULES, State


class Derivation(StrEnum):
    """How far a cycle can be derived again."""

    DECIDED = "decided"  # whole
    CLAIMED = "claimed"  # its frame, around a claim that only its scheduler could draw
    FOREIGN_RULES = "foreign rules"  # not by this version


def derivation(state: State, first: DecisionFrame) -> Derivation:
    """How far the cycle that begins with ``first`` can be derived; ``state`` is its boundary."""
    rules, schema = rules_of(state, first)
    if rules != RULES or schema > SCHEMA or not known(_policy(state, first).score):
        return Derivation.FOREIGN_RULES
    if any(isinstance(event, SchedulerClaimed) for event in first.events):
        return Derivation.CLAIMED
    return Derivation.DECIDED


def rules_of(state: State, first: DecisionFrame) -> tuple[int, int]:
    """The rules and the schema by which a cycle was decided and written: a claim's are those that
    it activates.
    """
    for event in first.events:
        if isinstance(event, PolicyActivated):
            return event.rules, event.schema
    return state.rules, state.schema


def _policy(state: State, first: DecisionFrame) -> Policy:
    for event in first.events:
        if isinstance(event, PolicyActivated):
            return event.policy
    return state.policy


def derive(state: State, keys: Keys, first: DecisionFrame) -> Cycle:
    """The append that a scheduler of these rules makes in ``state``, under its policy."""
    events: tuple[Decision, ...] = first.events
    claimed = derivation(state, first) is Derivation.CLAIMED
    if not claimed:
        events = schedule(state, keys) or (CycleMarked(),)
    _, schema = rules_of(state, first)
    return frame_cycle(state, state.reign + claimed, events, schema=schema)


def claim_problem(state: State, first: DecisionFrame) -> str:
    """Why nobody could have claimed like this, or nothing."""
    claim, *rest = first.events
    if not isinstance(claim, SchedulerClaimed):
        return "a claim stands behind another decision"
    if claim.reign != state.reign + 1:
        return f"a claim of reign {claim.reign} follows reign {state.reign}"
    if len(rest) > 1 or not all(isinstance(event, PolicyActivated) for event in rest):
        return "a claim stands with other decisions than the activation of a policy"
    for event in rest:
        if isinstance(event, PolicyActivated) and (
            (event.rules, event.schema, event.policy) == (state.rules, state.schema, state.policy)
        ):
            return "a claim activates the policy that holds already"
    if not rest and not state.rules:
        return "the first claim activates no policy"
    return ""
