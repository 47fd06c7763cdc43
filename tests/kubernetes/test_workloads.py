"""Kubernetes' own controllers over elected pods: they never notice where their pods run."""

import pytest

from tests.kubernetes.pods import path, template

pytestmark = pytest.mark.kubernetes


def workload(kind, name, namespace, spec):
    version = "batch/v1" if kind == "Job" else "apps/v1"
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def job(namespace, made, **spec):
    made["spec"]["restartPolicy"] = "Never"
    return workload("Job", "j", namespace, {"template": made, **spec})


def scaled(kind, namespace, replicas, made, **spec):
    labels = {"matchLabels": {"app": "test"}}
    return workload(
        kind, "w", namespace, {"replicas": replicas, "selector": labels, "template": made, **spec}
    )


async def pods_of(plane, namespace):
    """The pods that their controller counts, by name."""
    found = await plane.api.items(f"{path(namespace)}?labelSelector=app%3Dtest")
    return {item["metadata"]["name"]: item for item in found}


async def delegates(federation, namespace):
    """All delegates of the namespace, by the name of their proxy."""
    found = {}
    for cluster, plane in federation.planes.items():
        for item in await plane.api.items(path(namespace)):
            notes = item["metadata"].get("annotations", {})
            if name := notes.get("multicluster.admiralty.io/proxypod-name"):
                found.setdefault(name, []).append((cluster, item))
    return found


def ended(item, kind):
    found = item.get("status", {}).get("conditions", [])
    return next((each for each in found if (each["type"], each["status"]) == (kind, "True")), None)


async def test_a_job_completes_by_delegates_in_any_cluster(federation, namespace):
    source = federation.planes["c1"]
    made = template(run_for="1s", cpu="1500m")
    await source.apply(job(namespace, made, completions=8, parallelism=4))

    done = await source.api.wait(
        path(namespace, "j", "jobs"), lambda item: ended(item, "Complete"), 60.0
    )

    assert done["status"]["succeeded"] == 8
    assert "failed" not in done["status"]
    proxies, real = await pods_of(source, namespace), await delegates(federation, namespace)
    assert proxies.keys() == real.keys()
    assert all(len(each) == 1 for each in real.values()), "each ran once"
    assert {cluster for each in real.values() for cluster, _ in each} == {"c1", "c2"}
    for name, item in proxies.items():
        ((cluster, _),) = real[name]
        assert item["spec"]["nodeName"] == f"mcs-{cluster}"


async def test_a_delegate_that_fails_fails_its_jobs_pod_and_the_job_backs_off(
    federation, namespace
):
    source = federation.planes["c1"]
    notes = {"kwok.mcs/exit-code": "3", "kwok.mcs/message": "disk full"}
    await source.apply(job(namespace, template(annotations=notes), backoffLimit=1))

    done = await source.api.wait(
        path(namespace, "j", "jobs"), lambda item: ended(item, "Failed"), 60.0
    )

    assert ended(done, "Failed")["reason"] == "BackoffLimitExceeded"
    assert done["status"]["failed"] == 2
    for item in (await pods_of(source, namespace)).values():
        assert item["status"]["phase"] == "Failed"
        end = item["status"]["containerStatuses"][0]["state"]["terminated"]
        assert (end["exitCode"], end["message"]) == (3, "disk full")


@pytest.mark.parametrize("policy", ["TerminatingOrFailed", "Failed"])
async def test_a_jobs_pod_is_replaced_when_its_policy_says_so(federation, namespace, policy):
    source = federation.planes["c1"]
    made = template(annotations={"kwok.mcs/stop-after": "10s"})
    await source.apply(job(namespace, made, podReplacementPolicy=policy, backoffLimit=3))
    (first,) = await federation.wait("a pod", lambda: pods_of(source, namespace))
    await source.api.wait_pod(first, "Running", namespace=namespace)

    await source.kubectl("delete", "pod", first, "-n", namespace, "--wait=false")

    # the Job's own back-off follows, so what its policy changes is when it counts a failure
    counted = await source.api.wait(
        path(namespace, "j", "jobs"), lambda item: item["status"].get("failed") == 1
    )
    old = (await pods_of(source, namespace)).get(first)
    if policy == "Failed":
        assert old is None or old["status"]["phase"] == "Failed", "it waited for the first to end"
    else:
        assert counted["status"]["terminating"] == 1
        assert old["status"]["phase"] == "Running", "it did not wait"

    async def replaced():
        return sorted((await pods_of(source, namespace)).keys() - {first})

    (second,) = await federation.wait("another pod", replaced)
    await source.api.wait_pod(second, "Running", namespace=namespace)
    await source.api.wait_gone(path(namespace, first))
    running = await source.api.wait(path(namespace, "j", "jobs"), counted_again)
    assert running["status"]["failed"] == 1
    assert (await delegates(federation, namespace)).keys() == {second}


def counted_again(job):
    """Whether a Job's status, which is written after its pods are, tells of the second one only."""
    return (job["status"].get("terminating", 0), job["status"].get("active")) == (0, 1)


async def test_a_deployment_scales_up_and_down(federation, namespace):
    source = federation.planes["c1"]
    await source.apply(scaled("Deployment", namespace, 2, template(cpu="1")))
    await _available(source, namespace, 2)

    for replicas in (7, 1):
        await source.kubectl("scale", "deployment", "w", f"--replicas={replicas}", "-n", namespace)
        await _available(source, namespace, replicas)

        async def settled(replicas=replicas):
            proxies = await pods_of(source, namespace)
            real = await delegates(federation, namespace)
            return len(proxies) == replicas and real.keys() == proxies.keys()

        await federation.wait("a delegate for each", settled)


async def _available(plane, namespace, replicas):
    return await plane.api.wait(
        path(namespace, "w", "deployments"),
        lambda item: (
            item["status"].get("availableReplicas", 0) == replicas
            and item["status"].get("replicas") == replicas
            and item["status"].get("observedGeneration") == item["metadata"]["generation"]
        ),
    )


async def test_a_deployment_rolls_to_a_new_template_without_a_gap(federation, namespace):
    source = federation.planes["c1"]
    strategy = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    asked = scaled("Deployment", namespace, 3, template(), strategy=strategy)
    await source.apply(asked)
    await _available(source, namespace, 3)
    before = (await pods_of(source, namespace)).keys()

    env = [{"name": "VERSION", "value": "2"}]
    asked["spec"]["template"] = template(container={"env": env})
    await source.apply(asked)
    await source.kubectl("rollout", "status", "deployment/w", "-n", namespace, "--timeout=60s")

    async def rolled():
        real = await delegates(federation, namespace)
        return len(real) == 3 and not before & real.keys() and real

    real = await federation.wait("only new delegates", rolled)
    for ((_, item),) in real.values():
        assert item["spec"]["containers"][0]["env"] == env


async def test_a_stateful_set_keeps_order_and_names(federation, namespace):
    source = federation.planes["c1"]
    made = template(annotations={"kwok.mcs/stop-after": "1s"})
    await source.apply(scaled("StatefulSet", namespace, 3, made, serviceName="w"))
    ready = await source.api.wait(
        path(namespace, "w", "statefulsets"), lambda item: item["status"].get("readyReplicas") == 3
    )
    assert ready["status"]["currentReplicas"] == 3
    first = await pods_of(source, namespace)
    created = [first[f"w-{number}"]["metadata"]["creationTimestamp"] for number in range(3)]
    assert created == sorted(created)

    await source.kubectl("delete", "pod", "w-1", "-n", namespace)
    second = await source.api.wait_pod("w-1", "Running", namespace=namespace)

    assert second["metadata"]["uid"] != first["w-1"]["metadata"]["uid"]
    real = await delegates(federation, namespace)
    assert real.keys() == {"w-0", "w-1", "w-2"}
    ((_, delegate),) = real["w-1"]
    uid = delegate["metadata"]["labels"]["multicluster.admiralty.io/proxy-uid"]
    assert uid == second["metadata"]["uid"]
    assert (await pods_of(source, namespace))["w-0"]["metadata"]["uid"] == (
        first["w-0"]["metadata"]["uid"]
    )


async def test_a_cluster_may_be_its_own_target(federation, namespace):
    source = federation.planes["c1"]
    asked = scaled("Deployment", namespace, 3, template(cluster="c1"))
    await source.apply(asked)
    await _available(source, namespace, 3)

    found = await source.api.items(path(namespace))
    assert len(found) == 6, "the ReplicaSet adopts no delegate, and counts none"
    real = await delegates(federation, namespace)
    for name, proxy in (await pods_of(source, namespace)).items():
        ((cluster, delegate),) = real[name]
        assert (cluster, proxy["spec"]["nodeName"]) == ("c1", "mcs-c1")
        shown, status = proxy["status"], delegate["status"]
        assert shown["podIP"] == status["podIP"], "addresses mean the same here"
        assert shown["containerStatuses"] == status["containerStatuses"]
    await source.kubectl("delete", "deployment", "w", "-n", namespace)

    async def empty():
        return not await source.api.items(path(namespace))

    await federation.wait("nothing is left", empty)
