"""Columns that follow an inventory are those made anew."""

import pytest

from mcs.decisions import columns as module
from mcs.decisions.changes import Changes
from mcs.decisions.columns import Columns
from mcs.decisions.eligible import Kinds
from mcs.projections.inventory import Inventory
from mcs.quantities import LARGEST, PODS
from tests.building import node
from tests.decisions.inventories import CLUSTERS, NODES, Stock


def columns(inventory, cluster="c1", kinds=None):
    made = Columns(0, cluster, inventory, kinds or Kinds(), Changes(1))
    made.refresh()
    return made


def small(*nodes):
    inventory = Inventory()
    for event in nodes:
        inventory.observe_node("c1", event, 1)
    return inventory


def picture(subject, rows):
    """All that columns say of so many rows."""
    there = [row for row in range(rows) if subject.nodes[row] is not None]
    return {
        "nodes": subject.nodes[:rows],
        "kinds": subject.kinds[:rows].tolist(),
        "free": {n: c[:rows].tolist() for n, c in subject.free.items() if c[:rows].any()},
        "totals": {name: amount for name, amount in subject.totals.items() if amount},
        "left": {name: amount for name, amount in subject.left.items() if amount},
        "order": sorted(there, key=lambda row: -subject.rank[row]),
        "debts": subject.debts,
    }


@pytest.mark.parametrize("many", [module._MANY, 0])
@pytest.mark.parametrize("seed", range(6))
def test_columns_that_follow_are_those_made_anew(seed, many, monkeypatch):
    monkeypatch.setattr(module, "_MANY", many)
    stock, kinds = Stock(seed), Kinds()
    followed = [columns(stock.inventory, name, kinds) for name in CLUSTERS]
    for _ in range(25):
        stock.change()
        for subject in followed:
            subject.refresh()
            fresh = columns(stock.inventory, subject.cluster, kinds)
            rows = len(stock.inventory.loads[subject.cluster].names)
            assert picture(subject, rows) == picture(fresh, rows)
            assert subject.position == subject.since + len(subject.changes)


def test_single_changes_are_followed_and_not_read_anew():
    stock = Stock(0)
    subject = columns(stock.inventory)
    shuffles, position = subject.shuffles, subject.position
    stock.inventory.observe_node("c1", node("n7", cpu=77), 1)

    assert subject.refresh()
    assert (subject.shuffles, subject.position) == (shuffles, position + 1)
    assert subject.free["cpu"][subject.row_of("n7")] == 77
    assert not subject.refresh()


def test_a_reader_that_comes_too_late_reads_everything_anew():
    stock = Stock(0)
    subject = columns(stock.inventory)
    stock.inventory.observe_node("c1", node("n7", cpu=77), 1)
    loads = stock.inventory.loads["c1"]
    for _ in range(20_000):
        loads.touch(loads.rows["n8"])
    assert loads.since > 0
    shuffles = subject.shuffles
    subject.refresh()

    assert subject.shuffles == shuffles + 1
    assert subject.free["cpu"][subject.row_of("n7")] == 77


def test_nodes_are_in_the_order_of_their_names_whoever_has_their_rows():
    inventory = small(*[node(f"n{number:02d}") for number in range(NODES)])
    subject = columns(inventory)
    for gone, new in (("n03", "z"), ("n50", "a"), ("z", "n03")):
        inventory.drop_node("c1", gone)
        inventory.observe_node("c1", node(new), 1)
        subject.refresh()
        names = sorted(inventory.nodes["c1"], key=lambda n: -subject.rank[subject.row_of(n)])
        assert names == sorted(inventory.nodes["c1"])


def test_a_booking_counts_at_once_and_is_forgotten_by_the_next_look():
    inventory = small(*[node(f"n{number}", cpu=1000) for number in range(40)])
    subject = columns(inventory)
    left, row = dict(subject.left), subject.row_of("n5")
    subject.book(row, {"cpu": 300})

    assert subject.used("n5") == {"cpu": 300, PODS: 1}
    assert subject.left["cpu"] == left["cpu"] - 300
    assert inventory.used("c1", "n5") == {}
    assert subject.refresh()
    assert subject.used("n5") == {}
    assert subject.left == left


def test_a_booking_given_back_leaves_all_as_it_was():
    subject = columns(small(node("n1", cpu=1000)))
    before = picture(subject, 1)
    subject.book(0, {"cpu": 300, "odd": 0})
    subject.book(0, {"cpu": 300, "odd": 0}, -1)

    assert picture(subject, 1) == before


def test_a_booking_that_was_folded_meanwhile_counts_once():
    inventory = small(*[node(f"n{number}", cpu=1000) for number in range(40)])
    subject = columns(inventory)
    subject.book(subject.row_of("n5"), {"cpu": 300})
    inventory.charge("u1", "c1", "n5", {"cpu": 300}, booking=True)
    subject.refresh()

    assert subject.used("n5") == {"cpu": 300, PODS: 1}


def test_a_booking_that_was_folded_is_no_change_and_one_that_was_not_is():
    inventory = small(node("n1", cpu=1000), node("n2", cpu=1000))
    subject = columns(inventory)
    for name in ("n1", "n2"):
        subject.book(subject.row_of(name), {"cpu": 300})
    inventory.charge("u1", "c1", "n1", {"cpu": 300}, booking=True)
    position = subject.position
    assert subject.refresh()

    assert subject.changes[position - subject.since :] == [subject.row_of("n2")]
    assert (subject.used("n1"), subject.used("n2")) == ({"cpu": 300, PODS: 1}, {})


def test_nodes_that_take_no_pods_offer_nothing_in_sum():
    inventory = small(node("n1"), node("n2", ready=False), node("n3", cordoned=True))
    subject = columns(inventory)

    assert (subject.totals["cpu"], subject.left["cpu"], subject.left[PODS]) == (1000, 1000, 110)


def test_an_overdrawn_node_has_nothing_left_and_takes_nothing_from_others():
    inventory = small(node("n1", cpu=100), node("n2", cpu=100))
    inventory.observe_pod("c1", "p", "n1", {"cpu": 5000}, 1)
    subject = columns(inventory)

    assert subject.free["cpu"][subject.row_of("n1")] == -4900
    assert subject.left["cpu"] == 100


def test_sums_of_a_cluster_know_no_bound():
    subject = columns(small(*[node(f"n{number}", cpu=LARGEST) for number in range(3)]))

    assert subject.totals["cpu"] == subject.left["cpu"] == 3 * LARGEST


def test_a_cluster_that_nobody_heard_of_has_no_columns_yet():
    inventory = Inventory()
    subject = columns(inventory)
    assert not subject.refresh()
    inventory.observe_node("c1", node(), 1)

    assert subject.refresh()
    assert subject.totals["cpu"] == 1000
