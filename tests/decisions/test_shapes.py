"""A shape's numbers are never below what is counted out; those counted out go on being exact."""

import itertools

import numpy as np
import pytest

from mcs.decisions import changes, columns, shapes
from mcs.decisions.fitting import barred, replicas
from mcs.decisions.scoring import Scores
from tests.building import node
from tests.decisions.inventories import CLUSTERS, CONSTRAINTS, REQUESTS, Stock

SHAPES = list(itertools.product(REQUESTS, CONSTRAINTS))[::3]


class Bounded:
    """Scores over an inventory, and shapes in them that are followed."""

    def __init__(self, seed):
        self.stock = Stock(seed)
        self.random, self.inventory = self.stock.random, self.stock.inventory
        self.scores = Scores(self.inventory, CLUSTERS)
        self.shapes = [self.scores.shape(*shape) for shape in SHAPES]

    def follow(self, shape):
        shape.follow(self.scores._changes, self.scores._left, self.scores._most)

    def count_some(self):
        for shape in self.shapes:
            if self.random.random() < 0.3:
                self.scores.rooms(shape, self.random.randrange(len(CLUSTERS)))

    def book_some(self):
        for shape in self.random.sample(self.shapes, 4):
            number = self.random.randrange(len(CLUSTERS))
            rooms = self.scores.rooms(shape, number)
            if rooms.sum:
                self.scores.book(CLUSTERS[number], rooms.best(), shape.requests)

    def used(self):
        """What each cluster's nodes are charged with, bookings included."""
        nodes = self.inventory.nodes
        return {c: {name: self.scores.used(c, name) for name in nodes[c]} for c in CLUSTERS}

    def counts(self, requests, constraints, used):
        """What each cluster takes, node by node."""
        return [
            sum(
                replicas(requests, node, used[cluster][name])[0]
                for name, node in self.inventory.nodes[cluster].items()
                if not barred(constraints, node)
            )
            for cluster in CLUSTERS
        ]

    def check(self):
        """All that is bounded is, and what is exact equals; how many are exact."""
        exact, used = 0, self.used()
        for key, shape in zip(SHAPES, self.shapes, strict=True):
            self.follow(shape)
            counts = np.array(self.counts(*key, used))
            assert (shape.replicas >= counts).all()
            assert (shape.replicas[shape.exact] == counts[shape.exact]).all()
            exact += int(shape.exact.sum())
        return exact


@pytest.mark.parametrize("kept", [changes.KEPT, 11])
@pytest.mark.parametrize("followed", [shapes._FOLLOWED, 3])
def test_numbers_are_never_below_the_count_and_exact_ones_equal_it(kept, followed, monkeypatch):
    monkeypatch.setattr(columns, "_MANY", 0)  # many changes at once are read anew
    monkeypatch.setattr(changes, "KEPT", kept)
    monkeypatch.setattr(shapes, "_FOLLOWED", followed)
    exact, restarts = 0, 0
    for seed in range(2):
        bounded = Bounded(seed)
        for _ in range(6):
            bounded.count_some()
            bounded.stock.change(bounded.random.choice((3, 12)))
            bounded.scores.refresh()
            exact += bounded.check()
            bounded.book_some()
            exact += bounded.check()
        restarts += bounded.scores._changes.restarted

    assert exact > 0
    assert restarts > len(CLUSTERS)


def test_what_is_exact_stays_exact_through_single_changes():
    bounded = Bounded(1)
    shape = bounded.shapes[2]
    for number in range(len(CLUSTERS)):
        bounded.scores.rooms(shape, number)
    for number in range(20):
        bounded.inventory.observe_pod("c2", "p", f"n{number}", {"cpu": 300}, 1)
        bounded.scores.refresh()
        bounded.follow(shape)

    assert shape.exact.all()
    assert shape.replicas.tolist() == bounded.counts(*SHAPES[2], bounded.used())


def test_one_cluster_read_anew_leaves_the_others_exact(monkeypatch):
    monkeypatch.setattr(columns, "_MANY", 0)
    bounded = Bounded(1)
    shape = bounded.shapes[0]
    for number in range(len(CLUSTERS)):
        bounded.scores.rooms(shape, number)
    for number in range(40):
        bounded.inventory.observe_node("c2", node(f"n{number}"), 1)
    bounded.scores.refresh()
    bounded.follow(shape)

    assert shape.exact.tolist() == [True, False, True]
    bounded.check()


def test_changes_that_were_dropped_leave_bounds(monkeypatch):
    monkeypatch.setattr(changes, "KEPT", 4)
    bounded = Bounded(1)
    shape = bounded.shapes[0]
    bounded.scores.rooms(shape, 0)
    for number in range(6):
        bounded.inventory.observe_pod("c1", f"p{number}", f"n{number}", {"cpu": 1}, 1)
    bounded.scores.refresh()
    bounded.follow(shape)

    assert not shape.exact.any()
    bounded.check()
