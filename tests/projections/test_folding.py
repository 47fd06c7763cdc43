"""What events do to all projections together."""

from typing import get_args

import msgspec
import pytest

from mcs.decisions.scheduling import schedule
from mcs.events.observations import DelegateGone, End, Observation, ProxyDeleted, ProxyGone, Verb
from mcs.names import Keys
from mcs.projections.folding import OBSERVED
from tests.building import World, delegate, node, pod, pods, proxy


def test_a_proxy_that_goes_takes_its_evicted_placement_along():
    """Else the next cycle looked for a placement that is forgotten, now and after each restart."""
    world = World()
    world.join("c1", node(), proxies=[proxy("u1")])
    world.cycle()
    world.delegates("c1", "c1", delegate("u1.1", node="n1"))
    named = {"namespace": "default", "name": "pod-u1"}
    world.delegates("c1", "c1", DelegateGone(placement="u1.1", **named, end=End.DELETED))
    world.proxies("c1", ProxyGone(uid="u1", **named))

    assert schedule(world.state, Keys()) == ()
    assert world.state.attention == {}


def test_a_release_gives_back_what_was_booked_for_a_delegate_that_nobody_saw():
    """It may never come to be, and then nobody will tell of its end (simulator seed 71)."""
    world = World()
    world.join("c1", proxies=[proxy("u1")])
    world.join("c2", node())
    world.cycle()
    assert world.state.inventory.used("c2", "n1") != {}
    named = {"namespace": "default", "name": "pod-u1"}
    world.proxies("c1", ProxyDeleted(uid="u1", **named))
    world.command(id="1", verb=Verb.RELEASE, cluster="c1", **named)
    world.cycle()

    assert world.state.inventory.used("c2", "n1") == {}


def test_a_released_delegate_that_was_seen_bound_counts_until_its_end():
    world = World()
    world.join("c1", proxies=[proxy("u1")])
    world.join("c2", node())
    world.cycle()
    world.delegates("c2", "c1", delegate("u1.1", node="n1"))
    named = {"namespace": "default", "name": "pod-u1"}
    world.proxies("c1", ProxyDeleted(uid="u1", **named))
    world.command(id="1", verb=Verb.RELEASE, cluster="c1", **named)
    world.cycle()
    assert world.state.inventory.used("c2", "n1") != {}

    world.delegates("c2", "c1", DelegateGone(placement="u1.1", **named, end=End.DELETED))
    assert world.state.inventory.used("c2", "n1") == {}


def test_pods_in_columns_are_as_many_pods():
    one, many = World(), World()
    for world in (one, many):
        world.join("c1", node("n1"), node("n2"))
    each = (("p1", "n1", 100), ("p2", "n2", 50), ("p3", "n1", 100), ("p1", "n2", 50))
    one.capacity("c1", *[pod(*fields) for fields in each])
    many.capacity("c1", pods(*each))

    for name, used in (("n1", {"cpu": 100, "pods": 1}), ("n2", {"cpu": 100, "pods": 2})):
        assert one.state.inventory.used("c1", name) == used
        assert many.state.inventory.used("c1", name) == used
    assert one.state.inventory.digest() == many.state.inventory.digest()


@pytest.mark.parametrize("wrong", [{"node": (0, 1, 2)}, {"ask": (0, 0)}, {"namespaces": ()}])
def test_columns_that_do_not_fit_together_are_parked(wrong):
    world = World()
    world.join("c1", node("n1"), node("n2"))
    event = pods(("p1", "n1", 100), ("p2", "n2", 50), ("p3", "n1", 100))
    world.capacity("c1", msgspec.structs.replace(event, **wrong))

    assert world.state.parked["columns that do not fit together"].count == 1
    assert world.state.inventory.used("c1", "n1") == {}


def test_there_is_an_entry_for_every_kind_of_observation():
    assert set(OBSERVED) == set(get_args(Observation))
