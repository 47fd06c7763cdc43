"""Virtual nodes on real API servers: what they show, who may land there, what people do to them.

Everything runs under the rights of `mcs manifests agent`, with the admission policies that the
agents keep in force themselves.
"""

import asyncio
import contextlib
import json

import pytest
import yaml

from tests.kubernetes.conftest import opt_in, remove
from tests.kubernetes.pods import path, plain, pod, template
from tools.api import ApiError
from tools.controlplane import KubectlFailed

pytestmark = pytest.mark.kubernetes

NODE = "/api/v1/nodes/mcs-c2"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/mcs-c2"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
AGENT = "--as=system:serviceaccount:mcs-system:mcs-agent"
EVERYTHING = {"operator": "Exists"}  # the toleration of all taints
FOREIGN = "stands for another cluster"


def ready(node):
    return condition(node, "Ready").get("status") == "True"


def condition(item, type):
    found = item["status"].get("conditions", ())
    return next((each for each in found if each["type"] == type), {})


def is_virtual(name):
    return (name or "").startswith("mcs-")


async def pods_of(plane, namespace, label="app=test"):
    return await plane.api.items(f"{path(namespace)}?labelSelector={label.replace('=', '%3D')}")


async def running(federation, plane, namespace, count, node):
    """Exactly so many pods of the test's workload, all Running on this node and none leaving."""

    async def all_there():
        found = await pods_of(plane, namespace)
        states = [(item["spec"].get("nodeName"), item["status"]["phase"]) for item in found]
        leaving = any("deletionTimestamp" in item["metadata"] for item in found)
        return states == [(node, "Running")] * count and not leaving and found

    return await federation.wait(f"{count} pods running on {node}", all_there)


def deployment(namespace, replicas, **fields):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "test"}},
            "template": template(**fields),
        },
    }


def budget(namespace, least):
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b", "namespace": namespace},
        "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": "test"}}},
    }


@contextlib.asynccontextmanager
async def cordoned(federation, cluster, node):
    """A virtual node that a person cordoned, for a while; what it means has reached the log."""
    await federation.planes[cluster].kubectl("cordon", node)
    await told(federation, cluster, node, cordoned=True)
    try:
        yield
    finally:
        await federation.planes[cluster].kubectl("uncordon", node)
        await told(federation, cluster, node, cordoned=False)


async def told(federation, cluster, node, **state):
    """Wait until the cluster's last word about its virtual node is ``state``."""

    async def said():
        events = [each["event"] for each in await federation.events("--cluster", cluster)]
        words = [
            event
            for event in events
            if event["type"] == "virtualnode.observed" and f"mcs-{event['target']}" == node
        ]
        return bool(words) and all(words[-1].get(k, False) == v for k, v in state.items())

    await federation.wait(f"{cluster} tells of {node}: {state}", said)


@pytest.fixture(scope="module")
def survivor(federation):
    """A proxy whose virtual node was deleted as clouds do, again and again; `control` is a pod on a
    node that never was, which goes when Kubernetes collects the pods of missing nodes.
    """
    namespace = "test-survivor"
    source = federation.planes["c1"]

    async def begin():
        await opt_in(federation, namespace)
        await source.apply([plain("control", namespace, nodeName="nowhere")])
        await source.apply([pod("p", namespace=namespace, cluster="c2")])
        proxy = await source.api.wait_pod("p", "Running", namespace=namespace)
        uids = {(await source.api.wait(NODE, ready))["metadata"]["uid"]}
        for _ in range(5):
            await source.api.delete(NODE)
            node = await source.api.wait(NODE, lambda node: node["metadata"]["uid"] not in uids)
            uids.add(node["metadata"]["uid"])
        return proxy

    proxy = asyncio.run(begin())
    yield {"namespace": namespace, "before": proxy, "control": path(namespace, "control")}
    asyncio.run(remove(federation, namespace))


async def test_a_virtual_node_that_a_cloud_keeps_deleting_is_always_back(federation, survivor):
    source = federation.planes["c1"]
    node = await source.api.wait(NODE, ready)
    assert "virtual-kubelet.io/provider" in {taint["key"] for taint in node["spec"]["taints"]}
    proxy = await source.api.get(path(survivor["namespace"], "p"))
    assert proxy["status"]["phase"] == "Running"


async def test_every_source_has_one_virtual_node_for_each_target(federation):
    for plane in federation.planes.values():
        for name in ("mcs-c1", "mcs-c2"):
            await plane.api.wait(f"/api/v1/nodes/{name}", ready)
        nodes = await plane.api.items("/api/v1/nodes")
        names = sorted(node["metadata"]["name"] for node in nodes)
        assert names == ["mcs-c1", "mcs-c2", "node-0", "node-1", "node-2"]


async def test_a_virtual_node_shows_its_whole_target_and_is_no_machine(federation):
    source, target = federation.planes["c1"], federation.planes["c2"]

    def summed(cpu, memory, pods):
        capacity = {"cpu": cpu, "memory": memory, "pods": pods}
        left = capacity | {"pods": "0"}  # schedulers find no room there, see decision 0010
        return lambda node: (
            ready(node)
            and (node["status"].get("capacity"), node["status"].get("allocatable"))
            == (capacity, left)
        )

    node = await source.api.wait(NODE, summed("12", "48Gi", "330"))
    assert node["status"]["nodeInfo"]["kubeletVersion"] == target.version
    assert "providerID" not in node["spec"]
    assert node["spec"]["taints"] == [
        {"key": "virtual-kubelet.io/provider", "value": "mcs", "effect": "NoSchedule"}
    ]
    labels = node["metadata"]["labels"]
    assert labels["node.kubernetes.io/exclude-from-external-load-balancers"] == "true"
    assert (labels["kubernetes.io/os"], labels["kubernetes.io/hostname"]) == ("linux", "mcs-c2")

    await target.add_nodes(1, cpu="2", memory="8Gi", pods=10, prefix="more")
    await source.api.wait(NODE, summed("14", "56Gi", "340"))
    await target.kubectl("delete", "node", "more-0")


async def test_labels_that_all_nodes_of_the_target_share_are_shown(federation):
    source, target = federation.planes["c1"], federation.planes["c2"]
    await target.kubectl("label", "nodes", "--all", "node-role.kubernetes.io/worker=", "rack=r1")
    await target.kubectl("label", "node", "node-0", "disk=ssd")
    try:
        # c2's own virtual nodes are no part of it, though --all means them, too
        node = await source.api.wait(NODE, lambda node: "rack" in node["metadata"]["labels"])
        labels = node["metadata"]["labels"]
        assert labels["rack"] == "r1"
        assert "disk" not in labels
        assert "node-role.kubernetes.io/worker" not in labels

        await target.kubectl("label", "node", "node-1", "rack=r2", "--overwrite")
        await source.api.wait(NODE, lambda node: "rack" not in node["metadata"]["labels"])
    finally:
        gone = ("node-role.kubernetes.io/worker-", "rack-", "disk-")
        await target.kubectl("label", "nodes", "--all", *gone)


async def test_a_virtual_node_has_a_lease_that_is_renewed_and_goes_with_it(federation):
    source = federation.planes["c1"]
    node = await source.api.wait(NODE, ready)
    lease = await source.api.wait(LEASE, lambda _: True)
    (owner,) = lease["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Node", node["metadata"]["uid"])
    before = lease["spec"]["renewTime"]
    await source.api.wait(LEASE, lambda lease: lease["spec"]["renewTime"] > before)


async def test_what_others_take_from_a_virtual_node_comes_back_and_what_they_add_stays(federation):
    source = federation.planes["c1"]
    await source.kubectl("label", "node", "mcs-c2", "mine=x")
    await source.kubectl("taint", "node", "mcs-c2", "mine=x:PreferNoSchedule")
    try:
        await source.kubectl("taint", "node", "mcs-c2", "virtual-kubelet.io/provider-")
        await source.kubectl(
            "label", "node", "mcs-c2", "type-", "kubernetes.io/os=plan9", "--overwrite"
        )

        def whole(node):
            labels, taints = node["metadata"]["labels"], node["spec"]["taints"]
            keys = {taint["key"] for taint in taints}
            ours = labels.get("type") == "virtual-kubelet" and labels["kubernetes.io/os"] == "linux"
            return ours and "virtual-kubelet.io/provider" in keys

        node = await source.api.wait(NODE, whole)
        assert node["metadata"]["labels"]["mine"] == "x"
        assert "mine" in {taint["key"] for taint in node["spec"]["taints"]}
    finally:
        await source.kubectl("label", "node", "mcs-c2", "mine-")
        await source.kubectl("taint", "node", "mcs-c2", "mine-")


async def test_a_proxy_is_bound_only_once_its_delegate_is(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    delegate = path(namespace, f"c1-{namespace}-p")
    target.processes["scheduler"].pause()
    try:
        await source.apply([pod("p", namespace=namespace, cluster="c2")])
        await target.api.wait(delegate, lambda _: True)

        async def observed():
            events = await federation.events("--pod", f"{namespace}/p")
            return any(each["event"]["type"] == "delegate.observed" for each in events)

        await federation.wait("the delegate is observed", observed)
        proxy = await source.api.get(path(namespace, "p"))
        assert "nodeName" not in proxy["spec"]
        assert "nodeName" not in (await target.api.get(delegate))["spec"]
    finally:
        target.processes["scheduler"].resume()

    proxy = await source.api.wait_pod("p", "Running", namespace=namespace)
    assert proxy["spec"]["nodeName"] == "mcs-c2"
    assert (await target.api.get(delegate))["spec"]["nodeName"].startswith("node-")
    assert condition(proxy, "PodScheduled")["status"] == "True"


async def test_the_agent_can_bind_a_pod_and_not_change_its_spec(federation, namespace):
    source = federation.planes["c1"]

    async def may(verb, *resource):
        asked = ("auth", "can-i", verb, *resource, AGENT, "-n", namespace)
        try:
            return (await source.kubectl(*asked)).strip() == "yes"
        except KubectlFailed as error:
            if str(error):
                raise
            return False  # nothing but an exit code: it says no

    assert await may("create", "pods", "--subresource=binding")
    assert not await may("patch", "pods")
    assert not await may("update", "pods")


async def test_the_agent_keeps_its_policy_naming_every_virtual_node(federation):
    for plane in federation.planes.values():
        policy = await plane.api.get(f"{POLICIES}/mcs-virtual-nodes")
        spec = json.dumps(policy["spec"])
        for named in ("'mcs-c1'", "'mcs-c2'", "'system:serviceaccount:mcs-system:mcs-agent'"):
            assert named in spec
        assert (await plane.api.get(f"{BINDINGS}/mcs-virtual-nodes"))["spec"] == {
            "policyName": "mcs-virtual-nodes",
            "validationActions": ["Deny"],
        }


async def test_a_daemon_set_that_tolerates_everything_stays_off_virtual_nodes(
    federation, namespace
):
    """Its controller wants a pod on each node; neither the scheduler nor anybody else binds it."""
    source = federation.planes["c1"]
    made = template(tolerations=[EVERYTHING])
    made["metadata"]["annotations"] = {}  # nobody elected it
    await source.apply(
        [
            {
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "metadata": {"name": "everywhere", "namespace": namespace},
                "spec": {"selector": {"matchLabels": {"app": "test"}}, "template": made},
            }
        ]
    )

    def judged(item):
        return condition(item, "PodScheduled").get("status") == "False"

    async def settled():
        found = await pods_of(source, namespace)
        running = [item for item in found if item["status"]["phase"] == "Running"]
        return len(running) == 3 and sum(map(judged, found)) == 2 and found

    found = await federation.wait("three run, and two find no room", settled)
    nodes = {item["spec"].get("nodeName") for item in found}
    assert nodes == {"node-0", "node-1", "node-2", None}
    left = next(item["metadata"]["name"] for item in found if judged(item))
    for who in ("system:kube-scheduler", "admin"):
        with pytest.raises(KubectlFailed, match=FOREIGN):
            await bind(source, namespace, left, "mcs-c2", who)


async def bind(plane, namespace, name, node, who):
    """Bind a pod as a scheduler does; the administrator lends the rights, the name is another's."""
    body = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }
    whole = ("--as", who, "--as-group", "system:masters")
    place = f"{path(namespace, name)}/binding"
    await plane.kubectl("create", "--raw", place, "-f", "-", *whole, stdin=json.dumps(body))


async def test_a_pod_put_on_a_virtual_node_by_hand_is_refused(federation, namespace):
    source = federation.planes["c1"]
    for body in (
        plain("stray", namespace, nodeName="mcs-c2"),
        pod("elected", namespace=namespace, nodeName="mcs-c2"),
    ):
        with pytest.raises(ApiError, match=FOREIGN):
            await source.apply([body])


async def test_without_the_policy_a_stray_is_let_go(federation, namespace):
    source = federation.planes["c1"]
    stray = plain("stray", namespace, nodeName="mcs-c2")
    stray["spec"]["terminationGracePeriodSeconds"] = 3600
    manifests = yaml.safe_load_all(await federation.mcs("manifests", "agent", "--cluster", "c1"))
    binding = [item for item in manifests if item["kind"] == "ValidatingAdmissionPolicyBinding"]
    await source.api.delete(f"{BINDINGS}/mcs-virtual-nodes")
    try:

        async def lets_in():
            with contextlib.suppress(ApiError):
                return await source.api.create(path(namespace), stray)

        made = await federation.wait("the policy is no longer in force", lets_in)
        assert made["spec"]["nodeName"] == "mcs-c2"
        await source.api.wait_gone(path(namespace, "stray"))
    finally:
        await source.apply(binding)

    async def refuses():
        try:
            await source.api.create(f"{path(namespace)}?dryRun=All", stray)
        except ApiError as error:
            return FOREIGN in str(error)
        return False

    await federation.wait("the policy is in force again", refuses)


async def test_no_pod_that_tolerates_everything_lands_on_a_virtual_node(federation, namespace):
    """Neither a delegate nor a stranger: kube-scheduler likes the emptiest node best."""
    source, target = federation.planes["c1"], federation.planes["c2"]
    load = [plain(f"load-{n}", namespace, cpu="1500m") for n in range(3)]
    await target.apply(load)
    for item in load:
        await target.api.wait_pod(item["metadata"]["name"], "Running", namespace=namespace)

    for n in range(3):
        spec = {"namespace": namespace, "tolerations": [EVERYTHING]}
        await source.apply([pod(f"p-{n}", cluster="c2", **spec)])
        await target.apply([plain(f"theirs-{n}", **spec)])

    for n in range(3):
        await source.api.wait_pod(f"p-{n}", "Running", namespace=namespace)
        for name in (f"theirs-{n}", f"c1-{namespace}-p-{n}"):
            made = await target.api.wait_pod(name, "Running", namespace=namespace)
            assert made["spec"]["nodeName"].startswith("node-")


async def test_a_pod_of_others_takes_no_proxys_place(federation, namespace):
    """However important it is: kube-scheduler would delete proxies to make room for it."""
    source = federation.planes["c1"]
    names = [f"p-{n}" for n in range(3)]
    await source.apply(
        [pod(name, namespace=namespace, cluster="c2", cpu="3900m") for name in names]
    )
    before = [await source.api.wait_pod(name, "Running", namespace=namespace) for name in names]

    critical = {"priorityClassName": "system-node-critical", "tolerations": [EVERYTHING]}
    here = {"nodeSelector": {"kubernetes.io/hostname": "mcs-c2"}}
    await source.apply([plain("important", namespace, cpu="500m", **critical, **here)])
    judged = await source.api.wait(
        path(namespace, "important"),
        lambda item: "preemption:" in condition(item, "PodScheduled").get("message", ""),
    )

    assert "Too many pods" in condition(judged, "PodScheduled")["message"]
    assert "nominatedNodeName" not in judged["status"]
    for name, proxy in zip(names, before, strict=True):
        after = await source.api.get(path(namespace, name))
        assert after["metadata"]["uid"] == proxy["metadata"]["uid"]
        assert "deletionTimestamp" not in after["metadata"]


async def test_a_cordon_keeps_new_pods_of_this_source_away_until_it_is_undone(
    federation, namespace
):
    source, other = federation.planes["c1"], federation.planes["c2"]
    await source.apply([pod("before", namespace=namespace, cluster="c2")])
    await source.api.wait_pod("before", "Running", namespace=namespace)
    async with cordoned(federation, "c1", "mcs-c2"):
        await source.apply([pod("p", namespace=namespace, cluster="c2")])
        await other.apply([pod("theirs", namespace=namespace, cluster="c2")])

        waiting = await source.api.wait(
            path(namespace, "p"),
            lambda item: (
                "virtual node cordoned in c1" in condition(item, "PodScheduled").get("message", "")
            ),
        )
        assert "nodeName" not in waiting["spec"]
        await other.api.wait_pod("theirs", "Running", namespace=namespace)
        before = await source.api.get(path(namespace, "before"))
        assert before["status"]["phase"] == "Running"

    await source.api.wait_pod("p", "Running", namespace=namespace)


async def test_a_drain_moves_pods_elsewhere_and_respects_their_budget(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    async with cordoned(federation, "c1", "mcs-c1"):
        await source.apply([budget(namespace, 2), deployment(namespace, 2)])
        before = await running(federation, source, namespace, 2, "mcs-c2")
    pdb = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/b"
    await source.api.wait(pdb, lambda item: item.get("status", {}).get("currentHealthy") == 2)
    drain = ("drain", "mcs-c2", "--ignore-daemonsets", "--pod-selector=app=test")
    try:
        with pytest.raises(KubectlFailed, match="violate the pod's disruption budget"):
            await source.kubectl(*drain, "--timeout=3s")
        assert await running(federation, source, namespace, 2, "mcs-c2") == before

        await source.api.merge(pdb, {"spec": {"minAvailable": 1}})
        drained = await source.kubectl(*drain, "--timeout=90s")

        assert drained.count("evicted") == 2
        await running(federation, source, namespace, 2, "mcs-c1")
        for item in before:
            name = f"c1-{namespace}-{item['metadata']['name']}"
            await target.api.wait_gone(path(namespace, name))
    finally:
        await source.kubectl("uncordon", "mcs-c2")
        await told(federation, "c1", "mcs-c2", cordoned=False)


async def test_a_proxy_outlives_the_deletions_of_its_node(federation, survivor):
    source, target = federation.planes["c1"], federation.planes["c2"]
    namespace, before = survivor["namespace"], survivor["before"]
    await source.api.wait_gone(survivor["control"], timeout_s=120)

    proxy = await source.api.get(path(namespace, "p"))
    assert proxy["metadata"]["uid"] == before["metadata"]["uid"]
    assert proxy["status"]["phase"] == "Running"
    assert condition(proxy, "Ready")["status"] == "True"
    delegate = await target.api.get(path(namespace, f"c1-{namespace}-p"))
    assert delegate["status"]["phase"] == "Running"
