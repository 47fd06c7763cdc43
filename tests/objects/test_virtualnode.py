import copy

import msgspec

from mcs.adapters.memory_patches import patched
from mcs.events.observations import ClusterHeartbeat
from mcs.names import Keys
from mcs.objects.kinds import Node
from mcs.objects.observing import virtual_node_observed
from mcs.objects.virtualnode import (
    lease_manifest,
    lease_patch,
    node_manifest,
    node_patch,
    status_patch,
)
from mcs.ports import Patch

KEYS = Keys()
AT = "2026-01-01T00:01:00Z"
BEAT = ClusterHeartbeat(
    totals={"cpu": 2820, "memory": 3 * 2**30, "pods": 1000, "nvidia.com/gpu": 2},
    labels={"topology.kubernetes.io/region": "eu", "kubernetes.io/hostname": "stolen"},
    kubernetes="v1.36.3",
)


def as_node(document):
    return msgspec.json.decode(msgspec.json.encode(document), type=Node)


def made():
    document = node_manifest("c2", BEAT, KEYS)
    document["metadata"] |= {"uid": "u-9", "resourceVersion": "5"}
    return document


def settled(document, beat=BEAT):
    """The node after the agent's patch of it; a second look finds nothing to do."""
    patch = node_patch(as_node(document), "c2", beat, KEYS)
    after = patched(document, patch, Patch.MERGE) if patch else document
    assert node_patch(as_node(after), "c2", beat, KEYS) is None
    return after


def shown(document, beat=BEAT, **options):
    patch = status_patch(as_node(document), beat, at=AT, **options)
    after = patched(document, patch, Patch.STRATEGIC) if patch else document
    assert status_patch(as_node(after), beat, at="later", **options) is None
    return after["status"]


def test_a_virtual_node_stands_for_its_target():
    document = made()

    assert document["metadata"]["name"] == "mcs-c2"
    assert document["spec"] == {
        "taints": [{"key": "virtual-kubelet.io/provider", "value": "mcs", "effect": "NoSchedule"}]
    }
    labels = document["metadata"]["labels"]
    assert labels["virtual-kubelet.io/provider"] == "mcs"
    assert labels["multicluster.admiralty.io/target"] == "c2"
    assert labels["node.kubernetes.io/exclude-from-external-load-balancers"] == "true"
    assert labels["topology.kubernetes.io/region"] == "eu"
    assert labels["kubernetes.io/hostname"] == "mcs-c2"
    assert virtual_node_observed(as_node(document), KEYS).target == "c2"
    assert "providerID" not in document["spec"]


def test_a_fresh_node_needs_no_repair():
    assert node_patch(as_node(made()), "c2", BEAT, KEYS) is None


def test_labels_follow_the_target_and_peoples_own_stay():
    document = made()
    document["metadata"]["labels"] |= {"mine": "x", "type": "broken"}
    beat = msgspec.structs.replace(BEAT, labels={"topology.kubernetes.io/zone": "a"})

    labels = settled(document, beat)["metadata"]["labels"]

    assert labels["mine"] == "x"
    assert labels["type"] == "virtual-kubelet"
    assert labels["topology.kubernetes.io/zone"] == "a"
    assert "topology.kubernetes.io/region" not in labels


def test_a_removed_taint_comes_back_beside_others():
    document = made()
    lost = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "timeAdded": AT}
    document["spec"]["taints"] = [lost]

    patch = node_patch(as_node(document), "c2", BEAT, KEYS)

    assert patch["metadata"]["resourceVersion"] == "5"
    assert settled(document)["spec"]["taints"] == [lost, *made()["spec"]["taints"]]


def test_a_cordon_is_respected():
    document = made()
    document["spec"]["unschedulable"] = True

    assert settled(document)["spec"]["unschedulable"] is True


def test_capacity_is_the_sum_of_the_targets_nodes():
    status = shown(made())

    expected = {"cpu": "2820m", "memory": "3Gi", "nvidia.com/gpu": "2", "pods": "1000"}
    assert status["capacity"] == expected
    assert status["nodeInfo"] == {"kubeletVersion": "v1.36.3"}


def test_schedulers_find_no_room_on_it():
    allocatable = shown(made())["allocatable"]

    assert allocatable == {"cpu": "2820m", "memory": "3Gi", "nvidia.com/gpu": "2", "pods": "0"}


def test_amounts_are_compared_as_numbers():
    document = made()
    document["status"] = copy.deepcopy(shown(document))
    document["status"]["capacity"]["pods"] = "1k"

    assert status_patch(as_node(document), BEAT, at=AT) is None


def test_a_resource_that_is_gone_goes():
    document = made()
    document["status"] = shown(document)
    beat = msgspec.structs.replace(BEAT, totals={"cpu": 1000})

    after = shown(document, beat)
    assert (after["capacity"], after["allocatable"]) == ({"cpu": "1"}, {"cpu": "1", "pods": "0"})


def conditions(status):
    return {item["type"]: item["status"] for item in status["conditions"]}


def test_the_node_is_ready_unless_its_cluster_is_lost():
    assert conditions(shown(made())) == {
        "Ready": "True",
        "MemoryPressure": "False",
        "DiskPressure": "False",
        "PIDPressure": "False",
        "NetworkUnavailable": "False",
    }
    assert conditions(shown(made(), lost=True))["Ready"] == "False"


def test_what_kubernetes_made_unknown_is_said_again():
    document = made()
    document["status"] = shown(document)
    for condition in document["status"]["conditions"]:
        condition |= {"status": "Unknown", "reason": "NodeStatusUnknown"}

    assert set(conditions(shown(document)).values()) == {"True", "False"}


def test_the_lease_goes_with_its_node():
    lease = lease_manifest(as_node(made()), holder="agent-1", at="2026-01-01T00:00:00.000000Z")

    assert (lease["metadata"]["name"], lease["metadata"]["namespace"]) == (
        "mcs-c2",
        "kube-node-lease",
    )
    assert lease["metadata"]["ownerReferences"][0]["uid"] == "u-9"
    assert lease["spec"]["leaseDurationSeconds"] == 40
    renewed = patched(lease, lease_patch(holder="agent-2", at="later"), Patch.MERGE)
    assert renewed["spec"] == lease["spec"] | {"holderIdentity": "agent-2", "renewTime": "later"}
