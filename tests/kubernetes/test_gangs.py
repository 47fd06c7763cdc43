"""Gangs on real control planes: placed all at once or not at all, by whatever name they go."""

import asyncio
import json

import pytest

from tests.kubernetes.conftest import opt_in
from tests.kubernetes.pictures import picture
from tests.kubernetes.places import added
from tests.kubernetes.pods import DOMAIN, path, pod
from tests.kubernetes.shown import condition, told
from tools.controlplane import KubectlFailed, Options
from tools.federation import Federation

pytestmark = pytest.mark.kubernetes

A_NODE = "3900m"  # what a pod asks for that has one of our nodes for itself
SIZE = f"{DOMAIN}/group-size"
BY_LABEL = {"scheduling.x-k8s.io/pod-group": "ring"}
BY_FIELD = {"schedulingGroup": {"podGroupName": "ring"}}


def gang(count, *, namespace, spread=False, **fields):
    """The members of a group of ``count``."""
    notes = {f"{DOMAIN}/group": "train", SIZE: str(count)}
    if spread:
        notes[f"{DOMAIN}/group-placement"] = "spread"
    return [pod(f"m-{n}", namespace=namespace, annotations=notes, **fields) for n in range(count)]


def labelled(made, labels):
    made["metadata"]["labels"] = labels
    return made


def fielded(namespace, **fields):
    """Two members of a group that Kubernetes' own field names."""
    notes, names = {SIZE: "2"}, ("m-0", "m-1")
    return [
        pod(name, namespace=namespace, annotations=notes, **BY_FIELD, **fields) for name in names
    ]


async def placements(federation, namespace):
    """What was placed of that namespace so far, and in which cycle, so in which append."""
    async with picture(federation) as log:
        return [(cycle, event) for cycle, event in log.state.placed if event.namespace == namespace]


async def placed_at_once(federation, members, namespace):
    """Wait until all run; the clusters to which one append sent them."""
    names = [member["metadata"]["name"] for member in members]
    for name in names:
        await federation.planes["c1"].api.wait_pod(name, "Running", namespace=namespace)
    placed = await placements(federation, namespace)
    assert sorted(event.name for _, event in placed) == names
    assert len({cycle for cycle, _ in placed}) == 1
    return {event.target for _, event in placed}


async def say(federation, members, namespace, words):
    """Wait until each member says so on itself, and in an Event."""
    source = federation.planes["c1"]
    for member in members:
        name = member["metadata"]["name"]
        shown = await source.api.wait(
            path(namespace, name), lambda item: words in (condition(item) or {}).get("message", "")
        )
        assert condition(shown)["reason"] == "WaitingForCluster"

        async def told_so(name=name):
            return any(words in each for each in await told(source, namespace, name, "Deferred"))

        await federation.wait(f"an Event of {name}: {words}", told_so)


async def test_a_gang_waits_for_its_last_member_and_goes_to_one_cluster_at_once(
    federation, namespace
):
    source = federation.planes["c1"]
    members = gang(3, namespace=namespace)
    await source.apply(members[:2])
    words = "its group waits for members: 3 are placed together, or none"
    await say(federation, members[:2], namespace, words)
    assert await placements(federation, namespace) == []

    await source.apply(members[2:])

    assert len(await placed_at_once(federation, members, namespace)) == 1


async def test_a_gang_that_fits_no_cluster_waits_whole_until_one_has_room(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    members = gang(4, namespace=namespace, cpu=A_NODE)
    await source.apply(members)
    words = "c1: not enough room for the whole group; c2: not enough room for the whole group"
    await say(federation, members, namespace, words)
    for plane in federation.planes.values():
        found = await plane.api.items(path(namespace))
        assert all(
            f"{DOMAIN}/proxy-uid" not in item["metadata"].get("labels", {}) for item in found
        )

    async with added(target, "more"):
        assert await placed_at_once(federation, members, namespace) == {"c2"}


async def test_a_gang_that_may_be_spread_goes_over_both_clusters(federation, namespace):
    members = gang(4, namespace=namespace, cpu=A_NODE, spread=True)
    await federation.planes["c1"].apply(members)

    assert await placed_at_once(federation, members, namespace) == {"c1", "c2"}


async def test_the_coscheduling_label_names_a_gang(federation, namespace):
    source = federation.planes["c1"]
    sized = [pod(f"m-{n}", namespace=namespace, annotations={SIZE: "2"}) for n in range(2)]
    members = [labelled(each, BY_LABEL) for each in sized]
    await source.apply(members[:1])
    await say(federation, members[:1], namespace, "its group waits for members: 2")

    await source.apply(members[1:])

    [target] = await placed_at_once(federation, members, namespace)
    delegate = await federation.planes[target].api.get(path(namespace, f"c1-{namespace}-m-0"))
    assert not BY_LABEL.keys() & delegate["metadata"]["labels"].keys(), "whole here already"


async def test_a_gang_without_a_size_is_none_and_kubectl_says_so(federation, namespace):
    source = federation.planes["c1"]
    alone = labelled(pod("m-0", namespace=namespace), BY_LABEL)
    create = ("create", "-f", "-", "--warnings-as-errors", "--dry-run=server")
    with pytest.raises(KubectlFailed, match="is placed by itself, not with its group 'ring'"):
        await source.kubectl(*create, stdin=json.dumps(alone))

    await source.apply(alone)

    await source.api.wait_pod("m-0", "Running", namespace=namespace)


async def test_the_webhook_reads_a_pods_own_scheduling_group_before_it_is_dropped(
    federation, namespace
):
    """As the API server does by default in Kubernetes 1.36, whose feature is alpha and off."""
    source = federation.planes["c1"]
    members = fielded(namespace)
    made = await source.api.create(path(namespace), members[0])
    assert "schedulingGroup" not in made["spec"]
    await say(federation, members[:1], namespace, "its group waits for members: 2")

    await source.api.create(path(namespace), members[1])

    assert len(await placed_at_once(federation, members, namespace)) == 1


@pytest.fixture(scope="module")
def alpha():
    """A federation whose control planes have Kubernetes' own gangs switched on."""
    gates = {"feature-gates": "GenericWorkload=true"}
    served = {"runtime-config": "scheduling.k8s.io/v1alpha2=true"}
    scheduler = {"feature-gates": "GenericWorkload=true,GangScheduling=true"}
    flags = {"apiserver": gates | served, "controller-manager": gates, "scheduler": scheduler}
    federation = Federation("c1", "c2", options=Options(flags=flags))

    async def start():
        await federation.start()
        await opt_in(federation, "alpha")
        for plane in federation.planes.values():
            await plane.add_nodes(1)

    asyncio.run(start())
    yield federation
    federation.close()


async def test_a_pods_own_scheduling_group_names_a_gang(alpha):
    """Its delegates run though their cluster has no such PodGroup: they do not name it."""
    source = alpha.planes["c1"]
    members = fielded("alpha", cpu="1500m")
    made = await source.api.create(path("alpha"), members[0])
    assert made["spec"]["schedulingGroup"] == BY_FIELD["schedulingGroup"]
    await say(alpha, members[:1], "alpha", "its group waits for members: 2")

    await source.api.create(path("alpha"), members[1])

    [target] = await placed_at_once(alpha, members, "alpha")
    delegate = await alpha.planes[target].api.get(path("alpha", "c1-alpha-m-0"))
    assert "schedulingGroup" not in delegate["spec"]
