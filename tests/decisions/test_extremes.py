"""Extremes never say more than each node would, and say it where they can."""

import itertools

import numpy as np
import pytest

from mcs.decisions import columns as module
from mcs.decisions.changes import Changes
from mcs.decisions.columns import Columns
from mcs.decisions.eligible import Kinds
from mcs.decisions.extremes import Extremes
from mcs.decisions.scoring import Scores
from mcs.events.decisions import Lacks
from mcs.quantities import PODS
from tests.decisions.inventories import CLUSTERS, CONSTRAINTS, REQUESTS, Stock


def lacked(asks, **free):
    """What is lacked where nodes have these amounts free."""
    columns = {name: np.array(amounts) for name, amounts in free.items()}
    extremes = Extremes()
    extremes.measure(columns, np.ones(len(free[PODS]), np.bool_))
    return extremes.lacked(sorted(asks.items()))


def test_what_no_node_has_is_lacked():
    assert lacked({"cpu": 9}, pods=[5, 3], cpu=[8, 0]) == "cpu"
    assert lacked({"cpu": 1}, pods=[0, 0], cpu=[8, 1]) == PODS
    assert lacked({"gpu": 1}, pods=[5, 3]) == "gpu"
    assert lacked({"cpu": 9}, pods=[5, 3], cpu=[9, 0]) == ""


def test_of_several_the_first_is_lacked_that_leaves_least():
    assert lacked({"cpu": 9, "memory": 9}, pods=[5, 3], cpu=[8, 0], memory=[8, 8]) == "cpu"
    assert lacked({"cpu": 9, "memory": 9}, pods=[5, 3], cpu=[8, 0], memory=[-1, -2]) == "memory"
    assert lacked({"cpu": 9}, pods=[0, 0], cpu=[8, 8]) == PODS


def test_where_nodes_may_differ_nothing_is_said():
    assert lacked({"cpu": 9}, pods=[0, 3], cpu=[8, 8]) == ""
    assert lacked({"cpu": 9, "memory": 9}, pods=[5, 3], cpu=[8, 8], memory=[-1, 8]) == ""


@pytest.mark.parametrize("seed", range(6))
def test_amounts_lie_between_their_extremes(seed, monkeypatch):
    monkeypatch.setattr(module, "_MANY", 60)
    stock = Stock(seed)
    columns = Columns(0, "c1", stock.inventory, Kinds(), Changes(1))
    for _ in range(25):
        stock.change()
        columns.refresh()
        for row, node in enumerate(columns.nodes):
            for name, view in columns.views.items() if node is not None else ():
                least, most = columns.extremes.least, columns.extremes.most
                assert least.get(name, 0) <= view[row] <= most.get(name, 0)
        counts = {kind: n for kind, n in columns.present.items() if n}
        assert counts == dict(zip(*np.unique(columns.kinds, return_counts=True), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_a_verdict_without_counting_is_that_of_counting(seed):
    stock, refused = Stock(seed), 0
    scores = Scores(stock.inventory, CLUSTERS)
    for requests, constraints in itertools.product(REQUESTS, CONSTRAINTS):
        for factor in (1, 1000):
            asked = {name: factor * amount for name, amount in requests.items()}
            shape = scores.shape(asked, constraints)
            for number in range(len(CLUSTERS)):
                verdict = scores.verdict(shape, number)
                refused += not scores._rooms and isinstance(verdict, Lacks)
                assert verdict == scores.rooms(shape, number).verdict()
                scores._rooms.clear()
    assert refused > 0
