"""The main job: an elected pod of one cluster runs in another, and tells the whole story."""

import base64

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


async def test_no_secrets_content_is_in_the_log_or_in_a_log_line_i10(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    content = "c2VjcmV0LWNvbnRlbnQtb2YtYS10ZXN0"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": namespace},
        "data": {"password": content},
    }
    await source.apply([secret])
    await target.apply([secret])
    manifest = pod("p", namespace=namespace, cluster="c2", run_for="1s")
    reference = {"secretKeyRef": {"name": "s", "key": "password"}}
    manifest["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "valueFrom": reference}]
    await source.apply([manifest])
    await source.api.wait_pod("p", "Succeeded", namespace=namespace)

    stored = b"".join(file.read_bytes() for file in federation.nats.store.rglob("*.blk"))
    lines = b"".join(file.read_bytes() for file in federation.folder.glob("*.log"))
    clear = base64.b64decode(content)
    assert b'"secretKeyRef"' in stored.replace(b"\\", b"")
    assert [text in data for data in (stored, lines) for text in (content.encode(), clear)] == [
        False
    ] * 4
