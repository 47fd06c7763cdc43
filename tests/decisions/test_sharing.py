"""One namespace, cluster or shape that asks for much keeps nobody else waiting."""

import msgspec

from mcs.events.decisions import PodPlaced, Policy
from mcs.events.observations import PodGone
from tests.building import World, node, pod, proxy


def placed(events):
    return [event.uid for event in events if isinstance(event, PodPlaced)]


def in_namespace(namespace, count, **fields):
    each = [proxy(f"{namespace}-{number:04d}", **fields) for number in range(count)]
    return [msgspec.structs.replace(event, namespace=namespace) for event in each]


def test_each_namespace_has_its_share_of_a_cycle_however_much_others_submit():
    world = World(Policy(cycle_bytes=20_000))
    world.join("c1", node(cpu=1_000_000, pods=10_000))
    early, late = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    for flood in ("a", "b"):
        world.proxies("c1", *in_namespace(flood, 400, created=early))
    world.proxies("c1", *in_namespace("quiet", 3, created=late))
    first = placed(world.cycle())

    assert {"quiet-0000", "quiet-0001", "quiet-0002"} <= set(first)
    assert {uid[0] for uid in first} == {"a", "b", "q"}
    assert len(first) > 20  # what is left of the quiet one's share is used


def test_a_share_that_nobody_uses_is_nobodys_loss():
    world = World(Policy(cycle_bytes=20_000))
    world.join("c1", node(cpu=1_000_000, pods=10_000))
    world.proxies("c1", *in_namespace("a", 400))
    alone = len(placed(world.cycle()))
    other = World(Policy(cycle_bytes=20_000))
    other.join("c1", node(cpu=1_000_000, pods=10_000))
    other.proxies("c1", *in_namespace("a", 400), *in_namespace("z", 1, cpu=9_000_000))

    assert len(placed(other.cycle())) == alone


def test_a_cluster_that_changes_all_the_time_delays_no_pod_of_another():
    world = World()
    world.join("c1", node(cpu=300))
    world.join("c2", node(cpu=1000))
    world.proxies("c1", *in_namespace("waits", 50, cpu=900, cluster="c1"))
    world.cycle()
    for number in range(20):
        event = pod(f"p{number}", "n1", 10) if number % 2 else PodGone(uid=f"p{number - 1}")
        world.capacity("c1", event)
        world.proxies("c2", proxy(f"u{number}", cpu=10, created=f"2026-02-01T00:00:{number:02d}Z"))
        assert placed(world.cycle()) == [f"u{number}"]
