"""A group that is placed in part, or over clusters against its will, is found."""

import pytest

from mcs.events import subjects
from mcs.events.constraints import Group
from mcs.events.decisions import ClusterRemoved, PodPlaced
from mcs.events.observations import DelegateRejected, ResyncStarted
from tests.building import deleted, node, proxy
from tests.simulation.checkers.watched import Watched

DELEGATES = subjects.delegate_channel("c1")


def member(uid, *, size=2, spread=False, **fields):
    return proxy(uid, group=Group(name="train", size=size, spread=spread), **fields)


class Grouped(Watched):
    """Two clusters and some members of a group."""

    def __init__(self, *members):
        super().__init__()
        for name in ("c1", "c2"):
            self.join(name, node())
        self.proxies("c1", *members)

    def place(self, **targets):
        """Append one cycle that places these members so."""
        self.decide(*[placed(uid, target) for uid, target in targets.items()])

    def reject(self, uid, target):
        event = DelegateRejected(placement=f"{uid}.1", namespace="default", name="d", reason="r")
        self.observe(target, DELEGATES, ResyncStarted(), event)

    def groups(self):
        return [text for text in self.found() if "of group" in text]


def placed(uid, target, attempt=1):
    return PodPlaced(
        placement=f"{uid}.{attempt}",
        uid=uid,
        source="c1",
        target=target,
        namespace="default",
        name=f"pod-{uid}",
        delegate=f"d-{uid}",
        manifest="{}",
        node="n1",
        requests={"cpu": 100},
    )


def test_a_group_that_is_placed_whole_in_one_cluster_is_left_alone():
    world = Grouped(member("u1"), member("u2"))
    assert len(world.cycle()) == 2
    world.proxies("c1", member("u3"))
    world.cycle()

    assert world.found() == []


def test_i5_a_part_of_a_group():
    world = Grouped(member("u1", size=3), member("u2", size=3))
    world.place(u1="c1", u2="c1")

    (text,) = world.groups()
    assert text.startswith("I5: cycle 2 places 2 of group c1/default/train: 0 others have a place")


def test_i5_a_group_by_two_appends():
    world = Grouped(member("u1"), member("u2"))
    world.place(u1="c1")
    world.place(u2="c1")

    assert len(world.groups()) == 1


@pytest.mark.parametrize("spread", [False, True])
def test_i5_a_group_over_two_clusters(spread):
    world = Grouped(member("u1", spread=spread), member("u2", spread=spread))
    world.place(u1="c1", u2="c2")

    found = ["it is in c1 and c2 then, and may not be spread" in text for text in world.groups()]
    assert found == ([] if spread else [True])


@pytest.mark.parametrize(("target", "found"), [("c1", 0), ("c2", 1)])
def test_i5_a_late_member_elsewhere(target, found):
    world = Grouped(member("u1"), member("u2"))
    world.place(u1="c1", u2="c1")
    world.proxies("c1", member("u3"))
    world.place(u3=target)

    assert len(world.groups()) == found


def test_one_that_is_pinned_goes_where_it_must():
    world = Grouped(member("u1"), member("u2", cluster="c2"))
    world.place(u1="c1", u2="c2")

    assert world.groups() == []


def test_one_that_was_rejected_is_tried_again_by_itself():
    world = Grouped(member("u1"), member("u2"))
    world.place(u1="c1", u2="c1")
    world.reject("u1", "c1")
    world.decide(placed("u1", "c1", attempt=2))

    assert world.groups() == []


def test_i5_one_whose_company_was_deleted():
    world = Grouped(member("u1"), member("u2"), member("u3"))
    world.proxies("c1", deleted("u1"), deleted("u2"))
    world.place(u3="c1")

    assert len(world.groups()) == 1


def test_i5_company_that_was_rejected_too():
    world = Grouped(member("u1"), member("u2"))
    world.place(u1="c1", u2="c1")
    for uid in ("u1", "u2"):
        world.reject(uid, "c1")
    world.decide(placed("u1", "c1", attempt=2))

    assert len(world.groups()) == 1


@pytest.mark.parametrize("found", [0, 1])
def test_those_of_a_cluster_that_was_removed_count_if_it_returns_with_them(found):
    world = Grouped(member("u1"), member("u2"))
    world.place(u1="c2", u2="c2")
    world.decide(ClusterRemoved(cluster="c1"))
    back = () if found else (member("u1", ended=True), member("u2"))
    world.join("c1", node(), id="again", proxies=(*back, member("u3")))
    world.place(u3="c2")

    assert len(world.groups()) == found


def test_the_largest_size_counts():
    world = Grouped(member("u1"), member("u2", size=3))
    world.place(u1="c1", u2="c1")

    assert "and 3 are placed at once, or none" in world.groups()[0]
