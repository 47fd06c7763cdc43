"""The opposite of a lost target: what mcs itself loses. Nothing is deleted or evicted for that, for
however long, and work goes on when it returns.

How long is long enough is not guessed: a canary, a plain pod on a node that was silenced, shows
that every time-out of Kubernetes has passed, since Kubernetes evicts it.
"""

import asyncio
import contextlib

import pytest

from tests.kubernetes.conftest import opt_in
from tests.kubernetes.invariants import check_lives, check_log, unfinished
from tests.kubernetes.pods import path, plain, pod, template
from tests.kubernetes.sightings import Sightings
from tools.commands import Options
from tools.federation import Federation

pytestmark = pytest.mark.kubernetes

OPTIONS = Options(
    node_monitor_grace_period_s=18,  # an agent renews its virtual nodes' leases every 10 s
    default_not_ready_toleration_s=2,
    default_unreachable_toleration_s=2,
)
CANARY = "canary"  # the node
LOST_AFTER_S = 10
OUTAGES = ("nats killed", "nats frozen", "scheduler killed", "source agent killed")


@pytest.fixture(scope="module")
def federation():
    federation = Federation(
        "c1",
        "c2",
        options=OPTIONS,
        policy={"lost-after": LOST_AFTER_S},
        environment={"MCS_HEARTBEAT": "1"},
    )

    async def start():
        await federation.start()
        # Where more than 55 % of a small cluster's nodes are not ready, Kubernetes evicts nobody.
        await federation.planes["c1"].add_nodes(5)
        await federation.planes["c2"].add_nodes(2)
        await federation.planes["c1"].add_nodes(1, prefix=CANARY)

    asyncio.run(start())
    yield federation
    federation.close()


@pytest.fixture
def sightings(federation):
    sightings = Sightings(federation.planes)
    sightings.begin()
    yield sightings
    sightings.end()


@contextlib.asynccontextmanager
async def outage(federation, which):
    """Something is away inside the block."""
    part, how = which.rsplit(" ", 1)
    process = {
        "nats": federation.nats,
        "scheduler": federation.scheduler,
        "source agent": federation.agents["c1"],
    }[part]
    if how == "frozen":
        process.pause()
    else:
        process.kill()
    try:
        yield
    finally:
        if how == "frozen":
            process.resume()
        else:
            await process.start()


async def outlast_kubernetes(federation, namespace):
    """Wait until Kubernetes has evicted a pod whose node fell silent when this was called."""
    plane = federation.planes["c1"]
    await plane.silence(f"{CANARY}-0")
    await plane.api.wait_gone(path(namespace, "canary"), 180)


async def replace_canary(federation):
    plane = federation.planes["c1"]
    await plane.revive(f"{CANARY}-0")
    await plane.api.wait(f"/api/v1/nodes/{CANARY}-0", lambda node: not tainted(node), 90)


def tainted(node):
    return [each for each in node["spec"].get("taints", ()) if "NoExecute" in each["effect"]]


@pytest.mark.parametrize("which", OUTAGES)
async def test_an_outage_deletes_nothing_and_work_goes_on(federation, sightings, which):
    source = federation.planes["c1"]
    namespace = which.replace(" ", "-")
    await opt_in(federation, namespace)
    await source.api.wait(f"/api/v1/nodes/{CANARY}-0", lambda node: not tainted(node), 90)
    canary = plain("canary", namespace, nodeName=f"{CANARY}-0", terminationGracePeriodSeconds=0)
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "test"}},
            "template": template(cluster="c2"),
        },
    }
    bare = [
        pod("here", namespace=namespace, cluster="c1"),
        pod("there", namespace=namespace, cluster="c2"),
        pod("doomed", namespace=namespace, cluster="c2"),
    ]
    await source.apply([canary, deployment, *bare])

    def running():
        lives = sightings.proxies(namespace)
        return lives if len(lives) == 5 and all(on_node(life) for life in lives) else None

    before = await federation.wait("all running", running, 90)
    uids = {life.uid for life in before}
    doomed = next(life for life in before if life.name == "doomed")
    lost = await losses(federation)

    async with outage(federation, which):
        if "agent" not in which:  # whose webhook would be asked
            await source.apply([pod("new", namespace=namespace, cluster="c2", run_for="1s")])
        await source.kubectl("delete", "pod", "doomed", "-n", namespace, "--wait=false")
        await outlast_kubernetes(federation, namespace)
        if "agent" in which:
            # Kubernetes taints one node in ten seconds: this one may come after the canary.
            await source.api.wait("/api/v1/nodes/mcs-c2", tainted, 60)
            await asyncio.sleep(OPTIONS.default_unreachable_toleration_s + 1)

    if "agent" in which:
        await source.apply([pod("new", namespace=namespace, cluster="c2", run_for="1s")])
    await source.api.wait_pod("new", "Succeeded", namespace=namespace, timeout_s=90)
    await source.api.wait_gone(path(namespace, "doomed"), 90)
    for target in "c1", "c2":
        await source.api.wait(f"/api/v1/nodes/mcs-{target}", is_ready, 90)
    for life in before:
        if life is not doomed:
            item = await source.api.wait(path(namespace, life.name), is_ready, 90)
            assert item["metadata"]["uid"] == life.uid
    await federation.wait("all settled", lambda: not unfinished(sightings, namespace), 90)
    state = await check_log(federation)
    check_lives(sightings, state, namespace=namespace, deleted={doomed.uid})
    survivors = [life for life in sightings.proxies(namespace) if life.uid in uids]
    assert [life for life in survivors if life.deleting or life.gone] == [doomed]
    evicted = [life for life in sightings.delegates() if life.proxy_uid in uids and life.deleting]
    assert [life.proxy_uid for life in evicted] == [doomed.uid]
    # A source whose agent is away is itself lost as a target; nobody else may be.
    assert await losses(federation) - lost <= ({"c1"} if "agent" in which else set())

    await replace_canary(federation)
    for plane in federation.planes.values():
        await plane.kubectl("delete", "namespace", namespace, "--wait=false")


def on_node(life):
    return life.phase == "Running" and life.node


def is_ready(item):
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in item["status"].get("conditions", ())
    )


async def losses(federation):
    """The clusters that were ever lost."""
    found = [each["event"] for each in await federation.events()]
    return {event["cluster"] for event in found if event["type"] == "cluster.lost"}
