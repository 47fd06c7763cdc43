"""The pod that really runs: what it keeps of its user's pod, and what becomes of a refusal."""

import asyncio
import contextlib
import itertools

import pytest

from mcs.names import PodKey, delegate_name
from tests.kubernetes.conftest import opt_in, remove
from tests.kubernetes.pods import DOMAIN, path, plain, pod
from tests.kubernetes.refusals import REFUSALS
from tests.kubernetes.shown import condition, told
from tools.api import ApiError
from tools.federation import Federation

pytestmark = pytest.mark.kubernetes

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def federation():
    """c2 has most room, so it is tried first; who failed is tried again soon. That a delegate finds
    no node is said on its proxy after two seconds: it is given up well after that.
    """
    made = Federation("c1", "c2", policy={"unschedulable-after": 5, "backoff": 2, "backoff-max": 2})

    async def start():
        await made.start()
        await made.planes["c1"].add_nodes(1)
        await made.planes["c2"].add_nodes(2)

    asyncio.run(start())
    yield made
    made.close()


@pytest.fixture
def namespace(federation):
    """A namespace in c1 alone; what c2 has of it is the test's business."""
    name = f"delegates-{next(_numbers)}"
    asyncio.run(opt_in(federation, name, "c1"))
    yield name
    asyncio.run(remove(federation, name))


def heavy(cpu):
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "heavy"},
        "handler": "heavy",
        "overhead": {"podFixed": {"cpu": cpu}},
    }


def important(value):
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "important"},
        "value": value,
    }


async def let_in(federation, plane, namespace, **spec):
    """Wait until such pods are let in: an API server learns of a new PriorityClass by a watch."""
    body = plain("dry", namespace, **spec)

    async def asked():
        with contextlib.suppress(ApiError):
            return await plane.api.create(f"{path(namespace)}?dryRun=All", body)

    await federation.wait(f"{plane.name} lets pods with {spec} in", asked)


async def rich(source, namespace):
    """A pod with everything that a delegate keeps, and everything that it must not."""
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}
    settings["metadata"]["namespace"] = namespace
    (owner,) = await source.apply(settings)
    made = pod(
        "rich",
        namespace=namespace,
        cluster="c2",
        annotations={"example.com/note": "kept"},
        container={"env": [{"name": "A", "value": "1"}], "command": ["run"]},
        initContainers=[{"name": "first", "image": "busybox"}],
        nodeSelector={"kubernetes.io/os": "linux"},
        tolerations=[{"key": "mine", "operator": "Exists", "effect": "NoExecute"}],
        terminationGracePeriodSeconds=7,
        priorityClassName="important",
        runtimeClassName="heavy",
        volumes=[{"name": "scratch", "emptyDir": {}}],
    )
    made["metadata"] |= {
        "labels": {"app": "web", "example.com/tier": "back"},
        "finalizers": ["example.com/mine"],
        "ownerReferences": [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": "owner",
                "uid": owner["metadata"]["uid"],
            }
        ],
    }
    return made


async def test_a_delegate_is_its_users_pod_without_what_ties_it_to_its_source(
    federation, namespace
):
    source, target = federation.planes["c1"], federation.planes["c2"]
    await opt_in(federation, namespace, "c2")
    for plane, cpu, value in ((source, "10m", 1000), (target, "20m", 2000)):
        await plane.apply([heavy(cpu), important(value)])
        await let_in(federation, plane, namespace, priorityClassName="important")
    await source.apply(await rich(source, namespace))
    proxy = await source.api.wait_pod("rich", "Running", namespace=namespace)
    delegate = await target.api.get(path(namespace, f"c1-{namespace}-rich"))

    metadata, spec = delegate["metadata"], delegate["spec"]
    assert metadata["labels"] == {
        f"{DOMAIN}/app": "web",
        f"{DOMAIN}/example.com_tier": "back",
        f"{DOMAIN}/proxy-uid": proxy["metadata"]["uid"],
        f"{DOMAIN}/attempt": "1",
        f"{DOMAIN}/source": "c1",
    }
    notes = metadata["annotations"]
    assert notes["example.com/note"] == "kept"
    assert {key for key in notes if key.startswith(DOMAIN)} == {
        f"{DOMAIN}/proxypod-namespace",
        f"{DOMAIN}/proxypod-name",
    }
    assert "ownerReferences" not in metadata
    assert "finalizers" not in metadata
    _keeps(spec)
    _has_its_own(spec, source_node=proxy["spec"]["nodeName"])
    ours = [f"{DOMAIN}/delegate"]  # nobody else would ever remove its user's own
    await source.api.merge(path(namespace, "rich"), {"metadata": {"finalizers": ours}})


def _keeps(spec):
    (main,), (first,) = spec["containers"], spec["initContainers"]
    assert (main["env"], main["command"]) == ([{"name": "A", "value": "1"}], ["run"])
    assert main["resources"]["requests"] == {"cpu": "100m"}
    assert first["name"] == "first"
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert spec["schedulerName"] == "default-scheduler"
    assert spec["terminationGracePeriodSeconds"] == 7
    assert (spec["priorityClassName"], spec["runtimeClassName"]) == ("important", "heavy")


def _has_its_own(spec, source_node):
    """What the target gives it, once and by its own rules."""
    assert spec["priority"] == 2000
    assert spec["overhead"] == {"cpu": "20m"}
    assert spec["nodeName"] not in {"", source_node}
    seconds = sorted(
        (toleration["key"], toleration.get("tolerationSeconds"))
        for toleration in spec["tolerations"]
    )
    added = [("node.kubernetes.io/not-ready", 300), ("node.kubernetes.io/unreachable", 300)]
    assert seconds == [("mine", None), *added]
    tokens = [volume["name"] for volume in spec["volumes"] if "projected" in volume]
    assert len(tokens) == 1
    for container in (*spec["containers"], *spec["initContainers"]):
        paths = [(mount["name"], mount["mountPath"]) for mount in container["volumeMounts"]]
        assert paths == [(tokens[0], TOKEN)]


async def test_a_name_too_long_is_cut_and_stays_unique(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    await opt_in(federation, namespace, "c2")
    names = ["x" * 240 + end for end in ("a", "b")]
    await source.apply([pod(name, namespace=namespace, cluster="c2") for name in names])

    for name in names:
        await source.api.wait_pod(name, "Running", namespace=namespace)
        delegate = delegate_name("c1", PodKey(namespace, name))
        assert len(delegate) <= 253
        assert await target.api.get(path(namespace, delegate))


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refusal_is_told_in_the_api_servers_words(federation, namespace, case):
    source, target = federation.planes["c1"], federation.planes["c2"]
    refuse, words, spec = REFUSALS[case]
    reason, words = case.partition(",")[0], words.format(namespace=namespace)
    await refuse(target, namespace)
    await source.apply(important(1) | {"metadata": {"name": "only-in-source"}})
    await let_in(federation, source, namespace, **spec)

    await source.apply(pod("p", namespace=namespace, cluster="c2", **spec))

    shown = await source.api.wait(
        path(namespace, "p"),
        lambda item: (condition(item) or {}).get("reason") == "DelegateRejected",
    )
    for text in (
        condition(shown)["message"],
        (await told(source, namespace, "p", "DelegateRejected"))[0],
    ):
        assert text.startswith(f"cluster c2 rejected it: {reason}: ")
        assert words in text
    assert shown["status"]["phase"] == "Pending"
    assert "nodeName" not in shown["spec"]
    events = [line["event"] for line in await federation.events("--pod", f"{namespace}/p")]
    rejection = next(event for event in events if event["type"] == "delegate.rejected")
    assert rejection["reason"] == reason
    assert words in rejection["message"]


@pytest.mark.parametrize("case", ["NamespaceMissing", "QuotaExceeded", "Invalid"])
async def test_who_was_refused_is_tried_elsewhere_at_once(federation, namespace, case):
    source, target = federation.planes["c1"], federation.planes["c2"]
    await REFUSALS[case][0](target, namespace)

    await source.apply(pod("p", namespace=namespace, run_for="1s"))

    shown = await source.api.wait_pod("p", "Succeeded", namespace=namespace)
    assert shown["spec"]["nodeName"] == "mcs-c1"
    assert await _tries(federation, namespace) == ["c2", "delegate.rejected", "c1"]
    assert await told(source, namespace, "p", "DelegateRejected")


async def test_who_was_refused_is_tried_again_when_the_reason_is_gone(federation, namespace):
    source = federation.planes["c1"]
    await source.apply(pod("p", namespace=namespace, cluster="c2"))
    await told(source, namespace, "p", "DelegateRejected")

    await opt_in(federation, namespace, "c2")

    await source.api.wait_pod("p", "Running", namespace=namespace)


async def test_a_delegate_without_a_node_for_too_long_is_tried_elsewhere(federation, namespace):
    """Only the target's own scheduler knows of pod anti-affinity."""
    source, target = federation.planes["c1"], federation.planes["c2"]
    await opt_in(federation, namespace, "c2")
    rule = {"topologyKey": "kubernetes.io/hostname"}
    rule["labelSelector"] = {"matchLabels": {"app": "loud"}}
    for number in range(2):
        loud = plain(f"loud-{number}", namespace, nodeName=f"node-{number}")
        loud["metadata"]["labels"] = {"app": "loud"}
        await target.apply(loud)
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    affinity = {"podAntiAffinity": {key: [rule]}}

    await source.apply(pod("p", namespace=namespace, affinity=affinity))

    shown = await source.api.wait(
        path(namespace, "p"),
        lambda item: (condition(item) or {}).get("reason") == "WaitingForDelegate",
    )
    assert "didn't match pod anti-affinity rules" in condition(shown)["message"]
    shown = await source.api.wait_pod("p", "Running", namespace=namespace)
    assert shown["spec"]["nodeName"] == "mcs-c1"
    await target.api.wait_gone(path(namespace, f"c1-{namespace}-p"))
    assert await _tries(federation, namespace) == ["c2", "placement.withdrawn", "c1"]
    (words,) = await told(source, namespace, "p", "Withdrawn")
    assert words == "no longer to run in cluster c2: unschedulable"


async def _tries(federation, namespace):
    """Targets of placements, and how those ended that ended before their delegate ran."""
    events = [line["event"] for line in await federation.events("--pod", f"{namespace}/p")]
    return [
        event.get("target") if event["type"] == "pod.placed" else event["type"]
        for event in events
        if event["type"] in {"pod.placed", "delegate.rejected", "placement.withdrawn"}
    ]
