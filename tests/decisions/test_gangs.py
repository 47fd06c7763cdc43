"""All members of a gang or none, held against an oracle that tries everything."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcs.decisions.gangs import Member, Place, anchor, needed, place_gang


class Nodes:
    """Clusters of nodes with free cpu; a shape is the cpu that a pod asks for.

    The policy is most-replicas; a pod goes to the node with most left.
    """

    def __init__(self, clusters):
        self.free = {name: dict(nodes) for name, nodes in clusters.items()}

    def replicas(self, shape, cluster):
        return sum(left // shape for left in self.free[cluster].values())

    def best(self, shape, clusters):
        open_ = [name for name in clusters if self.replicas(shape, name) > 0]
        return min(open_, key=lambda name: (-self.replicas(shape, name), name), default="")

    def book(self, shape, cluster):
        nodes = self.free[cluster]
        node = min(nodes, key=lambda name: (-nodes[name], name))
        assert nodes[node] >= shape, "booked where there is no room"
        nodes[node] -= shape
        return node

    def unbook(self, shape, cluster, node):
        self.free[cluster][node] += shape


def fits_somehow(clusters, members, *, spread):
    """Whether any way to place all members exists: the oracle."""
    choices = [
        [(name, node) for name in member.clusters for node in clusters[name]] for member in members
    ]
    for way in product(*choices):
        if not spread and len({name for name, _ in way}) > 1:
            continue
        left = {(name, node): cpu for name in clusters for node, cpu in clusters[name].items()}
        for place, member in zip(way, members, strict=True):
            left[place] -= member.shape
        if min(left.values(), default=0) >= 0:
            return True
    return False


@st.composite
def federations(draw):
    nodes = st.lists(st.integers(0, 6), max_size=2)
    sizes = draw(st.lists(nodes, min_size=1, max_size=3))
    return {
        f"c{number}": {f"n{index}": cpu for index, cpu in enumerate(each)}
        for number, each in enumerate(sizes, 1)
    }


def gangs(shapes):
    """A federation, and a gang in it whose members are open to some of its clusters."""

    def members(clusters):
        some = st.sets(st.sampled_from(sorted(clusters))).map(lambda names: tuple(sorted(names)))
        member = st.builds(Member, shapes, st.just(tuple(sorted(clusters))) | some)
        return st.tuples(st.just(clusters), st.lists(member, min_size=1, max_size=5))

    return federations().flatmap(members)


@given(gangs(st.integers(1, 4)), st.booleans())
def test_all_or_none_and_never_more_than_is_free(case, spread):
    clusters, members = case
    room = Nodes(clusters)

    places = place_gang(members, room, spread=spread)

    if places is None:
        assert room.free == clusters
        return
    left = {name: dict(nodes) for name, nodes in clusters.items()}
    assert len(places) == len(members)
    for member, place in zip(members, places, strict=True):
        assert place.cluster in member.clusters
        left[place.cluster][place.node] -= member.shape
    assert room.free == left
    assert all(cpu >= 0 for nodes in left.values() for cpu in nodes.values())
    assert spread or len({place.cluster for place in places}) == 1
    assert fits_somehow(clusters, members, spread=spread)


@given(federations(), st.integers(1, 3), st.integers(1, 5), st.booleans())
def test_pods_of_one_shape_find_their_places_whenever_there_are_some(clusters, cpu, count, spread):
    members = [Member(cpu, tuple(clusters))] * count

    found = place_gang(members, Nodes(clusters), spread=spread) is not None

    assert found == fits_somehow(clusters, members, spread=spread)


@given(gangs(st.integers(1, 4)), st.booleans())
def test_the_same_gang_goes_to_the_same_places(case, spread):
    clusters, members = case
    again = [place_gang(members, Nodes(clusters), spread=spread) for _ in range(2)]

    assert again[0] == again[1]


def test_one_cluster_is_the_policys_choice_among_those_that_hold_all():
    members = [Member(2, ("c1", "c2", "c3"))] * 3
    room = Nodes({"c1": {"a": 6}, "c2": {"a": 5, "b": 5, "c": 1}, "c3": {"a": 4, "b": 3}})

    assert [place.cluster for place in place_gang(members, room, spread=False)] == ["c2"] * 3
    assert place_gang(members, room, spread=False) == (Place("c1", "a"),) * 3
    assert place_gang(members, room, spread=False) == (
        Place("c3", "a"),
        Place("c3", "b"),
        Place("c3", "a"),
    )
    assert place_gang(members, room, spread=False) is None


def test_a_gang_that_no_cluster_holds_may_be_spread():
    members = [Member(3, ("c1", "c2"))] * 3
    clusters = {"c1": {"a": 6}, "c2": {"a": 4}}

    assert place_gang(members, Nodes(clusters), spread=False) is None
    assert sorted(each.cluster for each in place_gang(members, Nodes(clusters), spread=True)) == [
        "c1",
        "c1",
        "c2",
    ]


def test_members_with_the_fewest_places_come_first():
    small, large = Member(1, ("c1",)), Member(4, ("c1",))
    room = Nodes({"c1": {"a": 4, "b": 1}})

    assert place_gang([small, large], room, spread=False) == (Place("c1", "b"), Place("c1", "a"))


def test_one_that_may_go_to_fewer_clusters_comes_first_when_they_are_spread():
    anywhere, pinned = Member(1, ("c1", "c2")), Member(1, ("c1",))
    room = Nodes({"c1": {"a": 1}, "c2": {"a": 1}})

    places = place_gang([anywhere, pinned], room, spread=True)

    assert [place.cluster for place in places] == ["c2", "c1"]


def test_one_cluster_must_be_open_to_all():
    members = [Member(1, ("c1", "c2")), Member(1, ("c2", "c3"))]
    room = Nodes({"c1": {"a": 9}, "c2": {"a": 2}, "c3": {"a": 9}})

    assert [place.cluster for place in place_gang(members, room, spread=False)] == ["c2", "c2"]
    assert place_gang(members, room, spread=False) is None


def test_a_gang_of_nobody_has_its_places():
    assert place_gang([], Nodes({}), spread=False) == ()


@pytest.mark.parametrize(
    ("size", "placed", "waiting", "expected"),
    [
        (8, 0, 8, 8),
        (8, 0, 10, 8),
        (8, 0, 7, None),
        (8, 7, 1, 1),
        (8, 5, 2, None),
        (8, 8, 1, 0),
        (8, 9, 0, 0),
        (1, 0, 1, 1),
    ],
)
def test_how_many_must_be_placed_at_once(size, placed, waiting, expected):
    assert needed(size, placed=placed, waiting=waiting) == expected


def test_later_members_follow_most_of_the_others():
    assert anchor({}) == ""
    assert anchor({"c1": 1, "c3": 2, "c2": 2}) == "c2"
