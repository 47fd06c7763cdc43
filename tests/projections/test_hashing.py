"""Hashes depend on what is hashed, in its order, and on nothing else."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mcs.projections.hashing import LONG, combined, hash_text, hash_texts

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=90)
NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, max_size=6))
def test_a_texts_hash_does_not_depend_on_the_batch(texts):
    together = hash_texts(texts)

    assert together.shape == (len(texts), 2)
    assert all((hash_text(text) == row).all() for text, row in zip(texts, together, strict=True))


def test_texts_of_all_lengths_have_hashes_of_their_own_in_both_lanes():
    texts = [word * count for word in ("a", "b", "é", "語", "🙂") for count in range(1, 150)]
    lanes = hash_texts(["", *texts])

    assert [len(np.unique(lanes[:, lane])) for lane in (0, 1)] == [len(texts) + 1] * 2
    assert (lanes[:, 0] != lanes[:, 1])[1:].all()


def test_long_texts_that_differ_at_their_end_differ():
    same = "x" * (2 * LONG)

    assert (hash_text(same + "a") != hash_text(same + "b")).all()


def test_words_that_change_places_are_another_text():
    assert (hash_text("12345678abcdefgh") != hash_text("abcdefgh12345678")).all()


def test_half_a_character_has_a_hash():
    assert hash_text("\ud800").shape == (1, 2)  # JSON may spell one


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS, NUMBERS), min_size=1, max_size=6))
def test_a_rows_hash_does_not_depend_on_other_rows(rows):
    def of(some):
        first, second, numbers = zip(*some, strict=True)
        return combined(hash_texts(first), hash_texts(second), np.array(numbers, np.int64))

    alone = np.concatenate([of([row]) for row in rows])
    assert (of(rows) == alone).all()


def test_the_order_of_parts_counts():
    a, b = hash_text("a"), hash_text("b")
    one, two = np.array([1]), np.array([2])

    assert (combined(a, b) != combined(b, a)).all()
    assert (combined(one, two) != combined(two, one)).all()
    assert (combined(a, one) != combined(one, a)).all()


def test_integers_around_zero_and_the_ends_differ():
    numbers = np.array([0, 1, -1, 2, (1 << 63) - 1, -(1 << 63)], np.int64)

    assert len(np.unique(combined(numbers), axis=0)) == len(numbers)


def test_the_hashes_are_the_same_in_every_process_and_version():
    """They are in digests that logs hold: a change of theirs is a change of rules."""
    found = combined(hash_texts(["pod", "", "é" * 70]), np.array([0, -1, 1 << 40], np.int64))

    assert [f"{int(lane):016x}" for lane in found.ravel()] == [
        *("02ef496313d41497", "73fe041766f2ad28"),
        *("2c8bf94d2d60be88", "aae45b1184945334"),
        *("5f3916f1b5f3fca0", "a483087d716ff459"),
    ]
