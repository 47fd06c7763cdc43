"""Kubernetes quantities as exact integers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcs.errors import BadQuantity
from mcs.quantities import LARGEST, add, bounded, most, parse, parse_all, render


@pytest.mark.parametrize(
    ("resource", "text", "amount"),
    [
        ("cpu", "1", 1000),
        ("cpu", "940m", 940),
        ("cpu", "0.5", 500),
        ("cpu", ".1", 100),
        ("cpu", "1.", 1000),
        ("cpu", "1u", 1),
        ("cpu", "1500n", 1),
        ("cpu", "2e3", 2_000_000),
        ("cpu", "1k", 1_000_000),
        ("memory", "64Mi", 64 << 20),
        ("memory", "1.5Gi", 3 << 29),
        ("memory", "1e3", 1000),
        ("memory", "1E-1", 1),
        ("memory", "128974848", 128974848),
        ("memory", "129M", 129_000_000),
        ("memory", "400m", 1),
        ("memory", "1E", 10**18),
        ("pods", "110", 110),
        ("nvidia.com/gpu", "2", 2),
        ("cpu", "-1", -1000),
        ("cpu", "0", 0),
    ],
)
def test_amounts(resource, text, amount):
    assert parse(resource, text) == amount


@pytest.mark.parametrize("text", ["", "x", "1x", "1 Gi", "Gi", "1KI", "1e", "--1", "1e99999", "."])
def test_other_text_is_no_quantity(text):
    with pytest.raises(BadQuantity):
        parse("memory", text)


@given(st.integers(0, 10**15), st.sampled_from(("cpu", "memory", "nvidia.com/gpu")))
def test_a_rendered_amount_parses_to_itself(amount, resource):
    assert parse(resource, render(resource, amount)) == amount


def test_sums_are_by_resource_and_lists_by_name():
    assert parse_all({"memory": "1Ki", "cpu": "1"}) == {"cpu": 1000, "memory": 1024}
    assert list(parse_all({"memory": "1Ki", "cpu": "1"})) == ["cpu", "memory"]
    assert add({"a": 1}, {"a": 2, "b": 3}) == {"a": 3, "b": 3}
    assert most([{"a": 1, "b": 5}, {"a": 2}]) == {"a": 2, "b": 5}


def test_amounts_are_bounded_as_kubernetes_bounds_them():
    assert bounded({"b": 2**70, "a": -1, "c": 5}) == {"a": 0, "b": LARGEST, "c": 5}
    assert parse_all({"memory": "9Ei"}) == {"memory": LARGEST}
