"""Policies cover a virtual node before it is created, and are looked after."""

import asyncio

import pytest

from mcs.adapters.clock import SystemClock
from mcs.adapters.memory_cluster import MemoryCluster
from mcs.errors import Forbidden
from mcs.names import Keys
from mcs.objects.kinds import NODES, VALIDATING_BINDINGS, VALIDATING_POLICIES
from mcs.objects.registration import MANIFEST_POLICY, NODES_POLICY, Url
from mcs.services.nodes import Nodes
from mcs.services.policies import INTERVAL_S, RETRY_S, Policies
from mcs.services.registration import Registration
from tests.services.clocks import HandClock
from tests.services.members import until

KEYS = Keys()


class Scene:
    def __init__(self):
        self.clock = HandClock()
        self.cluster = MemoryCluster("c1", SystemClock())
        at = Url("https://127.0.0.1:9443")
        registration = Registration(self.cluster, KEYS, user="agent", at=at)
        self.policies = Policies(registration, self.clock, KEYS)
        self.nodes = Nodes(self.cluster, KEYS, self.clock)

    async def expression(self):
        policy = await self.cluster.read(VALIDATING_POLICIES, NODES_POLICY)
        return policy["spec"]["matchConditions"][0]["expression"]

    async def run(self):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.nodes.run())
            tasks.create_task(self.policies.run(self.nodes))


async def test_a_target_is_covered_when_that_returns():
    scene = Scene()

    await scene.policies.cover("c2")
    await scene.policies.cover("c3")

    assert "['mcs-c2', 'mcs-c3']" in await scene.expression()
    bindings = (await scene.cluster.list(VALIDATING_BINDINGS)).items
    assert {item.metadata.name for item in bindings} == {NODES_POLICY, MANIFEST_POLICY}


async def test_what_is_covered_costs_nothing():
    scene = Scene()
    await scene.policies.cover("c2")
    before = scene.cluster.requests

    await scene.policies.cover("c2")

    assert scene.cluster.requests == before


async def test_nodes_of_an_earlier_life_are_covered():
    scene = Scene()
    labels = {KEYS.target: "c9", "virtual-kubelet.io/provider": "mcs", "type": "virtual-kubelet"}
    taint = {"key": "virtual-kubelet.io/provider", "value": "mcs", "effect": "NoSchedule"}
    manifest = {"metadata": {"name": "mcs-c9", "labels": labels}, "spec": {"taints": [taint]}}
    await scene.cluster.create(NODES, manifest)
    running = asyncio.create_task(scene.run())
    try:

        async def covered():
            found = (await scene.cluster.list(VALIDATING_POLICIES)).items
            return found and "mcs-c9" in await scene.expression()

        await until(covered)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_deleted_policy_comes_back():
    scene = Scene()
    await scene.policies.cover("c2")
    running = asyncio.create_task(scene.run())
    try:
        await until(scene.nodes.synced.is_set)
        await scene.clock.advance(0)
        await scene.cluster.delete(VALIDATING_POLICIES, NODES_POLICY)
        await scene.clock.advance(INTERVAL_S)

        assert "mcs-c2" in await scene.expression()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_target_that_cannot_be_covered_is_not_said_to_be():
    scene = Scene()

    def refuse(request):
        raise Forbidden("no")

    scene.cluster.validators.append(refuse)
    with pytest.raises(Forbidden):
        await scene.policies.cover("c2")
    scene.cluster.validators.clear()

    await scene.policies.cover("c2")

    assert "mcs-c2" in await scene.expression()
    assert RETRY_S < INTERVAL_S
