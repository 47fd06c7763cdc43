"""The demo's clusters: the published capacities, and the product's own webhook."""

import pytest

from mcs.adapters.clock import SystemClock
from mcs.demo.sites import NODE, SYSTEM_PODS, Site
from mcs.errors import Forbidden
from mcs.names import SCHEDULER_NAME, Keys
from mcs.objects.kinds import NODES, PODS
from mcs.quantities import CPU, parse

KEYS = Keys()


def user_pod(**annotations):
    return {
        "metadata": {"name": "a", "annotations": annotations},
        "spec": {"containers": [{"name": "main", "image": "busybox"}]},
    }


async def furnished(name="cluster1"):
    site = Site(name, SystemClock(), KEYS)
    await site.furnish()
    return site


@pytest.mark.parametrize(("name", "free"), [("cluster1", 980), ("cluster2", 1080)])
async def test_system_pods_leave_what_the_example_left(name, free):
    site = await furnished(name)
    pods = (await site.cluster.list(PODS, namespace="kube-system")).items
    nodes = (await site.cluster.list(NODES)).items

    taken = sum(parse(CPU, pod.spec.containers[0].resources.requests[CPU]) for pod in pods)
    assert 3 * parse(CPU, NODE[CPU]) - taken == free
    assert len(nodes) == len(SYSTEM_PODS[name]) == 3


async def test_an_elected_pod_becomes_a_proxy():
    site = await furnished()

    pod = await site.cluster.create(PODS, user_pod(**{KEYS.elect: ""}), namespace="default")

    assert pod.spec.scheduler_name == SCHEDULER_NAME
    assert KEYS.finalizer in pod.metadata.finalizers


async def test_other_pods_and_namespaces_are_left_alone():
    site = await furnished()

    plain = await site.cluster.create(PODS, user_pod(), namespace="default")
    elsewhere = await site.cluster.create(
        PODS, user_pod(**{KEYS.elect: ""}), namespace="kube-system"
    )

    assert plain.spec.scheduler_name == elsewhere.spec.scheduler_name == "default-scheduler"


async def test_what_the_webhook_refuses_is_forbidden():
    site = await furnished()

    with pytest.raises(Forbidden):
        await site.cluster.create(PODS, user_pod(**{KEYS.manifest: "{}"}), namespace="default")
