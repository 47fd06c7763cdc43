"""What is charged to nodes: rows used again, changes listed, sums beyond 64 bits."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mcs.projections.hashing import hash_texts
from mcs.projections.loads import Loads, Places, wrapped
from mcs.quantities import LARGEST, PODS

AMOUNTS = st.sampled_from([0, 1, 100, LARGEST - 1, LARGEST])
REQUESTS = st.dictionaries(st.sampled_from(["cpu", "memory", PODS]), AMOUNTS)
CHARGES = st.lists(st.tuples(st.sampled_from("abc"), REQUESTS), max_size=12)


def loads():
    return Loads("c1", Places())


def test_a_sum_beyond_64_bits_is_wrapped():
    assert [wrapped(each) for each in (LARGEST, LARGEST + 1, -LARGEST - 2, 7 + (1 << 64))] == [
        LARGEST,
        -LARGEST - 1,
        LARGEST,
        7,
    ]


@settings(max_examples=50, deadline=None)
@given(CHARGES)
def test_whatever_was_charged_is_taken_back_without_loss(charges):
    subject = loads()
    for name, requests in charges:
        subject.add(subject.row(name), requests)
    for name, requests in charges:
        subject.take(subject.row(name), requests)

    assert subject.rows == {}
    assert not any(column.any() for column in subject.used.values())


@settings(max_examples=50, deadline=None)
@given(CHARGES)
def test_many_charges_at_once_are_those_one_by_one(charges):
    single, many = loads(), loads()
    for name, requests in charges:
        single.add(single.row(name), requests)
    rows = np.array([many.row(name) for name, _ in charges], np.intp)
    many.add_many(rows, np.arange(len(charges)), [requests for _, requests in charges])

    assert [many.of(name) for name in "abc"] == [single.of(name) for name in "abc"]
    for name, requests in charges:
        many.take(many.row(name), requests)
    assert many.rows == {}


def test_a_row_is_given_to_another_name_when_neither_node_nor_charge_is_left():
    subject = loads()
    subject.observe("a", there=True)
    row = subject.row("a")
    subject.add(row, {"cpu": 5})
    subject.observe("a", there=False)
    assert subject.row("b") != row  # a charge is left

    subject.take(row, {"cpu": 5})
    assert subject.of("a") == {}
    assert subject.row("c") == row
    assert subject.of("c") == {}


def test_a_node_without_charges_keeps_its_row():
    subject = loads()
    subject.observe("a", there=True)
    row = subject.row("a")
    subject.add(row, {})
    subject.take(row, {})

    assert subject.rows == {"a": row}


def test_every_change_has_a_number_and_old_ones_are_dropped():
    subject = loads()
    row, other = subject.row("a"), subject.row("b")
    subject.add(other, {})
    for number in range(1, 30_000):
        subject.touch(row)
        assert subject.position == number + 1
    assert subject.since > 0
    assert len(subject.changes) < 15_000
    subject.add(other, {})

    assert subject.changes[-1] == other


def test_changes_are_dropped_too_where_charges_make_them():
    subject = loads()
    row = subject.row("a")
    for number in range(1, 20_001):
        subject.add(row, {})
        assert subject.position == number  # listed once, also where older ones are dropped

    assert subject.since > 0
    assert subject.of("a") == {PODS: 20_000}


def test_growing_keeps_what_is_used():
    subject = loads()
    for number in range(100):
        subject.add(subject.row(f"n{number}"), {"cpu": number})

    assert [subject.of(f"n{number}").get("cpu", 0) for number in range(100)] == list(range(100))


def test_a_number_that_is_used_again_has_the_hash_of_its_new_name():
    places = Places()
    first, second = places.take("c1/a", 0), places.take("c1/b", 1)
    places.lanes()
    places.give(first)
    again = places.take("c2/c", 7)
    assert again == first
    assert places.rows == [7, 1]

    assert (places.lanes()[[again, second]] == hash_texts(["c2/c", "c1/b"])).all()
