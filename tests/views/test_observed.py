"""Each observation is one sentence that a person can read."""

from typing import get_args

import msgspec
import pytest

from mcs.events.observations import Observation, Phase
from mcs.views.naming import Names
from mcs.views.observed import observed, phase_word
from mcs.views.words import Sense, plain
from tests.views.events import OBSERVED


@pytest.fixture(scope="module")
def names():
    learned = Names()
    for event in OBSERVED.values():
        learned.learn(event, "c1")
    return learned


@pytest.mark.parametrize("sentence", OBSERVED)
def test_an_observation_is_told(sentence, names):
    # through the wire, as a reader gets it
    event = msgspec.convert(msgspec.to_builtins(OBSERVED[sentence]), Observation)

    assert plain(observed(event, "c1", "delegate.c2", names)) == sentence


def test_every_kind_of_observation_is_tried():
    assert {type(event) for event in OBSERVED.values()} == set(get_args(Observation))


def test_no_manifest_is_shown(names):
    told = [plain(observed(event, "c1", "proxy", names)) for event in OBSERVED.values()]

    assert not any("SECRET" in sentence for sentence in told)


def test_an_unknown_proxy_is_shown_by_a_part_of_its_uid():
    event = OBSERVED["delegate of default/step-3 is Running on n2"]

    assert "proxy u1…" in plain(observed(event, "c1", "delegate.c2", Names()))


def test_a_failed_phase_is_bad():
    assert phase_word(Phase.FAILED).sense is Sense.BAD
    assert phase_word(Phase.SUCCEEDED).sense is Sense.GOOD
    assert phase_word(Phase.PENDING).sense is Sense.WAIT
