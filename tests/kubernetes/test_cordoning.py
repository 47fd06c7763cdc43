"""People close virtual nodes, as they close any node: `kubectl cordon`, `kubectl drain`."""

import contextlib

import pytest

from tests.kubernetes.pods import condition, path, pod, pods_of, template
from tools.controlplane import KubectlFailed

pytestmark = pytest.mark.kubernetes


async def test_a_cordon_keeps_new_pods_of_this_source_away_until_it_is_undone(
    federation, namespace
):
    source, other = federation.planes["c1"], federation.planes["c2"]
    await source.apply([pod("before", namespace=namespace, cluster="c2")])
    await source.api.wait_pod("before", "Running", namespace=namespace)
    async with cordoned(federation, "c1", "mcs-c2"):
        await source.apply([pod("p", namespace=namespace, cluster="c2")])
        await other.apply([pod("theirs", namespace=namespace, cluster="c2")])

        waiting = await source.api.wait(
            path(namespace, "p"),
            lambda item: (
                "virtual node cordoned in c1" in condition(item, "PodScheduled").get("message", "")
            ),
        )
        assert "nodeName" not in waiting["spec"]
        await other.api.wait_pod("theirs", "Running", namespace=namespace)
        before = await source.api.get(path(namespace, "before"))
        assert before["status"]["phase"] == "Running"

    await source.api.wait_pod("p", "Running", namespace=namespace)


async def test_a_drain_moves_pods_elsewhere_and_respects_their_budget(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    async with cordoned(federation, "c1", "mcs-c1"):
        await source.apply([budget(namespace, 2), deployment(namespace, 2)])
        before = await running(federation, source, namespace, 2, "mcs-c2")
    pdb = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/b"
    await source.api.wait(pdb, lambda item: item.get("status", {}).get("currentHealthy") == 2)
    drain = ("drain", "mcs-c2", "--ignore-daemonsets", "--pod-selector=app=test")
    try:
        with pytest.raises(KubectlFailed, match="violate the pod's disruption budget"):
            await source.kubectl(*drain, "--timeout=3s")
        assert await running(federation, source, namespace, 2, "mcs-c2") == before

        await source.api.merge(pdb, {"spec": {"minAvailable": 1}})
        drained = await source.kubectl(*drain, "--timeout=90s")

        assert drained.count("evicted") == 2
        await running(federation, source, namespace, 2, "mcs-c1")
        for item in before:
            name = f"c1-{namespace}-{item['metadata']['name']}"
            await target.api.wait_gone(path(namespace, name))
    finally:
        await source.kubectl("uncordon", "mcs-c2")
        await told(federation, "c1", "mcs-c2", cordoned=False)


@contextlib.asynccontextmanager
async def cordoned(federation, cluster, node):
    """A virtual node that a person cordoned, for a while; what it means has reached the log."""
    await federation.planes[cluster].kubectl("cordon", node)
    await told(federation, cluster, node, cordoned=True)
    try:
        yield
    finally:
        await federation.planes[cluster].kubectl("uncordon", node)
        await told(federation, cluster, node, cordoned=False)


async def told(federation, cluster, node, **state):
    """Wait until the cluster's last word about its virtual node is ``state``."""

    async def said():
        events = [each["event"] for each in await federation.events("--cluster", cluster)]
        words = [
            event
            for event in events
            if event["type"] == "virtualnode.observed" and f"mcs-{event['target']}" == node
        ]
        return bool(words) and all(words[-1].get(k, False) == v for k, v in state.items())

    await federation.wait(f"{cluster} tells of {node}: {state}", said)


async def running(federation, plane, namespace, count, node):
    """Exactly so many pods of the test's workload, all Running on this node and none leaving."""

    async def all_there():
        found = await pods_of(plane, namespace)
        states = [(item["spec"].get("nodeName"), item["status"]["phase"]) for item in found]
        leaving = any("deletionTimestamp" in item["metadata"] for item in found)
        return states == [(node, "Running")] * count and not leaving and found

    return await federation.wait(f"{count} pods running on {node}", all_there)


def deployment(namespace, replicas, **fields):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "test"}},
            "template": template(**fields),
        },
    }


def budget(namespace, least):
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b", "namespace": namespace},
        "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": "test"}}},
    }
