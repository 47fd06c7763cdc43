"""What executor, feedback and virtual nodes do on real API servers, beside the straight way."""

import pytest

from tests.kubernetes.pods import path, pod

pytestmark = pytest.mark.kubernetes


async def wait_events(plane, namespace, reason):
    """The messages of Events with this reason, once there are any."""

    def found(listed):
        return [item for item in listed["items"] if item["reason"] == reason]

    listed = await plane.api.wait(f"/api/v1/namespaces/{namespace}/events", found)
    return [item["message"] for item in found(listed)]


async def test_a_namespace_that_did_not_opt_in_is_a_rejection_its_user_sees(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    await target.kubectl("label", "namespace", namespace, "multicluster-scheduler-")
    await source.apply([pod("p", namespace=namespace, cluster="c2")])

    def explained(proxy):
        return any(
            "NamespaceNotOptedIn" in condition.get("message", "")
            for condition in proxy["status"].get("conditions", ())
        )

    await source.api.wait(path(namespace, "p"), explained)
    (message, *_) = await wait_events(source, namespace, "DelegateRejected")
    assert "cluster c2 rejected it: NamespaceNotOptedIn" in message


async def test_a_placement_is_told_as_an_event(federation, namespace):
    source = federation.planes["c1"]
    await source.apply([pod("p", namespace=namespace, cluster="c2")])
    await source.api.wait_pod("p", "Running", namespace=namespace)

    assert "cluster c2" in (await wait_events(source, namespace, "Placed"))[0]


async def test_a_delegate_deleted_by_a_person_takes_its_proxy_along(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    await source.apply([pod("p", namespace=namespace, cluster="c2")])
    await source.api.wait_pod("p", "Running", namespace=namespace)
    await target.kubectl("delete", "pod", f"c1-{namespace}-p", "-n", namespace, "--wait=false")

    await source.api.wait_gone(path(namespace, "p"))
    await target.api.wait_gone(path(namespace, f"c1-{namespace}-p"))


async def test_a_virtual_node_that_was_deleted_comes_back_ready(federation):
    source = federation.planes["c1"]
    before = await source.api.wait("/api/v1/nodes/mcs-c2", ready)
    await source.kubectl("delete", "node", "mcs-c2", "--wait=false")

    after = await source.api.wait(
        "/api/v1/nodes/mcs-c2",
        lambda node: ready(node) and node["metadata"]["uid"] != before["metadata"]["uid"],
    )
    lease = await source.api.wait(
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/mcs-c2", lambda _: True
    )
    assert after["spec"]["taints"][0]["key"] == "virtual-kubelet.io/provider"
    assert lease["spec"]["renewTime"]


def ready(node):
    return any(
        (condition["type"], condition["status"]) == ("Ready", "True")
        for condition in node["status"].get("conditions", ())
    )
