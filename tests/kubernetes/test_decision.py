"""Where the scheduler sends pods, on real capacity: filters, scores, order, and why a pod waits."""

import asyncio
import itertools
import json

import pytest

from mcs.events.decisions import Lacks, Never
from tests.kubernetes.conftest import opt_in
from tests.kubernetes.pictures import picture, proxy
from tests.kubernetes.places import added
from tests.kubernetes.pods import path, plain, pod
from tests.kubernetes.shown import condition, told
from tools.federation import Federation

pytestmark = pytest.mark.kubernetes

_numbers = itertools.count(1)
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@pytest.fixture(scope="module")
def federation():
    """c1 has room for 8 CPU, c2 for 12; delegates without a node are tried elsewhere soon."""
    made = Federation("c1", "c2", policy={"unschedulable-after": 3, "backoff": 2, "backoff-max": 4})

    async def start():
        await made.start()
        await made.planes["c1"].add_nodes(2)
        await made.planes["c2"].add_nodes(3)
        async with picture(made) as log:
            await log.until("all nodes", lambda state: _nodes(state) == {"c1": 2, "c2": 3})

    asyncio.run(start())
    yield made
    made.close()


def _nodes(state):
    return {name: len(each) for name, each in state.inventory.nodes.items()}


@pytest.fixture
def namespace(federation):
    """A namespace of the test's own; after the test its pods are gone, so that all room is free."""
    name = f"decided-{next(_numbers)}"
    asyncio.run(opt_in(federation, name))
    yield name
    asyncio.run(_emptied(federation, name))


async def _emptied(federation, name):
    for plane in federation.planes.values():
        await plane.kubectl("delete", "namespace", name, "--wait=false")
    async with picture(federation) as log:
        await log.until("all room is free", lambda state: not state.inventory.charges)


async def reasons(log, namespace, name, expected):
    """Wait until the pod waits for these reasons, by cluster."""

    def deferred(state):
        waiting = proxy(state, "c1", namespace, name)
        return waiting is not None and waiting.deferred == expected

    await log.until(f"{name} waits for {expected}", deferred)


async def placed(federation, namespace):
    """The target of each placement in that namespace, by pod, in the order of decisions."""
    lines = await federation.events("--cluster", "c1")
    events = [line["event"] for line in lines if line["event"]["type"] == "pod.placed"]
    return {each["name"]: each["target"] for each in events if each["namespace"] == namespace}


async def test_a_burst_fills_both_clusters_to_the_last_replica(federation, namespace):
    source = federation.planes["c1"]
    burst = [pod(f"p-{n}", namespace=namespace, cpu="1900m") for n in range(11)]
    await asyncio.gather(*(source.apply(each) for each in burst))

    async with picture(federation) as log:

        def full(state):
            waiting = [state.backlog.proxies[uid] for *_, uid in state.backlog.waiting]
            return len(waiting) == 1 and len(state.ledger.placements) == 10 and waiting[0]

        late = await log.until("ten have a place, one waits", full)
        nothing = {"c1": Lacks(resource="cpu"), "c2": Lacks(resource="cpu")}
        await reasons(log, namespace, late.name, nothing)
        targets = await placed(federation, namespace)
        assert sorted(targets.values()) == ["c1"] * 4 + ["c2"] * 6
        for name in targets:
            await source.api.wait_pod(name, "Running", namespace=namespace)
        placements = log.state.ledger.placements.values()
        assert {each.intent.name for each in placements} == {"WANTED"}, "no attempt was in vain"

        await _says_why(federation, namespace, late.name)
        gone = next(name for name in targets if targets[name] == "c1")
        await source.kubectl("delete", "pod", gone, "-n", namespace, "--wait=false")
        await source.api.wait_pod(late.name, "Running", namespace=namespace)
        assert (await placed(federation, namespace))[late.name] == "c1"


async def _says_why(federation, namespace, name):
    """Its author sees on the pod why it waits, and so does who asks mcs."""
    source = federation.planes["c1"]
    words = (
        "no cluster takes the pod: c1: not enough cpu on any one node; "
        "c2: not enough cpu on any one node"
    )
    # What is said first may be older than the decision that the test waited for.
    shown = await source.api.wait(
        path(namespace, name), lambda item: (condition(item) or {}).get("message") == words
    )
    assert condition(shown)["reason"] == "WaitingForCluster"
    assert shown["status"]["phase"] == "Pending"

    async def told_so():
        return words in await told(source, namespace, name, "Deferred")

    await federation.wait(f"an Event of {name}: {words}", told_so)
    status = json.loads(await federation.mcs("status", "--json"))
    row = next(row for row in status["waiting"] if row["name"] == name)
    asks = "not enough cpu: asks 1900m cpu, the freest of"
    assert all(row["reasons"][cluster].startswith(asks) for cluster in ("c1", "c2"))
    table = await federation.mcs("status")
    assert f"{namespace}/{name}" in table.replace("\n", "")


async def test_a_pod_runs_only_on_nodes_that_fulfil_its_constraints(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    label = {"disk": "ssd"}
    taint = {"key": "only", "value": "ssd", "effect": "NoSchedule"}
    tolerations = [{"key": "only", "operator": "Exists"}]
    terms = [
        {"matchExpressions": [{"key": "disk", "operator": "Exists"}, _is("generation", "Gt", "3")]},
        {"matchFields": [_is("metadata.name", "In", "no-such-node")]},
    ]
    affinity = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}
    asked = {
        "selected": {"nodeSelector": label, "tolerations": tolerations},
        "affine": {"affinity": affinity, "tolerations": tolerations},
        "intolerant": {"nodeSelector": label},
        "unselected": {"nodeSelector": {"disk": "tape"}, "tolerations": tolerations},
        "repelled": {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": _not(terms)}}}},
    }
    labels = label | {"generation": "4"}
    async with added(target, "ssd", labels=labels, taints=[taint]), picture(federation) as log:
        await log.until("the node", lambda state: _nodes(state)["c2"] == 4)
        for name, spec in asked.items():
            await source.apply(pod(name, namespace=namespace, cluster="", **spec))

        for name in ("selected", "affine"):
            await source.api.wait_pod(name, "Running", namespace=namespace)
            delegate = await target.api.get(path(namespace, f"c1-{namespace}-{name}"))
            assert delegate["spec"]["nodeName"] == "ssd-0"
        ruled_out = Never(constraint="node selector disk")
        await reasons(log, namespace, "intolerant", {"c1": ruled_out, "c2": ruled_out})
        await reasons(log, namespace, "unselected", {"c1": ruled_out, "c2": ruled_out})
        never = Never(constraint="node affinity")
        await reasons(log, namespace, "repelled", {"c1": never, "c2": never})


def _is(key, operator, value):
    return {"key": key, "operator": operator, "values": [value]}


def _not(terms):
    """Terms that hold nowhere: on nodes without a disk, of a generation."""
    return [
        {
            "matchExpressions": [
                {"key": "disk", "operator": "DoesNotExist"},
                terms[0]["matchExpressions"][1],
            ]
        }
    ]


async def both_run(source, **fields):
    """Two pods, before the next one comes: arrivals of one second are in no order that we know."""
    await source.apply([pod(name, **fields) for name in ("p-0", "p-1")])
    for name in ("p-0", "p-1"):
        await source.api.wait_pod(name, "Running", namespace=fields["namespace"])


async def test_a_taint_bars_a_node_unless_it_is_tolerated(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    taints = [{"key": "only", "value": "gpu", "effect": "NoExecute"}]
    gpu = {
        "container": {
            "resources": {"requests": {"cpu": "100m", "x.io/gpu": "1"}, "limits": {"x.io/gpu": "1"}}
        }
    }
    tolerations = [{"key": "only", "value": "gpu", "effect": "NoExecute"}]
    async with (
        added(target, "gpu", taints=taints, extended={"x.io/gpu": "2"}),
        picture(federation) as log,
    ):
        await log.until("the node", lambda state: _nodes(state)["c2"] == 4)
        # the other nodes, which have none, are eligible: they are counted as having 0
        await source.apply(pod("intolerant", namespace=namespace, **gpu))
        lacks = Lacks(resource="x.io/gpu")
        await reasons(log, namespace, "intolerant", {"c1": lacks, "c2": lacks})
        tolerant = {"namespace": namespace, "tolerations": tolerations, **gpu}
        await both_run(source, **tolerant)
        await source.apply(pod("p-2", **tolerant))
        await reasons(log, namespace, "p-2", {"c1": lacks, "c2": lacks})


async def test_the_number_of_pods_on_a_node_is_a_limit(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    async with added(target, "few", pods=3, labels={"few": ""}), picture(federation) as log:
        await log.until("the node", lambda state: _nodes(state)["c2"] == 4)
        await target.apply(plain("other", namespace, nodeName="few-0"))
        few = {"namespace": namespace, "nodeSelector": {"few": ""}}
        await both_run(source, **few)
        await source.apply(pod("p-2", **few))
        none = {"c1": Never(constraint="node selector few"), "c2": Lacks(resource="pods")}
        await reasons(log, namespace, "p-2", none)
        await target.api.delete(path(namespace, "other"), {"gracePeriodSeconds": 0})
        await source.api.wait_pod("p-2", "Running", namespace=namespace)


async def test_a_pin_holds_whatever_is_free_elsewhere(federation, namespace):
    source = federation.planes["c1"]
    pinned = {"namespace": namespace, "cluster": "c1", "cpu": "3900m"}
    await both_run(source, **pinned)
    await source.apply([pod("p-2", **pinned), pod("lost", namespace=namespace, cluster="c9")])
    async with picture(federation) as log:
        full = {"c1": Lacks(resource="cpu"), "c2": Never(constraint="pinned to c1")}
        await reasons(log, namespace, "p-2", full)
        nowhere = dict.fromkeys(("c1", "c2"), Never(constraint="pinned to c9"))
        nowhere["c9"] = Never(constraint="no such target cluster")
        await reasons(log, namespace, "lost", nowhere)
    assert set((await placed(federation, namespace)).values()) == {"c1"}


async def test_a_cordoned_node_or_cluster_takes_nothing_new(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    await source.apply(pod("stays", namespace=namespace, cluster="c2"))
    await source.api.wait_pod("stays", "Running", namespace=namespace)
    async with picture(federation) as log:
        for number in range(3):
            await target.kubectl("cordon", f"node-{number}")
        await log.until(
            "cordons", lambda state: all(n.cordoned for n in state.inventory.nodes["c2"].values())
        )
        await source.apply(pod("p", namespace=namespace, cluster="c2"))
        other = {"c1": Never(constraint="pinned to c2")}
        await reasons(log, namespace, "p", other | {"c2": Never(constraint="node cordoned")})

        await federation.mcs("cluster", "cordon", "c2")
        await reasons(log, namespace, "p", other | {"c2": Never(constraint="cluster cordoned")})
        for number in range(3):
            await target.kubectl("uncordon", f"node-{number}")
        await federation.mcs("cluster", "uncordon", "c2")
        await source.api.wait_pod("p", "Running", namespace=namespace)

        await source.kubectl("cordon", "mcs-c2")
        await log.until(
            "its cordon", lambda state: state.membership.members["c1"].cordons.get("c2")
        )
        await source.apply(pod("q", namespace=namespace, cluster="c2"))
        cordoned = Never(constraint="virtual node cordoned in c1")
        await reasons(log, namespace, "q", other | {"c2": cordoned})
        await source.kubectl("uncordon", "mcs-c2")
        await source.api.wait_pod("q", "Running", namespace=namespace)
    stays = await source.api.get(path(namespace, "stays"))
    assert stays["status"]["phase"] == "Running"


async def test_who_is_more_important_is_first_then_who_came_first(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    for plane in (source, target):
        await plane.apply([_priority("high", 1000), _priority("low", -1000)])
    async with added(target, "one", labels={"one": ""}), picture(federation) as log:
        await log.until("the node", lambda state: _nodes(state)["c2"] == 4)
        common = {"namespace": namespace, "nodeSelector": {"one": ""}, "cpu": "3"}
        await source.apply(pod("first", **common))
        await source.api.wait_pod("first", "Running", namespace=namespace)
        queue = {"last": "low", "third": "", "fourth": "", "second": "high"}
        full = {"c1": Never(constraint="node selector one"), "c2": Lacks(resource="cpu")}
        for name, priority in queue.items():
            await source.apply(
                pod(name, **common, **({"priorityClassName": priority} if priority else {}))
            )
            await reasons(log, namespace, name, full)
            if name == "third":
                await federation.wait("a later second", lambda: _later(source, namespace))

        order = ["first", "second", "third", "fourth", "last"]
        for name in order:
            await source.api.wait_pod(name, "Running", namespace=namespace)
            await source.kubectl("delete", "pod", name, "-n", namespace, "--wait=false")
    assert list(await placed(federation, namespace)) == order


async def _later(plane, namespace):
    """Whether a pod made now would be younger than the third: arrival is told in whole seconds."""
    third = await plane.api.get(path(namespace, "third"))
    dry = await plane.api.create(f"{path(namespace)}?dryRun=All", plain("dry", namespace))
    return dry["metadata"]["creationTimestamp"] > third["metadata"]["creationTimestamp"]


def _priority(name, value):
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        "preemptionPolicy": "Never",
    }


async def test_the_whole_log_gives_every_state_and_every_decision_again(federation):
    """After all the tests above; ``Picture`` compares, cycle by cycle."""
    async with picture(federation) as log:
        again = log.state
        assert again.cycles == again.cycle - 1, "all but the scheduler's claim"
        assert again.parked == {}
        assert not again.membership.broken()
