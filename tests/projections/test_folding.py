"""What events do to all projections together."""

from mcs.decisions.scheduling import schedule
from mcs.events.observations import DelegateGone, End, ProxyGone
from mcs.names import Keys
from tests.building import World, delegate, node, proxy


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
