"""What is surely under way, by what has come."""

from mcs.adapters.jetstream_pulls import Pulls


def test_a_pull_is_known_to_have_arrived_once_something_of_it_comes():
    pulls = Pulls()
    pulls.send(3)
    pulls.send(2)
    assert (pulls.open, pulls.arrived) == (5, 0)
    pulls.take()
    assert (pulls.open, pulls.arrived) == (4, 2)
    pulls.take(2)
    assert (pulls.open, pulls.arrived) == (2, 0)
    pulls.hear()
    assert (pulls.open, pulls.arrived) == (2, 2)


def test_a_pull_that_ends_early_asks_for_no_more():
    pulls = Pulls()
    pulls.send(3)
    pulls.send(3)
    pulls.take()
    pulls.take(4)  # two of the first, two of the second
    assert (pulls.open, pulls.arrived) == (1, 1)


def test_what_was_not_asked_for_is_not_counted():
    pulls = Pulls()
    pulls.take(2)
    pulls.hear()
    assert (pulls.open, pulls.arrived) == (0, 0)
