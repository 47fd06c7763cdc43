"""Each decision is one sentence that a person can read."""

from typing import get_args

import pytest

from mcs.events.decisions import Decision
from mcs.views.decided import decided, reasons_words
from mcs.views.words import plain
from tests.views.events import DECIDED


@pytest.mark.parametrize("sentence", DECIDED)
def test_a_decision_is_told(sentence):
    assert plain(decided(DECIDED[sentence])) == sentence


def test_every_kind_of_decision_is_tried():
    assert {type(event) for event in DECIDED.values()} == set(get_args(Decision))


def test_a_federation_without_clusters_is_said_to_be_one():
    assert plain(reasons_words({})) == "no cluster is known"
