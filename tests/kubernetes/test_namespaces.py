"""Many pods deleted at once: with their controller's knowledge, and with their namespace."""

import json

import pytest

from tests.kubernetes.pairs import OURS, Pair, deleting
from tests.kubernetes.pods import path, template
from tools.federation import stopped

pytestmark = pytest.mark.kubernetes

# Deleting a namespace, Kubernetes looks again after half of the longest grace of its pods.
QUICK = {"terminationGracePeriodSeconds": 2}


async def test_a_controller_replaces_a_proxy_whose_delegate_somebody_deleted(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    await source.apply([replicas(namespace, 2)])
    before = await running(federation, namespace, 2)
    name, *_ = before
    await target.kubectl("delete", "pod", f"c1-{namespace}-{name}", "-n", namespace)

    async def replaced():
        found = await running_now(source, namespace)
        return len(found) == 2 and name not in found

    await federation.wait("another proxy runs", replaced)
    delegates = await target.api.items(path(namespace))
    assert len(delegates) == 2


async def test_a_sources_namespace_goes_with_what_runs_for_it(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    await source.apply([replicas(namespace, 3)])
    ended, waiting = Pair(federation, namespace, "ended"), Pair(federation, namespace, "waiting")
    await ended.start(phase="Succeeded", run_for="100ms", **QUICK)
    await waiting.start(phase="Pending", cpu="100", **QUICK)
    await running(federation, namespace, 3)

    await source.kubectl("delete", "namespace", namespace, "--wait=false")

    await source.api.wait_gone(f"/api/v1/namespaces/{namespace}", timeout_s=60)
    assert await target.api.items(path(namespace)) == []
    there = await target.api.get(f"/api/v1/namespaces/{namespace}")
    assert there["status"]["phase"] == "Active"


async def test_a_targets_namespace_goes_and_its_proxies_are_replaced_and_wait(
    federation, namespace
):
    source, target = federation.planes["c1"], federation.planes["c2"]
    await source.apply([replicas(namespace, 2)])
    ended = await Pair(federation, namespace, "ended").start(
        phase="Succeeded", run_for="100ms", **QUICK
    )
    before = await running(federation, namespace, 2)

    await target.kubectl("delete", "namespace", namespace, "--wait=false")
    await target.api.wait_gone(f"/api/v1/namespaces/{namespace}", timeout_s=60)

    def says(item):
        found = item["status"].get("conditions", ())
        return any("rejected it: Namespace" in each.get("message", "") for each in found)

    async def all_wait():
        found = await source.api.items(f"{path(namespace)}?labelSelector=app%3Dtest")
        fresh = not set(before) & {item["metadata"]["name"] for item in found}
        return len(found) == 2 and fresh and all(map(says, found))

    await federation.wait("replacements wait for the namespace", all_wait)
    proxy = await source.api.get(ended.proxy)
    assert proxy["status"]["phase"] == "Succeeded"


async def test_a_namespace_that_waits_for_an_absent_agent_says_so_and_can_be_let_go(
    federation, namespace
):
    source, target = federation.planes["c1"], federation.planes["c2"]
    running = await Pair(federation, namespace, "running").start(**QUICK)
    ended = await Pair(federation, namespace, "ended").start(
        phase="Succeeded", run_for="100ms", **QUICK
    )
    await federation.wait(
        "nothing of other tests is left", lambda: nobody_else(federation, namespace)
    )
    federation.agents["c2"].stop()
    async with stopped(federation.agents["c2"]):
        await source.kubectl("delete", "namespace", namespace, "--wait=false")
        pods = [f"c1/{namespace}/{name}" for name in ("ended", "running")]

        async def named():
            found = json.loads(await federation.mcs("status", "--json"))["stuck"]
            return len(found) == len(pods) and found

        stuck = await federation.wait("the status names what waits", named)
        stuck.sort(key=lambda each: each["what"])
        assert [each["what"] for each in stuck] == [f"deletion of {pod}" for pod in pods]
        for pod, each in zip(pods, stuck, strict=True):
            assert each["waits_for"] == "c2 (agent stopped) to say that its delegate is gone"
            assert each["commands"][0] == f"mcs release {pod}"
        for place in (running, ended):
            assert deleting(await source.api.get(place.proxy))

        for pod in pods:
            await federation.mcs("release", pod)
        await source.api.wait_gone(f"/api/v1/namespaces/{namespace}", timeout_s=60)
        assert len(await target.api.items(path(namespace))) == 2

    for place in (running, ended):
        await target.api.wait_gone(place.delegate)


def replicas(namespace, count):
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "r", "namespace": namespace},
        "spec": {
            "replicas": count,
            "selector": {"matchLabels": {"app": "test"}},
            "template": template(cluster="c2", **QUICK),
        },
    }


async def nobody_else(federation, namespace):
    """Whether we hold proxies in this namespace only: those of a test before it go with theirs, and
    would wait for an absent agent, too.
    """
    found = [item for p in federation.planes.values() for item in await p.api.items("/api/v1/pods")]
    held = [item["metadata"] for item in found if OURS in item["metadata"].get("finalizers", ())]
    return all(each["namespace"] == namespace for each in held)


async def running(federation, namespace, count):
    """Names of the workload's proxies, once so many run."""

    async def enough():
        found = await running_now(federation.planes["c1"], namespace)
        return len(found) == count and found

    return await federation.wait(f"{count} run", enough)


async def running_now(source, namespace):
    found = await source.api.items(f"{path(namespace)}?labelSelector=app%3Dtest")
    return [
        item["metadata"]["name"]
        for item in found
        if item["status"]["phase"] == "Running" and not deleting(item)
    ]
