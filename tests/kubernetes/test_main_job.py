"""The main job: an elected pod of one cluster runs in another, and tells the whole story."""

import pytest

from tests.kubernetes.pods import path, pod

pytestmark = pytest.mark.kubernetes


async def test_an_elected_pod_runs_in_another_cluster_until_its_end(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    await source.apply([pod("p", namespace=namespace, cluster="c2", run_for="1s")])

    proxy = await source.api.wait_pod("p", "Succeeded", namespace=namespace)
    delegate = await target.api.get(path(namespace, f"c1-{namespace}-p"))

    assert proxy["spec"]["nodeName"] == "mcs-c2"
    assert delegate["spec"]["nodeName"].startswith("node-")
    statuses = [one["status"]["containerStatuses"] for one in (proxy, delegate)]
    assert statuses[0] == statuses[1]
    kinds = [e["event"]["type"] for e in await federation.events("--pod", f"{namespace}/p")]
    assert kinds[:2] == ["proxy.observed", "pod.placed"]
    assert "delegate.observed" in kinds


async def test_a_deleted_proxy_takes_its_delegate_with_it(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    await source.apply([pod("p", namespace=namespace, cluster="c2")])
    await source.api.wait_pod("p", "Running", namespace=namespace)

    await source.kubectl("delete", "pod", "p", "-n", namespace, "--wait=false")

    await source.api.wait_gone(path(namespace, "p"))
    await target.api.wait_gone(path(namespace, f"c1-{namespace}-p"))
