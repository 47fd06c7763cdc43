"""A control plane is real: it authorizes, evicts, and survives the death of its parts."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools import parts
from tools.api import Api, ApiError
from tools.controlplane import ControlPlane, KubectlFailed, Options

pytestmark = pytest.mark.kubernetes

PODS = "/api/v1/namespaces/default/pods"
AGAIN_S = 90.0  # controllers look for a server that died at longer and longer intervals
EVICTED_S = 90.0  # a silent node is noticed after its grace, and one in ten seconds is tainted


def pod(name, annotations=None, **spec):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {"containers": [{"name": "main", "image": "none"}], **spec},
    }


async def test_it_and_its_nodes_are_of_the_version_that_was_built(plane):
    minor = parts.version_of("kubernetes").rpartition(".")[0]
    assert plane.version.startswith(f"{minor}.")
    nodes = await plane.api.items("/api/v1/nodes")
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes} == {plane.version}


async def test_kubectl_speaks_to_it(plane):
    assert "node-0" in await plane.kubectl("get", "nodes")
    await plane.kubectl(
        "apply",
        "-f",
        "-",
        stdin='{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"by-kubectl"}}',
    )
    with pytest.raises(KubectlFailed, match="not found"):
        await plane.kubectl("get", "pod", "nobody")


async def test_a_service_account_may_do_only_what_it_was_granted(plane):
    await plane.apply(
        [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": {"name": "reader"},
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": "reader"},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "Role",
                    "name": "reader",
                },
                "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "default"}],
            },
        ]
    )
    kubeconfig = await plane.kubeconfig_for("default/reader")
    assert kubeconfig.stat().st_mode & 0o077 == 0
    async with asyncio.timeout(30):
        while not await may_list_pods(plane, kubeconfig):  # an API server watches its own roles
            await asyncio.sleep(0.1)
    with pytest.raises(KubectlFailed, match="cannot list resource"):
        await plane.kubectl(f"--kubeconfig={kubeconfig}", "get", "secrets")


async def may_list_pods(plane, kubeconfig):
    try:
        return await plane.kubectl(f"--kubeconfig={kubeconfig}", "auth", "can-i", "list", "pods")
    except KubectlFailed:  # "no" is an error
        return ""


async def test_a_stranger_is_refused(plane):
    stranger = Api(plane.url, Path(plane.folder / "ca.crt"))
    with pytest.raises(ApiError) as refused:
        await stranger.get(PODS)
    assert refused.value.status == 403


async def test_pods_of_nodes_that_kwok_does_not_manage_are_left_alone(plane):
    virtual = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "virtual"},
        "status": {"capacity": {"cpu": "9", "memory": "9Gi", "pods": "9"}},
        "spec": {"taints": [{"key": "virtual", "effect": "NoSchedule"}]},
    }
    await plane.api.create("/api/v1/nodes", virtual)
    await plane.api.create(PODS, pod("proxy", nodeName="virtual"))
    await plane.api.create(PODS, pod("local"))
    await plane.api.wait_pod("local", "Running")
    await asyncio.sleep(0.3)  # nothing to wait for: nothing must happen
    proxy = await plane.api.get(f"{PODS}/proxy")
    assert proxy["status"]["phase"] == "Pending"
    assert "containerStatuses" not in proxy["status"]
    await plane.api.delete(f"{PODS}/proxy", {"gracePeriodSeconds": 0})
    await plane.api.delete("/api/v1/nodes/virtual")


async def test_each_process_reports_what_it_uses(plane):
    for process in plane.processes.values():
        assert process.running
        assert 10e6 < process.rss_bytes() < 2e9
        assert process.cpu_seconds() > 0


async def test_a_killed_api_server_comes_back_with_its_data():
    async with ControlPlane("killed") as plane:
        await plane.add_nodes(1)
        await plane.api.create(PODS, pod("before"))
        await plane.api.wait_pod("before", "Running")
        for name in ("apiserver", "etcd"):
            plane.processes[name].kill()
            assert not plane.processes[name].running
        await plane.processes["etcd"].start()
        await plane.processes["apiserver"].start()
        await plane.api.wait_pod("before", "Running")
        await plane.api.create(PODS, pod("after"))
        await plane.api.wait_pod("after", "Running", timeout_s=AGAIN_S)


async def test_a_paused_api_server_does_not_answer_and_then_does():
    async with ControlPlane("paused") as plane:
        plane.processes["apiserver"].pause()
        assert not await asyncio.to_thread(plane.api.answers, "/readyz")
        plane.processes["apiserver"].resume()
        await plane.processes["apiserver"].wait_ready()


async def test_pods_of_a_silent_node_are_evicted_in_time():
    options = Options(
        node_monitor_grace_period_s=4,
        default_not_ready_toleration_s=1,
        default_unreachable_toleration_s=1,
    )
    async with ControlPlane("silent", options) as plane:
        dying, healthy = await plane.add_nodes(2)
        await plane.api.create(PODS, pod("evicted", nodeName=dying))
        await plane.api.create(PODS, pod("kept", nodeName=healthy))
        await plane.api.wait_pod("evicted", "Running")
        await plane.api.wait_pod("kept", "Running")
        await plane.silence(dying)
        deleted = lambda item: "deletionTimestamp" in item["metadata"]  # noqa: E731
        evicted = await plane.api.wait(f"{PODS}/evicted", deleted, EVICTED_S)
        assert evicted["status"]["phase"] == "Running"  # stuck: nobody is there to end it
        assert not deleted(await plane.api.get(f"{PODS}/kept"))
        await plane.revive(dying)
        await plane.api.wait_gone(f"{PODS}/evicted", AGAIN_S)
        # Else the taint that is still there may evict the next pod, too.
        whole = lambda item: not item["spec"].get("taints")  # noqa: E731
        await plane.api.wait(f"/api/v1/nodes/{dying}", whole, AGAIN_S)
        await plane.api.create(PODS, pod("next", nodeName=dying))
        await plane.api.wait_pod("next", "Running")


async def test_kwok_resumes_after_its_death():
    async with ControlPlane("resumed") as plane:
        await plane.add_nodes(1)
        timed = {"kwok.mcs/run-for": "4s"}  # long enough to be seen, and not to end before KWOK
        await plane.api.create(PODS, pod("timed", timed, restartPolicy="Never"))
        await plane.api.wait_pod("timed", "Running")
        plane.processes["kwok"].kill()
        await plane.api.create(PODS, pod("waiting"))
        await plane.processes["kwok"].start()
        await plane.api.wait_pod("waiting", "Running", timeout_s=AGAIN_S)
        await plane.api.wait_pod("timed", "Succeeded", timeout_s=AGAIN_S)


PARENT = """
import asyncio, sys
from tools.controlplane import ControlPlane
async def main():
    plane = ControlPlane("orphan")
    await plane.start()
    print(*(process.pid for process in plane.processes.values()), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def test_nothing_outlives_a_parent_that_was_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # nobody is left to remove its folder
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as parent:
        children = [int(text) for text in parent.stdout.readline().split()]
        parent.send_signal(signal.SIGKILL)
    assert len(children) == 5
    deadline = time.monotonic() + 30
    while any(_runs(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_runs(child) for child in children)


def _runs(child):
    try:
        state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
