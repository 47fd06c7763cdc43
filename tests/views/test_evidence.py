"""Which message said something last, at any position."""

from mcs.events.decisions import ClusterLost, ClusterRecovered
from mcs.events.observations import NodeGone, Verb
from mcs.ports import Stream
from mcs.views.evidence import Evidence, Place, Position, facts_of
from mcs.views.lines import Teller
from tests.building import World, delegate, node, pod, proxy
from tests.views.test_explaining import lines_of

EVERYTHING = Position(10**6, 10**6)


def evidence_of(world):
    evidence = Evidence()
    for line in lines_of(world, Teller()):
        evidence.note(line)
    return evidence


def test_the_last_word_before_a_position_counts():
    world = World()
    world.join("c1", node("n1"))
    first = world.capacity("c1", node("n1", ready=False))
    world.heartbeat("c1")
    second = world.capacity("c1", NodeGone(name="n1"))
    evidence, fact = evidence_of(world), ("node", "c1", "n1")

    assert evidence.behind(fact, EVERYTHING) == Place(Stream.OBSERVATIONS, second)
    assert evidence.behind(fact, Position(10**6, second - 1)).sequence == first
    assert evidence.behind(fact, Position(0, first)).sequence == first
    assert evidence.behind(fact, Position(10**6, 1)) is None
    assert evidence.behind(("node", "c1", "n2"), EVERYTHING) is None


def test_decisions_have_places_of_their_own():
    world = World()
    world.join("c1", node("n1"))
    world._append((ClusterLost(cluster="c1"),))
    world._append((ClusterRecovered(cluster="c1"),))
    evidence = evidence_of(world)

    assert evidence.behind(("lost", "c1"), Position(2, 0)) == Place(Stream.DECISIONS, 2)
    assert evidence.behind(("lost", "c1"), EVERYTHING).sequence == 3


def test_everything_that_a_verdict_may_rest_on_is_known_by_its_fact():
    world = World()
    world.join("c1", node("n1"), pod("a", "n1", 100))
    world.proxies("c1", proxy("u1"))
    world.cycle()
    world.delegates("c1", "c1", delegate("u1.1"))
    world.command(id="1", verb=Verb.CORDON, cluster="c1")
    world.command(id="2", verb=Verb.RELEASE, cluster="c1", namespace="default", name="x")

    found = dict.fromkeys(fact for line in lines_of(world, Teller()) for fact in facts_of(line))

    assert list(found) == [
        ("joined", "c1"),
        ("capacity", "c1"),
        ("node", "c1", "n1"),
        ("charge", "c1/a"),
        ("proxy", "u1"),
        ("charge", "u1.1"),
        ("cordon", "c1"),
    ]
