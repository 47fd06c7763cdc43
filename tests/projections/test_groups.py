"""Members of a group: who waits, who is served, what all of them state."""

from mcs.events.constraints import Group
from mcs.projections.groups import Members

ORDERS = {uid: (0, "2026", uid) for uid in "abc"}


def group(size, *, spread=False):
    return Group(name="train", size=size, spread=spread)


def test_the_largest_size_that_a_member_states_counts_while_it_is_there():
    members = Members()
    for uid, size in (("a", 2), ("b", 5), ("c", 3)):
        members.set(uid, group(size), ORDERS[uid], served=False)
    assert members.size == 5
    members.remove("b")

    assert members.size == 3


def test_they_may_be_spread_if_all_say_so():
    members = Members()
    members.set("a", group(2, spread=True), ORDERS["a"], served=False)
    assert members.spread
    members.set("b", group(2), ORDERS["b"], served=False)

    assert not members.spread


def test_one_that_is_placed_waits_no_more_and_may_wait_again():
    members = Members()
    for uid in "cab":
        members.set(uid, group(3), ORDERS[uid], served=False)
    assert list(members.waiting) == [ORDERS[uid] for uid in "abc"]
    members.set("a", group(3), None, served=True)
    assert (list(members.waiting), list(members.served)) == ([ORDERS["b"], ORDERS["c"]], ["a"])
    members.set("a", group(3), ORDERS["a"], served=False)

    assert (list(members.waiting), list(members.served)) == ([ORDERS[u] for u in "abc"], [])


def test_one_that_waits_in_another_order_waits_once():
    members = Members()
    members.set("a", group(1), ORDERS["a"], served=False)
    members.set("a", group(1), (-5, "2026", "a"), served=False)

    assert list(members.waiting) == [(-5, "2026", "a")]


def test_one_that_is_gone_leaves_nothing_behind():
    members = Members()
    members.set("a", group(1), ORDERS["a"], served=True)
    members.remove("a")
    members.remove("a")

    assert (members.stated, list(members.waiting), members.served) == ({}, [], {})
