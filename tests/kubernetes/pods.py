"""Manifests for tests: elected pods, and workloads that make them."""

DOMAIN = "multicluster.admiralty.io"
ELECT = f"{DOMAIN}/elect"
CLUSTERNAME = f"{DOMAIN}/clustername"


def pod(name, *, namespace, cluster="", run_for="", cpu="100m", annotations=None, **spec):
    """An elected pod; ``cluster`` pins it, ``run_for`` makes it succeed after that time."""
    notes = {ELECT: "", **(annotations or {})}
    if cluster:
        notes[CLUSTERNAME] = cluster
    if run_for:
        notes["kwok.mcs/run-for"] = run_for
    container = {
        "name": "main",
        "image": "busybox",
        "resources": {"requests": {"cpu": cpu}},
        **spec.pop("container", {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "annotations": notes},
        "spec": {"containers": [container], **spec},
    }


def plain(name, namespace, **fields):
    """A pod that is not elected: it runs where it was created."""
    made = pod(name, namespace=namespace, **fields)
    del made["metadata"]["annotations"][ELECT]
    return made


def template(**fields):
    """The pod template of a workload, from the same arguments as ``pod``."""
    made = pod("unused", namespace="unused", **fields)
    metadata = {"annotations": made["metadata"]["annotations"], "labels": {"app": "test"}}
    return {"metadata": metadata, "spec": made["spec"]}


def path(namespace, name="", resource="pods"):
    group = {"pods": "api/v1", "jobs": "apis/batch/v1"}.get(resource, "apis/apps/v1")
    return f"/{group}/namespaces/{namespace}/{resource}" + (f"/{name}" if name else "")


def condition(item, type):
    """A condition of an object's status, or nothing."""
    found = item["status"].get("conditions", ())
    return next((each for each in found if each["type"] == type), {})


async def pods_of(plane, namespace, label="app=test"):
    """The pods that a workload made from ``template``."""
    return await plane.api.items(f"{path(namespace)}?labelSelector={label.replace('=', '%3D')}")
