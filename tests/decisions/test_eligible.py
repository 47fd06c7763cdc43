"""What bars a pod is asked once for each kind of node, and is what each node would say."""

import numpy as np
import pytest

from mcs.decisions.eligible import NOBODY, Eligible, Kinds
from mcs.decisions.fitting import barred
from tests.decisions.inventories import CLUSTERS, CONSTRAINTS, Stock

ALL = slice(None)


def nodes(seed):
    inventory = Stock(seed).inventory
    return [each for name in CLUSTERS for each in inventory.nodes[name].values()]


@pytest.mark.parametrize("constraints", CONSTRAINTS)
def test_a_kind_of_node_says_what_each_of_its_nodes_would_say(constraints):
    kinds, eligible, each = Kinds(), None, [None, *nodes(1)]
    numbers = np.array([kinds.of(node) for node in each[:40]], np.int64)
    eligible = Eligible(constraints, kinds)
    eligible.takes(each[:40], numbers, ALL)  # it learns of some kinds before there are others
    numbers = np.array([kinds.of(node) for node in each], np.int64)
    bars = ["no node" if node is None else barred(constraints, node) for node in each]

    assert [eligible.bar(*pair) for pair in zip(each, numbers.tolist(), strict=True)] == bars
    assert eligible.takes(each, numbers, ALL).tolist() == [not bar for bar in bars]
    if eligible.by_kind is not None:
        assert eligible.by_kind[numbers].tolist() == [not bar for bar in bars]


def test_constraints_that_name_nodes_are_asked_of_each():
    by_kind = [Eligible(each, Kinds()).by_kind is not None for each in CONSTRAINTS]

    assert by_kind == [True, True, True, False, False, False]


def test_nodes_that_differ_by_their_name_alone_are_of_one_kind():
    kinds, each = Kinds(), nodes(2)
    numbers = {kinds.of(node) for node in each}

    assert len(numbers) == len(kinds.examples) - 1 < len(each) / 5


def test_another_hostname_than_the_nodes_name_is_a_kind_of_its_own():
    kinds, node = Kinds(), nodes(2)[0]
    before = kinds.of(node)
    node.labels = {**node.labels, "kubernetes.io/hostname": "elsewhere"}

    assert kinds.of(node) != before


def test_a_row_without_a_node_takes_nobody():
    kinds = Kinds()
    eligible = Eligible(CONSTRAINTS[0], kinds)

    assert kinds.of(None) == NOBODY
    assert eligible.bar(None, NOBODY) == "no node"
    assert eligible.takes([None], np.array([NOBODY]), ALL).tolist() == [False]
    assert eligible.takes([], np.zeros(0, np.int64), ALL).tolist() == []
