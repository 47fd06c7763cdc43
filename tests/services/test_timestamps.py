"""Times as text."""

from mcs.services.timestamps import timestamp


def test_a_timestamp_is_a_micro_time():
    assert timestamp(1_750_000_000.25) == "2025-06-15T15:06:40.250000Z"


def test_a_whole_second_has_six_digits_too():
    assert timestamp(0) == "1970-01-01T00:00:00.000000Z"
