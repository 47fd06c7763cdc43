"""Requests that pods share."""

from mcs.projections.asks import Asks
from mcs.projections.hashing import hash_text


def test_the_same_requests_have_one_number():
    asks = Asks()
    first = asks.take({"cpu": 1})

    assert asks.take({"cpu": 1}, 5) == first == asks.find({"cpu": 1})
    assert asks.take({"cpu": 2}) != first
    assert asks.find({"memory": 1}) == -1


def test_a_number_is_used_again_when_the_last_one_is_given_back():
    asks = Asks()
    number = asks.take({"cpu": 1}, 2)
    assert asks.give(number) == {"cpu": 1}
    assert asks.find({"cpu": 1}) == number
    assert asks.give(number) == {"cpu": 1}
    assert asks.find({"cpu": 1}) == -1

    assert asks.take({"memory": 7}) == number
    assert asks.requests[number] == {"memory": 7}
    assert (asks.lanes[number] == hash_text('{"memory":7}')).all()


def test_the_order_of_resources_does_not_count_for_the_hash():
    asks = Asks()
    one, two = asks.take({"cpu": 1, "memory": 2}), asks.take({"memory": 2, "cpu": 1})

    assert (asks.lanes[one] == asks.lanes[two]).all()


def test_hashes_stay_when_there_are_many():
    asks = Asks()
    numbers = [asks.take({"cpu": amount}) for amount in range(100)]

    for amount, number in enumerate(numbers):
        assert (asks.lanes[number] == hash_text(f'{{"cpu":{amount}}}')).all()
