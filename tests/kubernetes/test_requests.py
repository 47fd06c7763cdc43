"""What a pod takes of its node, by our sum and by kube-scheduler's: the same to the last byte.

For each case there is a node that offers exactly our sum, and for each resource one that offers one
unit less. The target's own scheduler must bind the pod to the first and refuse all others.
"""

import asyncio

import msgspec
import pytest

from mcs.objects.kinds import Pod
from mcs.objects.requests import effective_requests
from tests.kubernetes.conftest import opt_in, remove
from tests.kubernetes.pictures import nodes, picture, used
from tests.kubernetes.pods import path, plain

pytestmark = pytest.mark.kubernetes

MI = 2**20
TAINT = {"key": "sums", "value": "only", "effect": "NoSchedule"}
RUNTIME = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "heavy"},
    "handler": "heavy",
    "overhead": {"podFixed": {"cpu": "35m", "memory": "12Mi"}},
}


def container(name, cpu, memory, *, sidecar=False, **more):
    made = {"name": name, "image": "none"}
    made["resources"] = {"requests": {"cpu": cpu, "memory": memory, **more}}
    return {**made, "restartPolicy": "Always"} if sidecar else made


MAIN = container("main", "200m", "64Mi")
CASES = {
    "containers": ({"containers": [MAIN, container("b", "31m", "1000k")]}, 231),
    "init": ({"containers": [MAIN], "initContainers": [container("i", "1", "32Mi")]}, 1000),
    "sidecar": (
        {"containers": [MAIN], "initContainers": [container("s", "50m", "8Mi", sidecar=True)]},
        250,
    ),
    "sidecar-before": (
        {
            "containers": [MAIN],
            "initContainers": [
                container("s", "50m", "8Mi", sidecar=True),
                container("i", "400m", "99Mi"),
            ],
        },
        450,
    ),
    "sidecar-after": (
        {
            "containers": [MAIN],
            "initContainers": [
                container("i", "400m", "99Mi"),
                container("s", "50m", "8Mi", sidecar=True),
            ],
        },
        400,
    ),
    "overhead": ({"containers": [MAIN], "runtimeClassName": "heavy"}, 235),
    "whole-pod": (
        {
            "containers": [MAIN, {"name": "b", "image": "none"}],
            "resources": {"requests": {"cpu": "777m", "memory": "128Mi"}},
        },
        777,
    ),
    "whole-pod-cpu-only": (
        {
            "containers": [MAIN],
            "resources": {"requests": {"cpu": "300m"}},
            "runtimeClassName": "heavy",
            "initContainers": [container("i", "250m", "99Mi")],
        },
        335,
    ),
    "limits-only": (
        {
            "containers": [
                {
                    "name": "main",
                    "image": "none",
                    "resources": {"limits": {"cpu": "150m", "memory": "7Mi"}},
                }
            ]
        },
        150,
    ),
    "others": (
        {"containers": [container("main", "10m", "1Mi", **{"ephemeral-storage": "5Mi"})]},
        10,
    ),
}


@pytest.fixture(scope="module")
def places(federation):
    """A namespace for the pods of all cases; it and their nodes are gone after the module."""
    plane = federation.planes["c2"]
    asyncio.run(plane.apply(RUNTIME))
    asyncio.run(opt_in(federation, "sums", "c2"))
    yield "sums"
    asyncio.run(remove(federation, "sums"))
    asyncio.run(plane.kubectl("delete", "node", "-l", "sums"))
    asyncio.run(plane.kubectl("delete", "runtimeclass", "heavy"))


def placed(name, namespace, node, spec):
    made = plain(name, namespace, **spec)
    made["spec"] |= {
        "containers": spec["containers"],
        "nodeSelector": {"kubernetes.io/hostname": f"{node}-0"},
        "tolerations": [{"key": "sums", "operator": "Exists"}],
    }
    return made


async def sized(plane, prefix, amounts):
    """A node that offers exactly these amounts."""
    rest = {name: str(amount) for name, amount in amounts.items() if name not in ("cpu", "memory")}
    await plane.add_nodes(
        1,
        prefix=prefix,
        cpu=f"{amounts['cpu']}m",
        memory=str(amounts["memory"]),
        extended=rest,
        labels={"sums": "only"},
        taints=[TAINT],
    )


@pytest.mark.parametrize("case", CASES)
async def test_requests_are_those_that_kube_scheduler_reserves(federation, places, case):
    plane = federation.planes["c2"]
    spec, cpu = CASES[case]
    dry = placed("dry", places, "none", spec)
    admitted = await plane.api.create(f"{path(places)}?dryRun=All", dry)
    amounts = effective_requests(msgspec.convert(admitted, Pod, strict=False).spec)
    assert amounts["cpu"] == cpu
    short = {f"{case}-short-of-{name}": {**amounts, name: amounts[name] - 1} for name in amounts}
    await asyncio.gather(
        *(sized(plane, name, each) for name, each in {**short, f"{case}-exact": amounts}.items())
    )

    for number, name in enumerate((f"{case}-exact", *short)):
        await plane.apply(placed(f"{case}-{number}", places, name, spec))

    await plane.api.wait_pod(f"{case}-0", "Running", namespace=places)
    for number, resource in enumerate(amounts, start=1):
        await plane.api.wait(
            path(places, f"{case}-{number}"),
            lambda item, resource=resource: f"Insufficient {resource}" in refusal(item),
        )
    async with picture(federation) as log:
        exact = f"{case}-exact-0"
        await log.until("the node", lambda state: exact in nodes(state, "c2"))
        taken = amounts | {"pods": 1}
        await log.until("what it takes", lambda state: used(state, "c2", exact) == taken)


def refusal(item):
    """kube-scheduler's words, when it found no node."""
    conditions = item["status"].get("conditions", [])
    return next((each.get("message", "") for each in conditions if each["status"] == "False"), "")
