"""JetStream's answers mean what its error codes say."""

import pytest

from mcs.adapters.jetstream_api import (
    REFUSED,
    ApiError,
    RawMessage,
    append_error,
    reading_error,
    sequence_in,
    stored,
    time_ns,
)
from mcs.errors import NoStream, TooLarge, Unavailable, Uncertain
from mcs.ports import Stream

DEC = Stream.DECISIONS


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (10054, TooLarge),
        (10199, TooLarge),
        (10047, Unavailable),
        (10174, Unavailable),
        (10176, Unavailable),
        (10077, Uncertain),  # a failed store may have succeeded on other replicas
        (10008, Uncertain),
        (99999, Uncertain),  # a code of a later version
    ],
)
def test_an_append_error_is_told_by_its_code(code, meaning):
    error = append_error(ApiError(code=400, err_code=code, description="wrong last sequence"), DEC)
    assert type(error) is meaning
    assert str(code) in str(error)


def test_refusals_are_the_three_that_prove_another_was_first():
    assert sorted(REFUSED) == [10071, 10164, 10201]


def test_a_missing_stream_is_told_from_a_server_that_cannot_answer():
    assert type(reading_error(ApiError(err_code=10059), DEC)) is NoStream
    assert type(reading_error(ApiError(err_code=10008), DEC)) is Unavailable


def test_a_refusal_may_carry_the_actual_sequence():
    assert sequence_in(ApiError(description="wrong last sequence: 42")) == 42
    assert sequence_in(ApiError(description="wrong last sequence")) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("2026-01-02T03:04:05.123456789Z", 1_767_323_045_123_456_789),
        ("2026-01-02T05:04:05.123456789+02:00", 1_767_323_045_123_456_789),
    ],
)
def test_times_keep_their_nanoseconds(text, expected):
    assert time_ns(text) == expected


def test_a_message_of_the_api_is_decoded():
    raw = RawMessage(subject="mcs.dec.a.b", seq=7, time="1970-01-01T00:00:00Z", data="AAE=")
    assert (stored(raw).sequence, stored(raw).data) == (7, b"\x00\x01")
