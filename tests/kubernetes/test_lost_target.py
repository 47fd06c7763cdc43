"""A target that is lost: as with a lost node, Kubernetes evicts, controllers replace, and nothing
runs twice; it comes back and is tidied up by decisions, or a person says that it is dead.
"""

import asyncio
import json

import pytest

from tests.kubernetes.conftest import opt_in
from tests.kubernetes.invariants import check_lives, check_log, unfinished
from tests.kubernetes.pods import path, pod, template
from tests.kubernetes.sightings import Sightings
from tools.commands import Options
from tools.federation import Federation
from tools.free_ports import reserve_port

pytestmark = [
    pytest.mark.kubernetes,
    # When a server dies between a connection and its handshake, Python's ssl drops the socket.
    pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning"),
]

REPLICAS = 3
PATIENT = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
OPTIONS = Options(
    node_monitor_grace_period_s=30,
    default_not_ready_toleration_s=2,
    default_unreachable_toleration_s=2,
)


@pytest.fixture(scope="module")
def federation():
    federation = Federation(
        "c1",
        "c2",
        options=OPTIONS,
        policy={"lost-after": 10},
        environment={"MCS_HEARTBEAT": "1"},
    )

    async def start():
        await federation.start()
        for plane in federation.planes.values():
            await plane.add_nodes(2)

    asyncio.run(start())
    yield federation
    federation.close()


@pytest.fixture
def sightings(federation):
    sightings = Sightings(federation.planes)
    sightings.begin()
    yield sightings
    sightings.end()


class Scene:
    """A namespace whose pods run in c2: a Deployment, and a bare pod that tolerates a lost node."""

    def __init__(self, federation, sightings, namespace):
        self.namespace = namespace
        self._federation, self._sightings = federation, sightings
        self.api = federation.planes["c1"].api

    async def play(self):
        await opt_in(self._federation, self.namespace)
        await self._federation.mcs("cluster", "cordon", "c1")
        labels = {"app": "test"}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "d", "namespace": self.namespace},
            "spec": {
                "replicas": REPLICAS,
                "selector": {"matchLabels": labels},
                "template": template(),
            },
        }
        patient = pod("patient", namespace=self.namespace, tolerations=[PATIENT])
        await self._federation.planes["c1"].apply([deployment, patient])
        await self.running(REPLICAS + 1, "c2")
        await self._federation.mcs("cluster", "uncordon", "c1")

    async def running(self, count, cluster):
        """Wait until so many of its proxies run in a cluster; their uids."""

        def found():
            chosen = {
                life.uid
                for life in self.proxies()
                if life.node == f"mcs-{cluster}" and life.phase == "Running" and not life.deleting
            }
            return chosen if len(chosen) == count else None

        return await self._federation.wait(f"{count} in {cluster}", found, 90)

    async def seen(self, lives):
        """The only one of these, once the witness's watch of its cluster has shown it."""
        (life,) = await self._federation.wait("a pod is seen", lives)
        return life

    def proxies(self, source="c1"):
        found = self._sightings.proxies(self.namespace)
        return [life for life in found if life.cluster == source]

    def proxy(self, name):
        return next(life for life in self.proxies() if life.name == name)

    async def evicted(self):
        """Wait until Kubernetes deleted the Deployment's proxies on c2; these."""

        def found():
            gone = [each for each in self.proxies() if each.node == "mcs-c2" and each.deleting]
            return gone if len(gone) == REPLICAS else None

        return await self._federation.wait("proxies evicted by Kubernetes", found, 90)

    async def settled(self, *, deleted):
        def calm():
            return not unfinished(self._sightings, self.namespace)

        await self._federation.wait("all settled", calm, 90)
        state = await check_log(self._federation)
        check_lives(self._sightings, state, namespace=self.namespace, deleted=deleted)


def ready(status):
    def judge(node):
        found = [each for each in node["status"].get("conditions", ()) if each["type"] == "Ready"]
        return found and found[0]["status"] == status

    return judge


async def happened(federation, kind, cluster, after=0):
    """Wait for a decision about a cluster; how many there are by now."""

    async def found():
        events = [each["event"] for each in await federation.events()]
        count = sum(e["type"] == kind and e["cluster"] == cluster for e in events)
        return count if count > after else 0

    return await federation.wait(f"{kind} {cluster}", found, 90)


async def count(federation, kind):
    return sum(each["event"]["type"] == kind for each in await federation.events())


async def stuck(federation):
    """What is stuck, by what it is."""
    status = json.loads(await federation.mcs("status", "--json"))
    return {each["what"]: each for each in status["stuck"]}


async def test_a_cordoned_cluster_takes_nothing_new_until_it_is_uncordoned(federation):
    namespace = "cordoned"
    await opt_in(federation, namespace)
    source = federation.planes["c1"]
    await source.apply([pod("before", namespace=namespace, cluster="c2")])
    await source.api.wait_pod("before", "Running", namespace=namespace)
    await federation.mcs("cluster", "cordon", "c2")
    await source.apply([pod("p", namespace=namespace, cluster="c2")])

    def told(proxy):
        conditions = proxy["status"].get("conditions", ())
        return any("cluster cordoned" in each.get("message", "") for each in conditions)

    await source.api.wait(path(namespace, "p"), told)
    assert "cordoned" in await federation.mcs("status")
    before = await source.api.get(path(namespace, "before"))
    assert before["status"]["phase"] == "Running"

    await federation.mcs("cluster", "uncordon", "c2")
    await source.api.wait_pod("p", "Running", namespace=namespace)
    for plane in federation.planes.values():
        await plane.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_a_lost_cluster_is_a_lost_node_until_it_comes_back(federation, sightings, how):
    """A frozen agent stands for a network that is cut: it knows nothing of its absence."""
    scene = Scene(federation, sightings, f"lost-{how}")
    await scene.play()
    patient = scene.proxy("patient")
    its_delegate = await scene.seen(lambda: sightings.delegates(patient.uid))
    lost, recovered = [await count(federation, f"cluster.{k}") for k in ("lost", "recovered")]
    agent = federation.agents["c2"]
    if how == "killed":
        agent.kill()
    else:
        agent.pause()

    await happened(federation, "cluster.lost", "c2", after=lost)
    await scene.api.wait("/api/v1/nodes/mcs-c2", ready("False"))
    evicted = await scene.evicted()
    await scene.running(REPLICAS, "c1")
    assert not patient.deleting
    assert all(not life.gone for life in evicted), "nobody knows yet that these do not run"

    # Each stuck object with the command that ends it; and for one of them it is given.
    named = await stuck(federation)
    for life in evicted:
        pod_name = f"c1/{scene.namespace}/{life.name}"
        commands = named[f"deletion of {pod_name}"]["commands"]
        assert f"mcs release {pod_name}" in commands
        assert "mcs cluster remove c2 --confirm-dead" in commands
    released, *others = evicted
    await federation.mcs("release", f"c1/{scene.namespace}/{released.name}")
    await scene.api.wait_gone(path(scene.namespace, released.name))
    assert all(not life.gone for life in others)

    if how == "killed":
        await agent.start()
    else:
        agent.resume()
    await happened(federation, "cluster.recovered", "c2", after=recovered)
    await scene.api.wait("/api/v1/nodes/mcs-c2", ready("True"))
    for life in evicted:
        await scene.api.wait_gone(path(scene.namespace, life.name), 90)
    await scene.settled(deleted={life.uid for life in evicted})
    (delegate,) = sightings.delegates(patient.uid)
    assert delegate is its_delegate
    assert not delegate.deleting
    assert not patient.deleting
    left = [each for each in sightings.delegates() if each.cluster == "c2" and not each.gone]
    assert [each.proxy_uid for each in left if each.namespace == scene.namespace] == [patient.uid]

    for plane in federation.planes.values():
        await plane.kubectl("delete", "namespace", scene.namespace, "--wait=false")


async def test_another_cluster_under_a_known_name_is_refused_and_told_why(federation):
    """A wrong kubeconfig: that of c1 under the name c2."""
    wrong = next(iter(federation.planes["c1"].folder.glob("mcs-system-*.kubeconfig")))
    before = await federation.planes["c1"].api.items(WEBHOOKS)
    port = reserve_port()
    said = await federation.mcs(
        *("agent", "--cluster", "c2", "--kubeconfig", str(wrong)),
        *("--webhook-url", "https://127.0.0.1:1/", "--webhook-port", str(port.port)),
        check=False,
    )
    port.release()

    assert "the name c2 belongs to a cluster whose kube-system namespace has uid" in said
    assert "Is it the right kubeconfig and context?" in said
    after = await federation.planes["c1"].api.items(WEBHOOKS)
    assert before == after


async def test_a_dead_cluster_is_ended_by_a_person_and_may_return(federation, sightings):
    scene = Scene(federation, sightings, "dead")
    await scene.play()
    dead = federation.planes["c2"]
    await dead.apply([pod("its-own", namespace=scene.namespace, cluster="c1")])
    await dead.api.wait_pod("its-own", "Running", namespace=scene.namespace)
    its_own = await scene.seen(lambda: scene.proxies("c2"))
    doomed = f"{scene.namespace}-namespace"
    await opt_in(federation, doomed)
    await federation.planes["c1"].apply([pod("p", namespace=doomed, cluster="c2")])
    await scene.api.wait_pod("p", "Running", namespace=doomed)
    lost = await count(federation, "cluster.lost")
    federation.agents["c2"].kill()
    for process in dead.processes.values():
        process.kill()

    await happened(federation, "cluster.lost", "c2", after=lost)
    evicted = await scene.evicted()
    await scene.running(REPLICAS, "c1")
    await federation.planes["c1"].kubectl("delete", "namespace", doomed, "--wait=false")
    waiting = [*evicted, scene.proxy("patient")]
    remove = "mcs cluster remove c2 --confirm-dead"

    async def all_named():
        named = await stuck(federation)
        wanted = [f"deletion of c1/{scene.namespace}/{life.name}" for life in evicted]
        wanted += [f"c1/{scene.namespace}/patient", f"deletion of c1/{doomed}/p"]
        return all(what in named and remove in named[what]["commands"] for what in wanted)

    await federation.wait("all stuck objects named", all_named)
    refused = await federation.mcs("cluster", "remove", "c2", check=False)
    assert "--confirm-dead" in refused
    assert not any(life.gone for life in waiting)

    await federation.mcs("cluster", "remove", "c2", "--confirm-dead")
    await federation.wait("all let go", lambda: all(each.gone for each in waiting), 90)
    await scene.api.wait_gone(f"/api/v1/namespaces/{doomed}", 90)
    await scene.api.wait_gone("/api/v1/nodes/mcs-c2", 90)
    (delegate,) = sightings.delegates(its_own.uid)
    await federation.wait("what its users had placed elsewhere ended", lambda: delegate.gone, 90)
    assert not await stuck(federation)
    assert len(await scene.running(REPLICAS, "c1")) == REPLICAS

    # Whoever said that it is dead was wrong: its leftovers end by the decisions it missed.
    leftovers = [each for each in sightings.delegates() if each.cluster == "c2"]
    leftovers = [each for each in leftovers if each.namespace == scene.namespace]
    assert len(leftovers) == REPLICAS + 1
    assert not any(each.gone for each in leftovers)
    await returned(dead)
    await federation.agents["c2"].start()
    await scene.api.wait("/api/v1/nodes/mcs-c2", ready("True"), 90)
    await federation.wait("leftovers gone", lambda: all(each.gone for each in leftovers), 90)
    await dead.api.wait_gone(path(scene.namespace, "its-own"), 90)
    (only,) = sightings.delegates(its_own.uid)
    assert only is delegate
    await federation.planes["c1"].apply([pod("p", namespace=scene.namespace, cluster="c2")])
    await scene.api.wait_pod("p", "Running", namespace=scene.namespace, timeout_s=90)

    await scene.settled(deleted={life.uid for life in evicted})


async def returned(plane):
    """A whole control plane that was killed is there again."""
    for name in "etcd", "apiserver", "controller-manager", "scheduler", "kwok":
        await plane.processes[name].start()
