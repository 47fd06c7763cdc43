"""Places are chosen as things stand, bookings included, and reasons are kept while they hold."""

import pytest

from mcs.decisions.choosing import Choice, Choosing
from mcs.events.decisions import Fits, Lacks, Never, Policy
from tests.building import World, node, pod, proxy

BIG = {"cpu": 300}


def world(*events, score="most-replicas"):
    made = World(Policy(score=score))
    made.join("c1", node(cpu=600))
    made.join("c2", node(cpu=900), node("n2", cpu=900))
    made.proxies("c1", *(events or [proxy(requests=BIG)]))
    return made


def line(made):
    (found,) = made.state.backlog.lines.values()
    return found


def places(choosing, pods, count):
    """Where so many pods of a line go."""
    found = []
    for _ in range(count):
        found.append(choosing.choose(pods))
        if found[-1] is not None:
            choosing.book(found[-1], pods.requests)
    return found


def test_pods_go_where_most_fit_until_nothing_fits():
    made = world()
    one, n1, n2 = Choice("c1", "n1"), Choice("c2", "n1"), Choice("c2", "n2")

    found = places(Choosing(made.state), line(made), 9)
    assert found == [n1, n2, n1, n2, one, n1, one, n2, None]


def test_a_choice_may_be_among_some():
    made = world()
    choosing = Choosing(made.state)

    assert choosing.choose(line(made), ["c1"]) == Choice("c1", "n1")
    assert choosing.choose(line(made), []) is None
    assert choosing.choose(line(made)).target == "c2"


def test_what_is_given_back_may_be_had_again():
    made = world()
    choosing = Choosing(made.state)
    before = [choosing.replicas(line(made), name) for name in ("c1", "c2")]
    booked = [each for each in places(choosing, line(made), 9) if each is not None]
    assert [choosing.replicas(line(made), name) for name in ("c1", "c2")] == [0, 0]
    for choice in booked:
        choosing.unbook(choice, BIG)

    assert [choosing.replicas(line(made), name) for name in ("c1", "c2")] == before == [2, 6]


def test_who_asks_apart_neither_sees_bookings_nor_makes_any():
    made = world()
    choosing, apart = Choosing(made.state), Choosing(made.state, apart=True)
    places(choosing, line(made), 3)
    places(apart, line(made), 9)

    assert sum(choosing.replicas(line(made), name) for name in ("c1", "c2")) == 5
    assert made.state.inventory.derived is choosing.scores


def test_bookings_of_one_cycle_are_forgotten_by_the_next():
    made = world()
    places(Choosing(made.state), line(made), 9)

    assert Choosing(made.state).choose(line(made)) == Choice("c2", "n1")


@pytest.mark.parametrize("score", ["most-replicas", "binpack", "prefer:c1"])
def test_the_ranking_has_the_clusters_that_take_the_pod_and_its_best_is_chosen(score):
    made = world(score=score)
    choosing = Choosing(made.state)
    ranking = choosing.ranking(line(made))
    assert set(ranking) == {"c1", "c2"}
    assert choosing.choose(line(made)).target == max(ranking, key=lambda n: (ranking[n], n == "c1"))
    places(choosing, line(made), 9)

    assert choosing.ranking(line(made)) == {}


def test_every_cluster_says_what_it_says_at_the_end():
    made = world()
    choosing = Choosing(made.state)
    assert choosing.reasons(line(made)) == {"c1": Fits(), "c2": Fits()}
    places(choosing, line(made), 9)
    reasons = choosing.reasons(line(made))

    assert reasons == {"c1": Lacks(resource="cpu"), "c2": Lacks(resource="cpu")}
    assert choosing.reasons(line(made)) is reasons  # nothing changed: nothing is asked


def test_reasons_follow_what_changes_from_cycle_to_cycle():
    made = world(proxy(requests={"cpu": 5000}))
    assert Choosing(made.state).reasons(line(made))["c2"] == Lacks(resource="cpu")
    made.capacity("c2", node(cpu=9000))
    assert Choosing(made.state).reasons(line(made))["c2"] == Fits()
    made.state.membership.members["c2"].lost = True

    assert Choosing(made.state).reasons(line(made))["c2"] == Never(constraint="cluster lost")


def test_a_pin_to_nowhere_is_told_as_such():
    made = world(proxy(requests=BIG, cluster="c9"))
    reasons = Choosing(made.state).reasons(line(made))

    assert reasons["c9"] == Never(constraint="no such target cluster")
    assert reasons["c1"] == Never(constraint="pinned to c9")
    assert Choosing(made.state).open_to(line(made)) == ()


def test_how_things_stand_changes_with_all_that_places_follow_from():
    made = world()

    def stands():
        return Choosing(made.state).stands(made.state)

    seen = [stands()]
    assert stands() == seen[0]
    for change in (
        lambda: made.capacity("c1", pod("p", "n1", 5)),
        lambda: made.proxies("c1", proxy("u2", requests=BIG)),
        lambda: setattr(made.state.membership.members["c1"], "cordoned", True),
        lambda: setattr(made.state, "policy", Policy(score="binpack")),
    ):
        change()
        seen.append(stands())
        assert seen.count(seen[-1]) == 1


def test_no_clusters_have_no_place():
    made = world()
    alone = World()
    alone.join("c1", roles=("source",))

    assert Choosing(alone.state).choose(line(made)) is None
    assert Choosing(alone.state).reasons(line(made)) == {}
