"""Rooms that follow their columns are those counted anew, and what each node would say."""

import itertools

import pytest

from mcs.decisions.changes import Changes
from mcs.decisions.columns import Columns
from mcs.decisions.eligible import Eligible, Kinds
from mcs.decisions.fitting import REPLICAS_MOST, barred, replicas
from mcs.decisions.rooms import Rooms, counted
from mcs.events.constraints import Constraints
from mcs.events.decisions import Fits, Lacks, Never
from mcs.projections.inventory import Inventory
from mcs.quantities import LARGEST, PODS
from tests.building import node
from tests.decisions.inventories import CONSTRAINTS, REQUESTS, Stock

SHAPES = list(itertools.product(REQUESTS, CONSTRAINTS))[::2]


def asks(requests):
    return sorted(item for item in requests.items() if item[1] > 0)


class Counted:
    """One cluster's columns, and rooms in them that are kept."""

    def __init__(self, inventory, shapes=SHAPES):
        self.inventory, self.kinds = inventory, Kinds()
        self.columns = Columns(0, "c1", inventory, self.kinds, Changes(1))
        self.shapes, self.kept = shapes, [self.rooms(*shape) for shape in shapes]

    def rooms(self, requests, constraints):
        return Rooms(self.columns, asks(requests), Eligible(constraints, self.kinds))

    def update(self):
        for rooms in self.kept:
            rooms.update()

    def plain(self, requests, constraints, used):
        """Replicas by node, as each node would say."""
        return {
            name: replicas(requests, node, used[name])[0]
            for name, node in self.inventory.nodes["c1"].items()
            if not barred(constraints, node)
        }

    def check(self):
        used = {name: self.columns.used(name) for name in self.inventory.nodes["c1"]}
        for shape, rooms in zip(self.shapes, self.kept, strict=True):
            plain, fresh = self.plain(*shape, used), self.rooms(*shape)
            fresh.update()
            assert rooms.sum == fresh.sum == sum(plain.values())
            eligible = Eligible(shape[1], self.kinds)
            assert counted(self.columns, asks(shape[0]), eligible) == rooms.sum
            assert (rooms.total, rooms.verdict()) == (fresh.total, fresh.verdict())
            assert rooms._lacking() == fresh._lacking()
            if rooms.sum:
                best = min(plain, key=lambda name: (-plain[name], name))
                assert rooms.best() == fresh.best() == best


@pytest.mark.parametrize("seed", range(4))
def test_rooms_that_follow_are_those_counted_anew(seed):
    stock = Stock(seed)
    counted = Counted(stock.inventory)
    for _ in range(10):
        stock.change(stock.random.choice((3, 60)))
        counted.columns.refresh()
        counted.update()
        counted.check()


@pytest.mark.parametrize("count", [1, 4, 5, 16, 17, 19, 20, 60])
def test_bookings_count_however_many_there_are(count):
    stock = Stock(3)
    counted = Counted(stock.inventory, [({"cpu": 100}, Constraints())])
    (rooms,) = counted.kept
    counted.columns.refresh()
    rooms.update()
    for _ in range(count):
        counted.columns.book(counted.columns.row_of(rooms.best()), {"cpu": 100})
    rooms.update()

    counted.check()


def test_of_equal_nodes_the_first_name_is_best_also_when_it_came_last():
    inventory = Inventory()
    counted = Counted(inventory, [({"cpu": 100}, CONSTRAINTS[0])])
    for name in (*[f"n{number}" for number in range(10, 50)], "a", "n00", "Z"):
        inventory.observe_node("c1", node(name), 1)
        counted.columns.refresh()
        counted.update()
        assert counted.kept[0].best() == min(inventory.nodes["c1"])


def verdict(requests, *nodes, constraints=CONSTRAINTS[0]):
    inventory = Inventory()
    for event in nodes:
        inventory.observe_node("c1", event, 1)
    counted = Counted(inventory, [(requests, constraints)])
    counted.columns.refresh()
    counted.update()
    return counted.kept[0].verdict()


def test_a_verdict_says_what_most_nodes_lack_or_bar():
    few, many = node("n1", cpu=10), node("n2", pods=0)

    assert verdict({"cpu": 100}, few, node("n3")) == Fits()
    assert verdict({"cpu": 100}, few, many) == Lacks(resource="cpu")
    assert verdict({"cpu": 100}, few, many, node("n3", pods=0)) == Lacks(resource=PODS)
    assert verdict({"none": 1}, node("n1")) == Lacks(resource="none")
    assert verdict({}, node("n1", ready=False)) == Never(constraint="node not ready")


def test_room_without_end_is_bounded_on_each_node():
    inventory = Inventory()
    for name in ("n1", "n2"):
        inventory.observe_node("c1", node(name, cpu=LARGEST, pods=LARGEST), 1)
    counted = Counted(inventory, [({}, CONSTRAINTS[0]), ({"cpu": 1}, CONSTRAINTS[0])])
    counted.columns.refresh()
    counted.update()

    assert [rooms.sum for rooms in counted.kept] == [2 * REPLICAS_MOST] * 2
    counted.check()


def test_more_owed_than_there_is_leaves_no_room():
    inventory = Inventory()
    inventory.observe_node("c1", node("n1", cpu=1000), 1)
    inventory.observe_node("c1", node("n2", cpu=300), 1)
    inventory.charge("u1", "c1", "n1", {"cpu": 1000}, booking=True)
    inventory.observe_node("c1", node("n1", cpu=0), 1)
    counted = Counted(inventory, [({"cpu": 100}, CONSTRAINTS[0])])
    counted.columns.refresh()
    counted.update()
    (rooms,) = counted.kept

    assert (rooms.sum, rooms.total) == (3, 0)
    assert rooms.verdict() == Lacks(resource="cpu")
