import json

import msgspec
import pytest

from mcs.events.constraints import Constraints, Dependency, Group, Taint
from mcs.events.observations import (
    NodeObserved,
    Phase,
    PodObserved,
    ProxyDeleted,
    ProxyObserved,
    VirtualNodeObserved,
)
from mcs.names import Keys
from mcs.objects.kinds import Node, Pod
from mcs.objects.observing import (
    delegate_observed,
    node_observed,
    pod_observed,
    pool,
    proxy_deleted,
    proxy_observed,
    virtual_node_observed,
)

KEYS = Keys()
READY = {"type": "Ready", "status": "True"}


def as_read(type, **fields):
    return msgspec.json.decode(msgspec.json.encode(fields), type=type)


def node(*, labels=None, conditions=(READY,), **spec):
    return as_read(
        Node,
        metadata={"name": "n1", "labels": labels},
        spec=spec,
        status={
            "allocatable": {"cpu": "940m", "memory": "2Gi", "pods": "110"},
            "conditions": conditions,
        },
    )


def test_a_node_is_told_with_what_placement_reads():
    seen = node(
        labels={"b": "2", "a": "1"},
        unschedulable=True,
        taints=[{"key": "gpu", "effect": "NoSchedule"}, {"key": "x", "value": "y", "effect": "E"}],
    )

    observed = node_observed(seen, KEYS)

    assert observed == NodeObserved(
        name="n1",
        allocatable={"cpu": 940, "memory": 2 * 2**30, "pods": 110},
        labels={"a": "1", "b": "2"},
        taints=(Taint(key="gpu", effect="NoSchedule"), Taint(key="x", value="y", effect="E")),
        ready=True,
        cordoned=True,
        pool="default",
    )
    assert list(observed.labels) == ["a", "b"]


@pytest.mark.parametrize("status", ["False", "Unknown", None])
def test_a_node_is_ready_only_when_it_says_so(status):
    conditions = [{"type": "Ready", "status": status}] if status else []

    assert node_observed(node(conditions=conditions), KEYS).ready is False


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, "default"),
        ({"agentpool": ""}, "default"),
        ({"agentpool": "aks"}, "aks"),
        ({"cloud.google.com/gke-nodepool": "gke"}, "gke"),
        ({"eks.amazonaws.com/nodegroup": "eks"}, "eks"),
        ({"multicluster.admiralty.io/nodepool": "mine", "agentpool": "aks"}, "mine"),
    ],
)
def test_pools_are_read_from_labels(labels, expected):
    assert pool(labels, KEYS) == expected


def test_virtual_nodes_are_no_capacity():
    virtual = {"virtual-kubelet.io/provider": "mcs", KEYS.target: "c2"}

    assert node_observed(node(labels=virtual), KEYS) is None
    assert virtual_node_observed(node(labels=virtual, unschedulable=True), KEYS) == (
        VirtualNodeObserved(target="c2", cordoned=True)
    )
    assert virtual_node_observed(node(labels={KEYS.target: "c2"}), KEYS) is None


CONTAINERS = [{"name": "c", "resources": {"requests": {"cpu": "200m"}}}]


def pod(*, labels=None, annotations=None, deleted=None, status=None, **spec):
    return as_read(
        Pod,
        metadata={
            "name": "a",
            "namespace": "default",
            "uid": "u-1",
            "labels": labels,
            "annotations": annotations,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **(deleted or {}),
        },
        spec={"containers": CONTAINERS, **spec},
        status=status or {},
    )


def test_a_bound_pod_uses_its_node():
    assert pod_observed(pod(nodeName="n1", status={"phase": "Running"})) == PodObserved(
        uid="u-1", namespace="default", name="a", node="n1", requests={"cpu": 200}
    )


def test_a_terminating_pod_still_uses_its_node():
    seen = pod(nodeName="n1", deleted={"deletionTimestamp": "2026-01-01T00:00:00Z"})

    assert pod_observed(seen) is not None


DELEGATE = {KEYS.proxy_uid: "u-0", KEYS.attempt: "1", KEYS.source: "c1"}


@pytest.mark.parametrize(
    "unused",
    [
        pod(),
        pod(nodeName="n1", status={"phase": "Succeeded"}),
        pod(nodeName="n1", status={"phase": "Failed"}),
    ],
    ids=["unbound", "succeeded", "failed"],
)
def test_what_uses_no_capacity_is_not_told(unused):
    assert pod_observed(unused) is None


def proxy(manifest, *, annotations=None, **fields):
    return pod(
        annotations={KEYS.manifest: json.dumps(manifest), KEYS.elect: "", **(annotations or {})},
        schedulerName="mcs",
        **fields,
    )


def test_a_proxy_is_told_as_its_user_wrote_it():
    manifest = {
        "metadata": {"name": "a"},
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "resources": {"requests": {"cpu": "300m"}},
                    "envFrom": [{"secretRef": {"name": "s"}}],
                }
            ],
            "overhead": {"cpu": "10m"},
            "nodeSelector": {"gpu": "yes"},
        },
    }
    seen = proxy(
        manifest,
        annotations={KEYS.clustername: "c2"},
        nodeSelector={"virtual-kubelet.io/provider": "mcs"},
        priority=7,
        schedulingGates=[{"name": "g"}],
    )

    assert proxy_observed(seen, KEYS) == ProxyObserved(
        uid="u-1",
        namespace="default",
        name="a",
        created="2026-01-01T00:00:00Z",
        manifest=json.dumps(manifest),
        requests={"cpu": 310},
        constraints=Constraints(selector={"gpu": "yes"}),
        priority=7,
        gates=("g",),
        dependencies=(Dependency(kind="Secret", name="s"),),
        cluster="c2",
    )


def test_a_proxys_group_is_the_one_it_was_created_with():
    stated = {KEYS.group: "g", KEYS.group_size: "3", KEYS.group_placement: "spread"}
    manifest = {"metadata": {"annotations": stated}, "spec": {}}

    seen = proxy_observed(proxy(manifest, annotations={KEYS.group_size: "none"}), KEYS)

    assert seen.group == Group(name="g", size=3, spread=True)


def test_an_echo_of_our_own_writes_changes_nothing():
    manifest = {"spec": {"containers": CONTAINERS}}
    before = proxy(manifest)
    after = proxy(
        manifest,
        annotations={KEYS.delegate_ips: "10.0.0.1", "other": "x"},
        nodeName="mcs-c2",
        status={"phase": "Running", "conditions": [READY]},
    )

    assert proxy_observed(after, KEYS) == proxy_observed(before, KEYS)


def test_an_ended_proxy_says_so():
    assert proxy_observed(proxy({}, status={"phase": "Failed"}), KEYS).ended


def test_a_constraint_added_while_gated_is_told():
    seen = proxy_observed(proxy({"spec": {}}, nodeSelector={"flavor": "spot"}), KEYS)

    assert seen.constraints.selector == {"flavor": "spot"}
    assert json.loads(seen.manifest) == {"spec": {"nodeSelector": {"flavor": "spot"}}}


def test_a_deletion_is_told_with_its_grace():
    deleted = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}

    told = ProxyDeleted(uid="u-1", namespace="default", name="a", grace_s=30)
    assert proxy_deleted(pod(deleted=deleted, nodeName="mcs-c2")) == told
    assert proxy_deleted(pod()) is None


def test_a_delegate_is_told_with_its_placement():
    seen = pod(
        labels=DELEGATE,
        annotations={"b": "2", "a": "1", KEYS.proxy_name: "a"},
        nodeName="n1",
        status={"phase": "Running", "podIP": "10.0.0.1", "qosClass": "Burstable"},
    )

    observed = delegate_observed(seen, KEYS)

    assert (observed.placement, observed.uid, observed.node) == ("u-0.1", "u-1", "n1")
    assert (observed.phase, observed.requests) == (Phase.RUNNING, {"cpu": 200})
    assert list(observed.annotations.items()) == [("a", "1"), ("b", "2")]
    assert json.loads(bytes(observed.status)) == {
        "phase": "Running",
        "podIPs": [{"ip": "10.0.0.1"}],
    }
    assert not observed.deleting


def test_other_pods_are_no_delegates():
    assert delegate_observed(pod(), KEYS) is None


def test_a_delegate_without_a_node_says_why():
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    seen = pod(labels=DELEGATE, status={"conditions": [{**condition, "message": "0/3 nodes"}]})

    observed = delegate_observed(seen, KEYS)

    assert (observed.unschedulable, observed.phase, observed.requests) == (
        "0/3 nodes",
        Phase.PENDING,
        {"cpu": 200},
    )
    assert delegate_observed(pod(labels=DELEGATE), KEYS).unschedulable == ""


def test_an_ended_delegate_uses_nothing():
    observed = delegate_observed(
        pod(labels=DELEGATE, nodeName="n1", status={"phase": "Succeeded"}), KEYS
    )

    assert (observed.phase, observed.requests) == (Phase.SUCCEEDED, {})


def test_a_phase_of_a_later_kubernetes_is_unknown():
    assert delegate_observed(pod(labels=DELEGATE, status={"phase": "New"}), KEYS).phase is (
        Phase.UNKNOWN
    )
