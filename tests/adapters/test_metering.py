"""What passes the ports is counted as it went."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from mcs.adapters.clock import SystemClock
from mcs.adapters.memory_cluster import MemoryCluster
from mcs.adapters.memory_log import Fate, MemoryBroker
from mcs.adapters.metering import MeteredCluster, MeteredLog, meter_state
from mcs.errors import NotFound, Uncertain
from mcs.objects.kinds import NAMESPACES, PODS
from mcs.ports import Stream
from tests.building import World, node, proxy


def metered():
    registry = CollectorRegistry()
    connection = MemoryBroker(SystemClock()).connect()
    return connection, MeteredLog(connection, SystemClock(), registry), registry


def messages():
    world = World()
    world.join("c1", node("n1", cpu=300))
    world.proxies("c1", proxy("u1"))
    world.cycle()
    observations = [(subject, data) for _, subject, _, data in world.observations]
    return observations, [(subject, data) for _, subject, data, _ in world.decisions]


def value(registry, name, **labels):
    return registry.get_sample_value(name, labels)


async def test_events_are_counted_once_they_are_stored():
    _, log, registry = metered()
    observations, decisions = messages()
    for message in observations:
        await log.append([message])
    await log.append(decisions)

    counted = "mcs_events_appended_total"
    assert value(registry, counted, stream="OBSERVATIONS", event="proxy.observed") == 1
    assert value(registry, counted, stream="OBSERVATIONS", event="resync.started") == 2
    assert value(registry, counted, stream="DECISIONS", event="pod.placed") == 1
    count = value(registry, "mcs_append_seconds_count", stream="OBSERVATIONS")
    assert count == len(observations)


async def test_what_is_not_known_to_be_stored_is_not_counted():
    connection, log, registry = metered()
    connection.fate = lambda _: Fate.LOST
    (message, *_), _ = messages()

    with pytest.raises(Uncertain):
        await log.append([message])

    name = "mcs_events_appended_total"
    assert value(registry, name, stream="OBSERVATIONS", event="cluster.joined") is None


async def test_a_cycle_lasts_from_its_observations_to_its_storing():
    _, log, registry = metered()
    observations, decisions = messages()
    await log.append([observations[0]])
    reader = await log.read(Stream.OBSERVATIONS)
    await reader.next()

    await log.append(decisions)
    await log.append([decisions[0]])  # nothing arrived for this one

    assert value(registry, "mcs_cycle_seconds_count") == 1


async def test_api_writes_are_counted_by_result():
    registry = CollectorRegistry()
    cluster = MeteredCluster(MemoryCluster("c1", SystemClock()), registry)
    await cluster.create(NAMESPACES, {"metadata": {"name": "a"}})
    await cluster.patch(NAMESPACES, "a", {"metadata": {"labels": {"x": "y"}}})
    await cluster.get(NAMESPACES, "a")
    with pytest.raises(NotFound):
        await cluster.delete(PODS, "nothing", namespace="default")

    name = "mcs_api_writes_total"
    assert value(registry, name, verb="create", kind="namespaces", result="ok") == 1
    assert value(registry, name, verb="patch", kind="namespaces", result="ok") == 1
    assert value(registry, name, verb="delete", kind="pods", result="NotFound") == 1


def test_a_state_is_shown_as_it_is():
    registry = CollectorRegistry()
    world = World()
    world.join("c1", node("n1", cpu=100))
    world.proxies("c1", proxy("u1"))
    world.store("mcs.obs.c1.proxy", b"garbage")
    world.tick(1, 3)

    class Clock:
        def now(self):
            return world.now_ns / 1e9 + 2

    meter_state(lambda: world.state, Clock(), registry)

    assert value(registry, "mcs_pods_waiting") == 1
    assert value(registry, "mcs_fold_lag_seconds") == pytest.approx(2, abs=0.01)
    assert value(registry, "mcs_cluster_heard_seconds", cluster="c1") == pytest.approx(5, abs=0.1)
    assert value(registry, "mcs_frames_parked_total", reason="unreadable frame") == 1
    assert b"# HELP mcs_pods_waiting" in generate_latest(registry)
