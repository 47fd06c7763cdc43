"""What is known of creates: an open one may still act, until its time is over or it is found."""

from mcs.decisions.reconciling import Creation
from mcs.services.creating import Creations


class HandClock:
    def __init__(self):
        self.seconds = 100.0

    def monotonic(self):
        return self.seconds


def sent():
    clock = HandClock()
    creations = Creations(clock, settle_s=65.0)
    creations.send("p")
    return creations, clock


def test_a_create_is_open_from_before_it_is_sent():
    creations, _ = sent()

    assert creations.of("p") is Creation.OPEN
    assert creations.of("q") is Creation.NONE


def test_a_refusal_is_as_if_nothing_had_been_sent():
    creations, _ = sent()
    creations.refused("p")

    assert creations.of("p") is Creation.NONE


def test_a_refusal_says_nothing_of_an_earlier_create_without_an_answer():
    creations, clock = sent()
    creations.doubt("p")
    clock.seconds += 5
    creations.send("p")
    creations.refused("p")

    assert creations.of("p") is Creation.OPEN
    assert creations.doubtful("p")
    assert creations.unanswered_s("p") == 60.0


def test_what_was_seen_stays_made_whatever_is_answered():
    creations, _ = sent()
    creations.made("p")
    creations.doubt("p")
    creations.refused("p")

    assert creations.of("p") is Creation.MADE
    assert not creations.doubtful("p")


def test_time_settles_an_open_create():
    creations, clock = sent()
    creations.doubt("p")
    clock.seconds += 65

    assert creations.unanswered_s("p") == 0.0
    assert creations.doubtful("p")


def test_what_is_found_or_lost_is_no_longer_in_doubt():
    for settle, state in (("made", Creation.MADE), ("lost", Creation.LOST)):
        creations, _ = sent()
        creations.doubt("p")
        getattr(creations, settle)("p")

        assert creations.of("p") is state
        assert not creations.doubtful("p")
        assert creations.unanswered_s("p") == 0.0
