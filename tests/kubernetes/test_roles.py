"""Sources that run nothing for others, targets where nothing is elected: three clusters."""

import asyncio

import pytest

from mcs.events.decisions import Lacks, Never
from tests.kubernetes.conftest import opt_in
from tests.kubernetes.pictures import picture, proxy
from tests.kubernetes.pods import ELECT, path, pod
from tools.federation import Federation

pytestmark = pytest.mark.kubernetes

NAMESPACE = "team"


@pytest.fixture(scope="module")
def federation():
    """Two sources, one of which is a target too, and a target that is nothing else."""
    made = Federation("left", "right", "work", roles={"left": "--source", "work": "--target"})

    async def start():
        await made.start()
        await asyncio.gather(*(plane.add_nodes(1) for plane in made.planes.values()))
        await opt_in(made, NAMESPACE)

    asyncio.run(start())
    yield made
    made.close()


async def test_pods_of_the_same_name_from_two_sources_meet_in_one_target(federation):
    sources = [federation.planes[name] for name in ("left", "right")]
    asked = pod("same", namespace=NAMESPACE, cluster="work", cpu="1500m", run_for="2s")
    await asyncio.gather(*(source.apply(asked) for source in sources))

    shown = [await each.api.wait_pod("same", "Succeeded", namespace=NAMESPACE) for each in sources]

    for name, item in zip(("left", "right"), shown, strict=True):
        delegate = f"{name}-{NAMESPACE}-same"
        found = await federation.planes["work"].api.get(path(NAMESPACE, delegate))
        assert item["spec"]["nodeName"] == "mcs-work"
        uid = found["metadata"]["labels"]["multicluster.admiralty.io/proxy-uid"]
        assert uid == item["metadata"]["uid"]


async def test_what_one_source_takes_of_a_target_the_other_source_misses(federation):
    left, right = federation.planes["left"], federation.planes["right"]
    await left.apply(pod("large", namespace=NAMESPACE, cluster="work", cpu="3"))
    await left.api.wait_pod("large", "Running", namespace=NAMESPACE)
    await right.apply(pod("late", namespace=NAMESPACE, cluster="work", cpu="2"))

    async with picture(federation) as log:
        expected = {
            "right": Never(constraint="pinned to work"),
            "work": Lacks(resource="cpu"),
        }

        def waits(state):
            late = proxy(state, "right", NAMESPACE, "late")
            return late is not None and late.deferred == expected

        await log.until("it waits, and nobody names the source that runs nothing", waits)
    await left.kubectl("delete", "pod", "large", "-n", NAMESPACE)
    await right.api.wait_pod("late", "Running", namespace=NAMESPACE)
    await right.kubectl("delete", "pod", "late", "-n", NAMESPACE)


async def test_each_source_has_a_node_for_each_target_and_for_nothing_else(federation):
    targets = {"mcs-right", "mcs-work"}
    for name in ("left", "right"):
        plane = federation.planes[name]
        for target in targets:
            await plane.api.wait(f"/api/v1/nodes/{target}", lambda _: True)
        found = {item["metadata"]["name"] for item in await plane.api.items("/api/v1/nodes")}
        assert {each for each in found if each.startswith("mcs-")} == targets
    work = await federation.planes["work"].api.items("/api/v1/nodes")
    assert [item["metadata"]["name"] for item in work] == ["node-0"]


async def test_an_annotated_pod_of_a_mere_target_stays_what_it_is(federation):
    plane = federation.planes["work"]
    await plane.apply(pod("plain", namespace=NAMESPACE, run_for="1s"))

    ran = await plane.api.wait_pod("plain", "Succeeded", namespace=NAMESPACE)

    assert ran["spec"]["nodeName"] == "node-0"
    assert ELECT in ran["metadata"]["annotations"]
    assert "finalizers" not in ran["metadata"]


async def test_a_mere_source_runs_nothing(federation):
    left = federation.planes["left"]
    await left.apply([pod(f"p-{n}", namespace=NAMESPACE, run_for="1s") for n in range(6)])

    for number in range(6):
        shown = await left.api.wait_pod(f"p-{number}", "Succeeded", namespace=NAMESPACE)
        assert shown["spec"]["nodeName"] in {"mcs-right", "mcs-work"}


def test_the_rights_of_one_role_suffice(federation):
    for agent in federation.agents.values():
        assert "forbidden" not in agent.log.read_text().lower()
