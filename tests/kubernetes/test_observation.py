"""What agents see of real clusters: nodes, what pods take of them, proxies and delegates.

How a picture is kept right through restarts, outages and lost watches is in ``test_watches``.
"""

import contextlib

import pytest

from mcs.events.constraints import Requirement, Taint, Term
from tests.kubernetes.pictures import nodes, picture, proxy, used
from tests.kubernetes.places import added
from tests.kubernetes.pods import path, plain, pod

pytestmark = pytest.mark.kubernetes

GI = 2**30
POOLS = {
    "multicluster.admiralty.io/nodepool": "ours",
    "cloud.google.com/gke-nodepool": "gke",
    "agentpool": "aks",
    "eks.amazonaws.com/nodegroup": "eks",
}


def settled(node):
    """A node once its kubelet and Kubernetes are done with it: ready, without their own taints."""
    own = node is not None and [each for each in node.taints if ".kubernetes.io/" in each.key]
    return node if node is not None and node.ready and not own else None


async def test_a_node_is_seen_with_all_that_placement_asks_of_it(federation):
    plane, node = federation.planes["c2"], "/api/v1/nodes/rich-0"
    taint = {"key": "only", "value": "gpu", "effect": "NoSchedule"}
    options = {"pods": 7, "labels": {"disk": "ssd"}, "extended": {"x.io/gpu": "2"}}
    async with added(plane, "rich", taints=[taint], **options), picture(federation) as log:
        seen = await log.until("the node", lambda state: settled(nodes(state, "c2").get("rich-0")))
        assert seen.allocatable == {"cpu": 4000, "memory": 16 * GI, "pods": 7, "x.io/gpu": 2}
        assert seen.labels["disk"] == "ssd"
        assert seen.labels["kubernetes.io/hostname"] == "rich-0"
        assert seen.taints == (Taint(key="only", value="gpu", effect="NoSchedule"),)
        assert (seen.ready, seen.cordoned) == (True, False)

        await plane.kubectl("cordon", "rich-0")
        await log.until("its cordon", lambda state: nodes(state, "c2")["rich-0"].cordoned)
        await plane.api.merge(node, {"metadata": {"labels": {"disk": "nvme"}}})
        await log.until(
            "its label", lambda state: nodes(state, "c2")["rich-0"].labels["disk"] == "nvme"
        )
        await plane.kubectl("taint", "node", "rich-0", "only-", "new=:NoExecute")
        new = Taint(key="new", effect="NoExecute")
        await log.until("its taint", lambda state: new in nodes(state, "c2")["rich-0"].taints)
        await plane.api.merge(f"{node}/status", {"status": {"allocatable": {"cpu": "2500m"}}})
        await log.until(
            "its room", lambda state: nodes(state, "c2")["rich-0"].allocatable["cpu"] == 2500
        )
    async with picture(federation) as log:
        await log.until("its end", lambda state: "rich-0" not in nodes(state, "c2"))


async def test_a_node_is_ready_when_its_kubelet_says_so(federation):
    plane = federation.planes["c2"]
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "silent"}}
    await plane.api.create("/api/v1/nodes", body)
    try:
        async with picture(federation) as log:
            await log.until("the node", lambda state: "silent" in nodes(state, "c2"))
            assert not nodes(log.state, "c2")["silent"].ready

            condition = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
            status = {"status": {"conditions": [condition]}}
            await plane.api.merge("/api/v1/nodes/silent/status", status)
            await log.until("readiness", lambda state: nodes(state, "c2")["silent"].ready)
            condition["status"] = "Unknown"
            await plane.api.merge("/api/v1/nodes/silent/status", status)
            await log.until("its loss", lambda state: not nodes(state, "c2")["silent"].ready)
    finally:
        await plane.kubectl("delete", "node", "silent")


async def test_node_pools_are_told_by_each_of_the_four_labels_or_are_the_default(federation):
    plane = federation.planes["c2"]
    async with contextlib.AsyncExitStack() as stack, picture(federation) as log:
        for label, name in POOLS.items():
            await stack.enter_async_context(added(plane, name, labels={label: f"pool-{name}"}))
        await stack.enter_async_context(added(plane, "bare"))
        await log.until("all nodes", lambda state: "bare-0" in nodes(state, "c2"))

        for name in POOLS.values():
            assert nodes(log.state, "c2")[f"{name}-0"].pool == f"pool-{name}"
        assert nodes(log.state, "c2")["bare-0"].pool == "default"
        label = next(iter(POOLS))
        await plane.kubectl("label", "node", "aks-0", f"{label}=pool-ours")
        await log.until(
            "our own label wins", lambda state: nodes(state, "c2")["aks-0"].pool == "pool-ours"
        )
        told = await federation.events("--cluster", "c2", "--since", "5m")
    pools = {}
    for event in (line["event"] for line in told):
        if event["type"] == "nodepool.observed":
            pools[event["name"]] = event["nodes"]
        elif event["type"] == "nodepool.gone":
            pools[event["name"]] = 0
    assert (pools["pool-ours"], pools["pool-aks"], pools["pool-gke"]) == (2, 0, 1)


async def test_pods_that_are_not_ours_use_capacity_until_they_end(federation, namespace):
    plane = federation.planes["c2"]
    async with added(plane, "shared") as (node,), picture(federation) as log:
        await log.until("the node", lambda state: node in nodes(state, "c2"))
        await plane.apply(
            [
                plain("stays", namespace, nodeName=node, cpu="300m"),
                plain("ends", namespace, nodeName=node, cpu="500m", run_for="5s"),
                plain("asks-nothing", namespace, nodeName=node, container={"resources": {}}),
                plain("waits", namespace, cpu="64"),
            ]
        )

        amounts = {"cpu": 800, "pods": 3}
        await log.until("their use", lambda state: used(state, "c2", node) == amounts)
        await log.until("an end", lambda state: used(state, "c2", node) == {"cpu": 300, "pods": 2})
        await plane.kubectl("delete", "pod", "stays", "asks-nothing", "-n", namespace)
        await log.until("their deletion", lambda state: used(state, "c2", node) == {})


async def test_neither_virtual_nodes_nor_proxies_are_capacity(federation, namespace):
    source = federation.planes["c1"]
    await source.apply([pod("p", namespace=namespace, cluster="c2", cpu="700m")])
    await source.api.wait_pod("p", "Running", namespace=namespace)
    async with picture(federation) as log:
        seen = await log.until("the proxy", lambda state: proxy(state, "c1", namespace, "p"))
        # Before its delegate was seen on a node it is charged to the one that mcs thought of.
        await log.until("its delegate", lambda state: on_a_node(state.ledger.latest(seen.uid)))

        assert not [name for name in nodes(log.state, "c1") if name.startswith("mcs-")]
        uses = [charge for charge in log.state.inventory.charges if charge.endswith(seen.uid)]
        assert uses == []
        placement = log.state.ledger.latest(seen.uid)
        charge = log.state.inventory.charges[placement.id]
        assert (charge.cluster, charge.requests) == ("c2", {"cpu": 700})
        delegate = await federation.planes["c2"].api.get(path(namespace, placement.delegate))
        assert charge.node == delegate["spec"]["nodeName"]


def on_a_node(placement):
    return placement is not None and placement.seen is not None and placement.seen.node


async def test_a_heartbeat_sums_the_cluster_up(federation, namespace):
    plane = federation.planes["c2"]
    busy = plain("busy", namespace, nodeName="node-0", cpu="1500m")
    await plane.apply([busy])
    async with picture(federation) as log:
        await log.until("its use", lambda state: used(state, "c2", "node-0").get("cpu", 0) >= 1500)
        beat = await log.until("a heartbeat that knows it", lambda state: _true(state, "c2"))

        assert beat.totals == {"cpu": 12_000, "memory": 48 * GI, "pods": 330}
        assert {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}.items() <= (
            beat.labels.items()
        )
        assert "kubernetes.io/hostname" not in beat.labels
        assert (beat.nodes, beat.kubernetes) == (3, plane.version)
        channels = {"capacity", "proxy"}
        assert channels <= beat.resyncs.keys()
        assert 0 < beat.decision.sequence <= log.state.decided.sequence

    await federation.planes["c1"].api.wait(
        "/api/v1/nodes/mcs-c2", lambda node: node["status"].get("capacity", {}).get("cpu") == "12"
    )


def _true(state, cluster):
    """The last heartbeat, if its free totals are what is left of the nodes now."""
    beat = state.membership.members[cluster].heartbeat
    charged = [used(state, cluster, name) for name in nodes(state, cluster)]
    free = {
        name: total - sum(amounts.get(name, 0) for amounts in charged)
        for name, total in beat.totals.items()
    }
    return beat if beat.free == free else None


async def test_a_proxy_is_seen_with_what_its_user_asked_for(federation, namespace):
    source = federation.planes["c1"]
    requirement = {"key": "disk", "operator": "In", "values": ["ssd", "nvme"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    asked = pod(
        "p",
        namespace=namespace,
        cluster="c2",
        container={"envFrom": [{"configMapRef": {"name": "settings"}}]},
        nodeSelector={"zone": "a"},
        affinity={"nodeAffinity": {key: terms}},
        tolerations=[{"key": "only", "operator": "Exists"}],
        schedulingGates=[{"name": "example.com/wait"}],
        priorityClassName="system-cluster-critical",
    )
    await source.apply([asked])
    async with picture(federation) as log:
        seen = await log.until("the proxy", lambda state: proxy(state, "c1", namespace, "p"))
        assert (seen.gates, seen.cluster, seen.requests) == (
            ("example.com/wait",),
            "c2",
            {"cpu": 100},
        )
        assert seen.priority == 2_000_000_000
        assert not seen.waits, "a gated pod has not arrived"
        assert seen.constraints.selector == {"zone": "a"}
        wanted = Requirement(key="disk", operator="In", values=("ssd", "nvme"))
        assert seen.constraints.affinity == (Term(labels=(wanted,)),)
        keys = {toleration.key for toleration in seen.constraints.tolerations}
        assert "only" in keys

        await source.api.merge(path(namespace, "p"), {"spec": {"schedulingGates": []}})
        await log.until("it waits", lambda state: proxy(state, "c1", namespace, "p").waits)
    events = await federation.events("--pod", f"{namespace}/p")
    observed = next(line["event"] for line in events if line["event"]["type"] == "proxy.observed")
    assert {"kind": "ConfigMap", "name": "settings"} in observed["dependencies"]


async def test_a_delegate_is_seen_at_every_step_of_its_life(federation, namespace):
    source = federation.planes["c1"]
    notes = {"kwok.mcs/exit-code": "3", "kwok.mcs/message": "disk full"}
    asked = pod("p", namespace=namespace, cluster="c2", run_for="3s", annotations=notes)
    await source.apply([asked])
    await source.api.wait_pod("p", "Failed", namespace=namespace)
    await source.kubectl("delete", "pod", "p", "-n", namespace)

    await federation.wait("its end in the log", lambda: _told(federation, namespace, "gone"))
    seen = await _told(federation, namespace, "observed")
    phases = [event["phase"] for event in seen if event.get("phase")]
    assert [phase for n, phase in enumerate(phases) if phase not in phases[:n]] in (
        ["Pending", "Running", "Failed"],
        ["Running", "Failed"],
    )
    assert "disk full" in str(seen[-1]["status"])
    gone = (await _told(federation, namespace, "gone"))[-1]
    assert gone["end"] == "failed"


async def _told(federation, namespace, what):
    lines = await federation.events("--pod", f"{namespace}/p")
    return [line["event"] for line in lines if line["event"]["type"] == f"delegate.{what}"]
