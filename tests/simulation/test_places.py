"""A simulated cluster does what a real one does around its API server."""

import asyncio
from random import Random

from mcs.names import Keys
from mcs.objects.kinds import NODES, PODS
from mcs.ports import Patch
from mcs.simulation.loop import VirtualClock, run_virtually
from mcs.simulation.places import NAMESPACE, ORPHAN_S, Place
from mcs.simulation.plan import ClusterPlan


def played(scene):
    async def main():
        plan = ClusterPlan(name="c1", nodes=(1000, 500))
        place = Place(plan, VirtualClock(), Keys(), Random(1))
        await place.furnish()
        living = asyncio.create_task(place.run())
        await asyncio.sleep(1)
        try:
            await scene(place)
        finally:
            living.cancel()
            await asyncio.wait({living})

    run_virtually(main())


def pod(name, **spec):
    container = {"name": "main", "image": "i", "resources": {"requests": {"cpu": "300m"}}}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


async def there(place):
    return {each.metadata.name for each in (await place.cluster.list(PODS)).items}


def test_pods_of_a_node_that_vanished_are_collected():
    async def scene(place):
        await place.cluster.create(PODS, pod("p"), namespace=NAMESPACE)
        await asyncio.sleep(2)
        found = await place.cluster.get(PODS, "p", namespace=NAMESPACE)
        assert found.status.phase == "Running"
        await place.remove_node(found.spec.node_name)
        await asyncio.sleep(2)
        assert await there(place) == {"p"}
        await asyncio.sleep(ORPHAN_S + 2)
        assert await there(place) == set()

    played(scene)


def test_pods_leave_a_node_that_is_not_ready_when_their_tolerations_end():
    async def scene(place):
        short = {
            "key": "node.kubernetes.io/not-ready",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 10,
        }
        on = {"nodeName": "c1-n1"}
        await place.cluster.create(PODS, pod("a", **on, tolerations=[short]), namespace=NAMESPACE)
        await place.cluster.create(PODS, pod("b", **on), namespace=NAMESPACE)  # 300 s by default
        condition = {"type": "Ready", "status": "False"}
        patch = {"status": {"conditions": [condition]}}
        await place.cluster.patch(NODES, "c1-n1", patch, subresource="status", type=Patch.STRATEGIC)
        await asyncio.sleep(9)
        assert await there(place) == {"a", "b"}
        await asyncio.sleep(100)
        assert await there(place) == {"b"}
        await asyncio.sleep(300)
        assert await there(place) == set()

    played(scene)


def test_a_cluster_that_is_down_for_a_while_goes_on():
    async def scene(place):
        place.cluster.stop()
        await asyncio.sleep(20)
        place.cluster.start()
        await place.cluster.create(PODS, pod("p"), namespace=NAMESPACE)
        await asyncio.sleep(30)
        found = await place.cluster.get(PODS, "p", namespace=NAMESPACE)
        assert found.status.phase == "Running"

    played(scene)
