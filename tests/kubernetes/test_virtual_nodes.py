"""Virtual nodes on real API servers: what they show, when pods are bound, what they survive."""

import asyncio

import pytest

from tests.kubernetes.conftest import opt_in, remove
from tests.kubernetes.pods import condition, path, plain, pod

pytestmark = pytest.mark.kubernetes

NODE = "/api/v1/nodes/mcs-c2"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/mcs-c2"


def ready(node):
    return condition(node, "Ready").get("status") == "True"


@pytest.fixture(scope="module")
def survivor(federation):
    """A proxy whose virtual node was deleted as clouds do, again and again; `control` is a pod on a
    node that never was, which goes when Kubernetes collects the pods of missing nodes.
    """
    namespace = "test-survivor"
    source = federation.planes["c1"]

    async def begin():
        await opt_in(federation, namespace)
        await source.apply([plain("control", namespace, nodeName="nowhere")])
        await source.apply([pod("p", namespace=namespace, cluster="c2")])
        proxy = await source.api.wait_pod("p", "Running", namespace=namespace)
        uids = {(await source.api.wait(NODE, ready))["metadata"]["uid"]}
        for _ in range(5):
            await source.api.delete(NODE)
            node = await source.api.wait(NODE, lambda node: node["metadata"]["uid"] not in uids)
            uids.add(node["metadata"]["uid"])
        return proxy

    proxy = asyncio.run(begin())
    yield {"namespace": namespace, "before": proxy, "control": path(namespace, "control")}
    asyncio.run(remove(federation, namespace))


async def test_a_virtual_node_that_a_cloud_keeps_deleting_is_always_back(federation, survivor):
    source = federation.planes["c1"]
    node = await source.api.wait(NODE, ready)
    assert "virtual-kubelet.io/provider" in {taint["key"] for taint in node["spec"]["taints"]}
    proxy = await source.api.get(path(survivor["namespace"], "p"))
    assert proxy["status"]["phase"] == "Running"


async def test_every_source_has_one_virtual_node_for_each_target(federation):
    for plane in federation.planes.values():
        for name in ("mcs-c1", "mcs-c2"):
            await plane.api.wait(f"/api/v1/nodes/{name}", ready)
        nodes = await plane.api.items("/api/v1/nodes")
        names = sorted(node["metadata"]["name"] for node in nodes)
        assert names == ["mcs-c1", "mcs-c2", "node-0", "node-1", "node-2"]


async def test_a_virtual_node_shows_its_whole_target_and_is_no_machine(federation):
    source, target = federation.planes["c1"], federation.planes["c2"]
    ours = {"key": "virtual-kubelet.io/provider", "value": "mcs", "effect": "NoSchedule"}

    def summed(cpu, memory, pods):
        capacity = {"cpu": cpu, "memory": memory, "pods": pods}
        left = capacity | {"pods": "0"}  # schedulers find no room there, see decision 0010
        return lambda node: (
            ready(node)
            and node["spec"]["taints"] == [ours]  # Kubernetes taints a new node until it is ready
            and (node["status"].get("capacity"), node["status"].get("allocatable"))
            == (capacity, left)
        )

    node = await source.api.wait(NODE, summed("12", "48Gi", "330"))
    assert node["status"]["nodeInfo"]["kubeletVersion"] == target.version
    assert "providerID" not in node["spec"]
    labels = node["metadata"]["labels"]
    assert labels["node.kubernetes.io/exclude-from-external-load-balancers"] == "true"
    assert (labels["kubernetes.io/os"], labels["kubernetes.io/hostname"]) == ("linux", "mcs-c2")

    await target.add_nodes(1, cpu="2", memory="8Gi", pods=10, prefix="more")
    await source.api.wait(NODE, summed("14", "56Gi", "340"))
    await target.kubectl("delete", "node", "more-0")


async def test_labels_that_all_nodes_of_the_target_share_are_shown(federation):
    source, target = federation.planes["c1"], federation.planes["c2"]
    await target.kubectl("label", "nodes", "--all", "node-role.kubernetes.io/worker=", "rack=r1")
    await target.kubectl("label", "node", "node-0", "disk=ssd")
    try:
        # c2's own virtual nodes are no part of it, though --all means them, too
        node = await source.api.wait(NODE, lambda node: "rack" in node["metadata"]["labels"])
        labels = node["metadata"]["labels"]
        assert labels["rack"] == "r1"
        assert "disk" not in labels
        assert "node-role.kubernetes.io/worker" not in labels

        await target.kubectl("label", "node", "node-1", "rack=r2", "--overwrite")
        await source.api.wait(NODE, lambda node: "rack" not in node["metadata"]["labels"])
    finally:
        gone = ("node-role.kubernetes.io/worker-", "rack-", "disk-")
        await target.kubectl("label", "nodes", "--all", *gone)


async def test_a_virtual_node_has_a_lease_that_is_renewed_and_goes_with_it(federation):
    source = federation.planes["c1"]
    node = await source.api.wait(NODE, ready)

    def its_own(lease):
        (owner,) = lease["metadata"]["ownerReferences"]
        return (owner["kind"], owner["uid"]) == ("Node", node["metadata"]["uid"])

    # That of an earlier node of this name stays until Kubernetes collects it.
    lease = await source.api.wait(LEASE, its_own)
    before = lease["spec"]["renewTime"]
    await source.api.wait(LEASE, lambda lease: lease["spec"]["renewTime"] > before)


async def test_what_others_take_from_a_virtual_node_comes_back_and_what_they_add_stays(federation):
    source = federation.planes["c1"]
    await source.kubectl("label", "node", "mcs-c2", "mine=x")
    await source.kubectl("taint", "node", "mcs-c2", "mine=x:PreferNoSchedule")
    try:
        await source.kubectl("taint", "node", "mcs-c2", "virtual-kubelet.io/provider-")
        await source.kubectl(
            "label", "node", "mcs-c2", "type-", "kubernetes.io/os=plan9", "--overwrite"
        )

        def whole(node):
            labels, taints = node["metadata"]["labels"], node["spec"]["taints"]
            keys = {taint["key"] for taint in taints}
            ours = labels.get("type") == "virtual-kubelet" and labels["kubernetes.io/os"] == "linux"
            return ours and "virtual-kubelet.io/provider" in keys

        node = await source.api.wait(NODE, whole)
        assert node["metadata"]["labels"]["mine"] == "x"
        assert "mine" in {taint["key"] for taint in node["spec"]["taints"]}
    finally:
        await source.kubectl("label", "node", "mcs-c2", "mine-")
        await source.kubectl("taint", "node", "mcs-c2", "mine-")


async def test_a_proxy_is_bound_only_once_its_delegate_is(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    delegate = path(namespace, f"c1-{namespace}-p")
    target.processes["scheduler"].pause()
    try:
        await source.apply([pod("p", namespace=namespace, cluster="c2")])
        await target.api.wait(delegate, lambda _: True)

        async def observed():
            events = await federation.events("--pod", f"{namespace}/p")
            return any(each["event"]["type"] == "delegate.observed" for each in events)

        await federation.wait("the delegate is observed", observed)
        proxy = await source.api.get(path(namespace, "p"))
        assert "nodeName" not in proxy["spec"]
        assert "nodeName" not in (await target.api.get(delegate))["spec"]
    finally:
        target.processes["scheduler"].resume()

    proxy = await source.api.wait_pod("p", "Running", namespace=namespace)
    assert proxy["spec"]["nodeName"] == "mcs-c2"
    assert (await target.api.get(delegate))["spec"]["nodeName"].startswith("node-")
    assert condition(proxy, "PodScheduled")["status"] == "True"


async def test_a_proxy_outlives_the_deletions_of_its_node(federation, survivor):
    source, target = federation.planes["c1"], federation.planes["c2"]
    namespace, before = survivor["namespace"], survivor["before"]
    await source.api.wait_gone(survivor["control"], timeout_s=120)

    proxy = await source.api.get(path(namespace, "p"))
    assert proxy["metadata"]["uid"] == before["metadata"]["uid"]
    assert proxy["status"]["phase"] == "Running"
    assert condition(proxy, "Ready")["status"] == "True"
    delegate = await target.api.get(path(namespace, f"c1-{namespace}-p"))
    assert delegate["status"]["phase"] == "Running"
