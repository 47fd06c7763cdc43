"""Every benchmark can at least be started."""

import importlib

import pytest

from bench.__main__ import benchmarks


@pytest.mark.parametrize("name", benchmarks())
def test_a_benchmark_finds_what_it_measures(name):
    assert callable(importlib.import_module(f"bench.{name}").main)
