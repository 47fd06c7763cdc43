"""Every log that was ever written folds for ever: the recorded ones, with the code of today."""

import json
from typing import get_args

import pytest

from mcs.decisions.framing import frame_cycle
from mcs.decisions.scheduling import schedule
from mcs.errors import BadFrame
from mcs.events import SCHEMA, Decision, Observation, codec
from mcs.events.decisions import CycleMarked, SchedulerClaimed
from mcs.events.frames import digest
from mcs.names import Keys
from mcs.ports import Stream
from mcs.projections.state import RULES
from mcs.services.verifying import verify
from tests.histories.record import (
    fold,
    histories,
    lines,
    numbers,
    read,
    states,
    states_of,
    story,
)
from tests.stored import StoredLog

HISTORIES = histories()
HOW = "python -m tests.histories.record"

every = pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)


def log(path):
    return [(stream, stored) for stream, stored, _ in read(path)]


def decoded(path):
    """Each readable frame with its stream, its message, and what of it is not known."""
    for stream, stored in log(path):
        decode = codec.decode_decision if stream is Stream.DECISIONS else codec.decode_observation
        try:
            frame, unknown = decode(stored.subject, stored.data)
        except BadFrame:
            continue
        yield stream, stored, frame, unknown


def test_every_schema_has_a_history():
    missing = set(range(1, SCHEMA + 1)) - {numbers(path)[0] for path in HISTORIES}
    assert not missing, f"record the history of schema {SCHEMA}: {HOW} --history"


def test_what_todays_rules_decide_has_a_history():
    found = {numbers(path) for path in HISTORIES}
    assert (SCHEMA, RULES) in found, f"record it: {HOW} --history"


@every
def test_it_is_whole_and_each_frame_has_the_digest_it_had(path):
    last = dict.fromkeys(Stream, 0)
    for stream, stored, known in read(path):
        assert stored.sequence == last[stream] + 1
        last[stream] = stored.sequence
        assert digest(stored.subject, stored.data) == known
    assert path.stat().st_size < 300_000


@every
def test_frames_of_todays_schema_are_written_again_byte_for_byte(path):
    again = [
        codec.encode(frame) == stored.data
        for _, stored, frame, unknown in decoded(path)
        if frame.schema == SCHEMA and not unknown
    ]

    assert all(again)
    assert (len(again) > 50) is (numbers(path)[0] == SCHEMA)


@every
def test_the_states_are_those_that_todays_rules_folded_when_they_were_recorded(path):
    recorded = states_of(path)
    assert recorded.exists(), (
        f"nothing is recorded of what rules {RULES} fold from {path.name}: {HOW}, and commit "
        f"{recorded.name} beside those of older rules, which stay"
    )

    assert states(log(path)) == json.loads(recorded.read_text()), (
        f"{path.name} folds otherwise than before: raise RULES in mcs/projections/state.py, "
        f"then {HOW}"
    )


@every
def test_every_cycle_that_todays_rules_decided_is_derived_again_byte_for_byte_i4(path):
    history = log(path)
    frames = {}
    for stream, stored, frame, _ in decoded(path):
        if stream is Stream.DECISIONS:
            frames.setdefault(frame.cycle, []).append((frame, (stored.subject, stored.data)))
    derived = []

    def derive(state, _, first):
        cycle = frames[first.cycle]
        given = tuple(event for frame, _ in cycle for event in frame.events)
        claims = isinstance(given[0], SchedulerClaimed)
        if claims or state.rules != RULES:
            return
        events = schedule(state, Keys()) or (CycleMarked(),)
        made = frame_cycle(state, first.reign, events).messages
        assert made == tuple(message for _, message in cycle), f"cycle {first.cycle}"
        derived.append(first.cycle)

    fold(history, derive)

    assert (len(derived) > 20) is (numbers(path)[1] == RULES)


@every
async def test_it_is_clean_and_derivable_where_its_rules_are_todays(path):
    history = log(path)
    streams = ([each for name, each in history if name is stream] for stream in Stream)

    found = await verify(StoredLog(*streams), Keys(), now_s=0)

    assert found.clean, found.differences
    rules, cycles = numbers(path)[1], found.counts.cycles
    assert found.counts.foreign_rules == ({} if rules == RULES else {rules: cycles})
    assert found.whole is (rules == RULES)


def test_the_newest_history_tells_everything_that_can_be_said():
    path = HISTORIES[-1]
    told = {type(event) for _, _, frame, _ in decoded(path) for event in frame.events}

    assert told == {*get_args(Observation), *get_args(Decision)}
    state = fold(log(path))
    assert state.reign == 2
    assert {"unreadable frame", "unreadable event node.melted"} <= set(state.parked)
    assert any("another cluster" in kind for kind in state.parked)


def test_the_story_is_told_the_same_way_each_time():
    assert list(lines(story().log)) == list(lines(story().log))
