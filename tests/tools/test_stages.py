"""Annotations steer how pods live on KWOK's nodes."""

import asyncio
import time

import pytest

pytestmark = pytest.mark.kubernetes

PODS = "/api/v1/namespaces/default/pods"
SOONER_S = 20.0  # than by the grace of 30 s that a pod has by itself, however busy the machine


async def run(plane, name, annotations=None, **spec):
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {"containers": [{"name": "main", "image": "none"}], **spec},
    }
    await plane.api.create(PODS, body)


def terminated(pod):
    return [status["state"]["terminated"] for status in pod["status"]["containerStatuses"]]


async def test_a_plain_pod_runs_and_is_ready(plane):
    await run(plane, "plain")
    pod = await plane.api.wait_pod("plain", "Running")
    status = pod["status"]
    conditions = {item["type"]: item["status"] for item in status["conditions"]}
    assert set(conditions) >= {"PodScheduled", "Initialized", "ContainersReady", "Ready"}
    assert set(conditions.values()) == {"True"}
    assert status["containerStatuses"][0]["state"]["running"]["startedAt"] == status["startTime"]
    assert status["podIP"] == status["podIPs"][0]["ip"]
    assert "kwok.mcs/finish-at" not in pod["metadata"].get("annotations", {})


async def test_a_pod_ends_when_its_time_is_over(plane):
    started = time.monotonic()
    await run(plane, "timed", {"kwok.mcs/run-for": "4s"}, restartPolicy="Never")
    await plane.api.wait_pod("timed", "Running")
    await asyncio.sleep(3)
    touched = time.monotonic()
    await plane.api.merge(f"{PODS}/timed", {"metadata": {"labels": {"touched": "yes"}}})
    pod = await plane.api.wait_pod("timed", "Succeeded")
    assert time.monotonic() - started > 3.9
    # A change of the pod does not start its time anew: a second is left, and not four.
    assert time.monotonic() - touched < 3.9
    (end,) = terminated(pod)
    assert (end["exitCode"], end["reason"]) == (0, "Completed")
    assert end["startedAt"] < end["finishedAt"]
    assert {"Ready": "False"}.items() <= {
        item["type"]: item["status"] for item in pod["status"]["conditions"]
    }.items()


async def test_a_pod_fails_with_the_code_reason_and_message_asked_for(plane):
    wishes = {
        "kwok.mcs/exit-code": "3",
        "kwok.mcs/reason": "OOMKilled",
        "kwok.mcs/message": 'no "space" left: 0 bytes',
    }
    await run(plane, "failing", wishes, restartPolicy="Never")
    (end,) = terminated(await plane.api.wait_pod("failing", "Failed"))
    assert (end["exitCode"], end["reason"]) == (3, "OOMKilled")
    assert end["message"] == 'no "space" left: 0 bytes'


async def test_every_container_is_reported_and_the_default_one_fails(plane):
    wishes = {"kwok.mcs/exit-code": "1", "kubectl.kubernetes.io/default-container": "second"}
    await run(
        plane,
        "several",
        {**wishes, "kwok.mcs/run-for": "3s"},
        restartPolicy="Never",
        initContainers=[
            {"name": "first-of-all", "image": "none"},
            {"name": "sidecar", "image": "none", "restartPolicy": "Always"},
        ],
        containers=[{"name": "first", "image": "none"}, {"name": "second", "image": "none"}],
    )
    running = await plane.api.wait_pod("several", "Running")
    init, sidecar = running["status"]["initContainerStatuses"]
    assert init["state"]["terminated"]["exitCode"] == 0
    assert sidecar["state"].keys() == {"running"}
    assert sidecar["started"]
    failed = await plane.api.wait_pod("several", "Failed")
    assert [end["exitCode"] for end in terminated(failed)] == [0, 1]
    assert [end["reason"] for end in terminated(failed)] == ["Completed", "Error"]
    assert all("terminated" in item["state"] for item in failed["status"]["initContainerStatuses"])


async def test_a_pod_waits_before_it_starts(plane):
    started = time.monotonic()
    await run(plane, "late", {"kwok.mcs/start-after": "1s"})
    await plane.api.wait_pod("late", "Running")
    assert time.monotonic() - started > 0.9


async def test_a_running_pod_can_be_ended_by_a_test(plane):
    await run(plane, "ended", restartPolicy="Never")
    await plane.api.wait_pod("ended", "Running")
    end = {"kwok.mcs/finish-at": "2020-01-01T00:00:00Z", "kwok.mcs/exit-code": "7"}
    await plane.api.merge(f"{PODS}/ended", {"metadata": {"annotations": end}})
    assert terminated(await plane.api.wait_pod("ended", "Failed"))[0]["exitCode"] == 7


async def test_a_deleted_pod_ends_before_it_goes(plane):
    await run(plane, "deleted")
    await plane.api.wait_pod("deleted", "Running")
    keep = {"metadata": {"finalizers": ["example.com/keep"]}}
    await plane.api.merge(f"{PODS}/deleted", keep)
    await plane.api.delete(f"{PODS}/deleted")
    pod = await plane.api.wait_pod("deleted", "Failed")
    assert terminated(pod)[0]["exitCode"] == 143
    over = lambda item: item["metadata"]["deletionGracePeriodSeconds"] == 0  # noqa: E731
    await plane.api.wait(f"{PODS}/deleted", over)
    await plane.api.merge(f"{PODS}/deleted", {"metadata": {"finalizers": []}})
    await plane.api.wait_gone(f"{PODS}/deleted")


async def test_a_pod_may_take_its_time_to_stop_but_not_more_than_its_grace(plane):
    await run(plane, "slow", {"kwok.mcs/stop-after": "2s", "kwok.mcs/stop-code": "0"})
    await run(plane, "stubborn", {"kwok.mcs/stop-after": "600s"})
    await plane.api.wait_pod("slow", "Running")
    await plane.api.wait_pod("stubborn", "Running")
    started = time.monotonic()
    await plane.api.delete(f"{PODS}/slow")
    await plane.api.delete(f"{PODS}/stubborn", {"gracePeriodSeconds": 4})
    await plane.api.wait_gone(f"{PODS}/slow")
    assert 0.9 < time.monotonic() - started < SOONER_S
    await plane.api.wait_gone(f"{PODS}/stubborn")
    assert 2.9 < time.monotonic() - started < SOONER_S


async def test_a_job_runs_on_until_its_pods_are_told_to_end(plane):
    def job(name, annotations):
        template = {
            "metadata": {"annotations": annotations},
            "spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "main", "image": "none"}],
            },
        }
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {"template": template},
        }

    await plane.apply([job("endless", {}), job("brief", {"kwok.mcs/run-for": "200ms"})])
    jobs = "/apis/batch/v1/namespaces/default/jobs"
    await plane.api.wait(f"{jobs}/brief", lambda item: item["status"].get("succeeded") == 1)
    await plane.api.wait(f"{jobs}/endless", lambda item: item["status"].get("active") == 1)
    await plane.api.delete(f"{jobs}/endless", {"propagationPolicy": "Foreground"})
    await plane.api.wait_gone(f"{jobs}/endless")
