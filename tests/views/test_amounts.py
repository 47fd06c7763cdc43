"""Amounts and times read as people write them."""

import pytest

from mcs.errors import BadSettings
from mcs.views.amounts import amount, amounts, clock_time, iso_time, lasting, since_ns
from mcs.views.words import plain

NOON_NS = 1_788_264_000_123_456_789  # 2026-09-01T12:00:00.123456789Z


@pytest.mark.parametrize(
    ("resource", "value", "text"),
    [
        ("cpu", 980, "980m"),
        ("cpu", 2000, "2"),
        ("memory", 64 << 20, "64Mi"),
        ("memory", 8_493_465_600, "7.91Gi"),
        ("memory", 1000 << 20, "1000Mi"),
        ("nvidia.com/gpu", 4, "4"),
    ],
)
def test_an_amount_is_exact_for_counts_and_short_for_bytes(resource, value, text):
    assert amount(resource, value) == text


def test_cpu_comes_first_and_what_is_nothing_is_left_out():
    found = amounts({"memory": 1 << 30, "cpu": 200, "pods": 3, "nvidia.com/gpu": 0})

    assert plain(found) == "200m cpu, 1Gi memory"
    assert plain(amounts({})) == "nothing"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4s"), (12.9, "12s"), (125, "2m 5s"), (11_400, "3h 10m"), (176_400, "2d 1h")],
)
def test_a_duration_has_two_units_at_most(seconds, text):
    assert lasting(seconds) == text


def test_times_are_utc():
    assert clock_time(NOON_NS) == "12:00:00.123"
    assert clock_time(NOON_NS, date=True) == "2026-09-01 12:00:00.123"
    assert iso_time(NOON_NS) == "2026-09-01T12:00:00.123456789Z"


@pytest.mark.parametrize(
    ("text", "back_s"), [("90s", 90), ("10m", 600), ("2h30m", 9000), ("1d", 86400), ("0.5s", 0.5)]
)
def test_a_duration_means_so_long_ago(text, back_s):
    assert since_ns(text, 100_000.0) == int((100_000 - back_s) * 1e9)


@pytest.mark.parametrize(
    "text", ["2026-09-01T12:00:00Z", "2026-09-01T14:00:00+02:00", "2026-09-01T12:00:00"]
)
def test_a_moment_may_be_named(text):
    assert since_ns(text, 0.0) == NOON_NS // 10**9 * 10**9


@pytest.mark.parametrize("text", ["", "yesterday", "10", "m", "-5m"])
def test_what_is_no_moment_is_refused_with_examples(text):
    with pytest.raises(BadSettings, match="10m"):
        since_ns(text, 0.0)
