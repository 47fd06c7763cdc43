"""What we write is accepted by a real API server, and reads back as written: patches settle."""

import asyncio
import contextlib
import json

import msgspec
import pytest

from mcs.adapters.kubernetes import connect
from mcs.events.observations import ClusterHeartbeat, Phase
from mcs.names import Keys, PodKey
from mcs.objects import feedback, waiting
from mcs.objects.delegate import delegate_manifest
from mcs.objects.kinds import LEASES, NODES, PODS
from mcs.objects.observing import delegate_observed, pod_observed, proxy_observed
from mcs.objects.virtualnode import (
    LEASE_NAMESPACE,
    lease_manifest,
    lease_patch,
    node_manifest,
    node_patch,
    status_patch,
)
from mcs.ports import Patch
from tools.controlplane import ControlPlane

pytestmark = pytest.mark.kubernetes

KEYS = Keys()
AT = "2026-01-01T00:00:00Z"
PATH = "/api/v1/namespaces/default/pods"
BEAT = ClusterHeartbeat(
    totals={"cpu": 2_000_000, "memory": 3 * 2**30 + 1, "pods": 1000, "example.com/gpu": 2},
    labels={"topology.kubernetes.io/region": "eu"},
    kubernetes="v1.36.3",
)


@pytest.fixture(scope="module")
def plane():
    made = ControlPlane("objects")
    try:
        asyncio.run(made.start())
        asyncio.run(made.add_nodes(2))
        yield made
    finally:
        made.close()


@contextlib.asynccontextmanager
async def connected(plane):
    cluster = await connect(str(plane.kubeconfig))
    try:
        yield cluster
    finally:
        await cluster.close()


def pod(name, **spec):
    spec.setdefault("containers", [{"name": "main", "image": "none"}])
    return {"metadata": {"name": name, "labels": {"app.io/x": "y"}}, "spec": spec}


async def admitted(plane, body):
    """The pod as the API server would admit it: defaults, token volume, tolerations, priority."""
    nameless = {**body, "metadata": {"generateName": "a-", "labels": body["metadata"]["labels"]}}
    return json.dumps(await plane.api.create(f"{PATH}?dryRun=All", nameless))


async def delegate_of(plane, name, **spec):
    manifest = delegate_manifest(
        await admitted(plane, pod(name, **spec)),
        keys=KEYS,
        source="c1",
        pod=PodKey(namespace="default", name=name),
        uid=f"u-{name}",
        attempt=1,
        name=f"c1-default-{name}",
    )
    return await plane.api.create(PATH, manifest)


async def test_a_delegate_is_admitted_and_gets_a_token_of_its_own(plane):
    made = await delegate_of(
        plane,
        "whole",
        containers=[{"name": "main", "image": "none"}, {"name": "more", "image": "none"}],
        initContainers=[
            {"name": "i", "image": "none"},
            {"name": "s", "image": "none", "restartPolicy": "Always"},
        ],
        priorityClassName="system-cluster-critical",
        tolerations=[{"key": "gpu", "operator": "Exists"}],
        schedulingGates=[{"name": "kueue"}],
    )

    assert "schedulingGates" not in made["spec"]
    tokens = [
        volume["name"]
        for volume in made["spec"]["volumes"]
        if volume["name"].startswith("kube-api-access-")
    ]
    assert len(tokens) == 1
    for container in made["spec"]["containers"] + made["spec"]["initContainers"]:
        assert [mount["name"] for mount in container["volumeMounts"]] == tokens
    assert made["spec"]["priority"] == 2_000_000_000
    assert made["metadata"]["labels"]["multicluster.admiralty.io/app.io_x"] == "y"


async def bound_proxy(plane, cluster, name, **spec):
    """A proxy as the webhook leaves it, bound to a virtual node."""
    body = pod(name, schedulerName="mcs", **spec)
    body["metadata"]["finalizers"] = [KEYS.finalizer]
    body["metadata"]["annotations"] = {KEYS.manifest: await admitted(plane, pod(name, **spec))}
    await plane.api.create(PATH, body)
    return await cluster.get(PODS, name, namespace="default")


async def bind(plane, name):
    target = {"apiVersion": "v1", "kind": "Node", "name": "mcs-elsewhere"}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
    await plane.api.create(f"{PATH}/{name}/binding", body)


async def write(cluster, name, patch):
    return await cluster.patch(
        PODS, name, patch, namespace="default", subresource="status", type=Patch.STRATEGIC
    )


async def observed(cluster, name):
    pod = await cluster.get(PODS, f"c1-default-{name}", namespace="default")
    return delegate_observed(pod, KEYS)


@pytest.mark.parametrize("reachable", [False, True])
async def test_feedback_settles_from_waiting_to_the_end(plane, reachable):
    name = f"fed-{reachable}".lower()
    spec = {"restartPolicy": "Never", "initContainers": [{"name": "i", "image": "none"}]}
    async with connected(plane) as cluster:
        proxy = await bound_proxy(plane, cluster, name, **spec)
        waits = waiting.waiting(proxy, {}, at=AT)
        proxy = await write(cluster, name, waits)
        assert waiting.waiting(proxy, {}, at="later") is None

        await delegate_of(plane, name, **spec)
        await plane.api.wait_pod(f"c1-default-{name}", "Running")
        await bind(plane, name)
        proxy = await cluster.get(PODS, name, namespace="default")
        running = await observed(cluster, name)
        patch = feedback.shown(proxy, running, KEYS, at=AT, reachable=reachable)
        proxy = await write(cluster, name, patch)

        assert proxy.status.phase == "Running"
        assert (proxy.status.pod_ip is not None) is reachable
        again = feedback.shown(proxy, running, KEYS, at="later", reachable=reachable)
        assert again is None, again
        conditions = {item.type: item for item in proxy.status.conditions}
        assert conditions["Ready"].status == conditions["PodScheduled"].status == "True"
        assert proxy_observed(proxy, KEYS).requests == {}

        ended = {
            "phase": "Failed",
            "containerStatuses": [
                {
                    "name": "main",
                    "image": "none",
                    "imageID": "",
                    "ready": False,
                    "restartCount": 0,
                    "state": {"terminated": {"exitCode": 3, "message": "<out> & gone"}},
                }
            ],
        }
        await plane.api.merge(f"{PATH}/c1-default-{name}/status", {"status": ended})
        last = await observed(cluster, name)
        assert last.phase is Phase.FAILED
        patch = feedback.released(proxy, KEYS, at=AT, delegate=last)
        proxy = await write(cluster, name, patch)

        assert proxy.status.phase == "Failed"
        assert b'"exitCode":3' in bytes(proxy.status.container_statuses)
        assert not proxy.metadata.finalizers
        assert feedback.released(proxy, KEYS, at="later", delegate=last) is None
        assert feedback.shown(proxy, last, KEYS, at="later") is None


async def test_a_patch_for_a_pod_that_was_replaced_is_refused(plane):
    async with connected(plane) as cluster:
        proxy = await bound_proxy(plane, cluster, "replaced")
        patch = feedback.failed(proxy, reason="R", message="m", at=AT)
        other = {**patch, "metadata": {"uid": "another"}}

        with pytest.raises(Exception, match="uid"):
            await write(cluster, "replaced", other)


async def test_a_virtual_node_and_its_lease_settle(plane):
    async with connected(plane) as cluster:
        await cluster.create(NODES, node_manifest("c2", BEAT, KEYS))

        async def look():
            return await cluster.get(NODES, "mcs-c2")

        node = await look()
        assert node_patch(node, "c2", BEAT, KEYS) is None
        patch = status_patch(node, BEAT, at=AT)
        await cluster.patch(NODES, "mcs-c2", patch, subresource="status", type=Patch.STRATEGIC)
        assert status_patch(await look(), BEAT, at="later") is None
        assert (await look()).status.capacity["pods"] == "1k"

        less = msgspec.structs.replace(BEAT, totals={"cpu": 1000}, labels={})
        patch = status_patch(await look(), less, lost=True, at=AT)
        await cluster.patch(NODES, "mcs-c2", patch, subresource="status", type=Patch.STRATEGIC)
        await cluster.patch(NODES, "mcs-c2", node_patch(await look(), "c2", less, KEYS))
        node = await look()
        assert status_patch(node, less, lost=True, at="later") is None
        assert node_patch(node, "c2", less, KEYS) is None
        assert node.status.capacity == {"cpu": "1"}
        assert node.status.allocatable == {"cpu": "1", "pods": "0"}
        assert "topology.kubernetes.io/region" not in node.metadata.labels

        lease = lease_manifest(node, holder="agent-1", at="2026-01-01T00:00:00.000000Z")
        await cluster.create(LEASES, lease, namespace=LEASE_NAMESPACE)
        renewal = lease_patch(holder="agent-2", at="2026-01-01T00:00:10.000000Z")
        renewed = await cluster.patch(LEASES, "mcs-c2", renewal, namespace=LEASE_NAMESPACE)
        assert renewed.spec.holder_identity == "agent-2"
        assert renewed.spec.lease_duration_seconds == 40


async def test_what_uses_a_node_is_what_the_node_says(plane):
    containers = [
        {"name": "a", "image": "none", "resources": {"requests": {"cpu": "100m"}}},
        {"name": "b", "image": "none", "resources": {"limits": {"memory": "1Gi"}}},
    ]
    sidecar = {
        "name": "s",
        "image": "none",
        "restartPolicy": "Always",
        "resources": {"requests": {"cpu": "1"}},
    }
    first = {"name": "i", "image": "none", "resources": {"requests": {"cpu": "2"}}}
    body = pod("used", containers=containers, initContainers=[sidecar, first])
    await plane.api.create(PATH, body)
    bound = await plane.api.wait_pod("used", "Running")

    async with connected(plane) as cluster:
        told = pod_observed(await cluster.get(PODS, "used", namespace="default"))

    assert told.requests == {"cpu": 3000, "memory": 2**30}
    shown = await plane.kubectl("describe", "node", bound["spec"]["nodeName"])
    [line] = [line for line in shown.splitlines() if line.split()[:2] == ["default", "used"]]
    assert line.split()[2] == "3"
    assert "1Gi" in line
