"""The published workflows, submitted unchanged to the real Argo controller, over two clusters."""

import asyncio
import json

import pytest
import yaml

from tests.kubernetes.pods import path, pod
from tools.argo_example import FOLDER, ArgoExample

pytestmark = pytest.mark.kubernetes
ROOM = {"cluster1": 3, "cluster2": 4}
ENDED = {"Succeeded", "Failed"}
ELECT = "multicluster.admiralty.io/elect"


@pytest.fixture(scope="module")
def example():
    made = ArgoExample()
    asyncio.run(made.__aenter__())
    yield made
    asyncio.run(made.__aexit__(None, None, None))


async def most_at_once(example, workflow):
    """Live placements of a workflow, at most, by cluster: every step between its placement and its
    delegate's end, in the order of the log.
    """
    live = {name: set() for name in ROOM}
    most = dict.fromkeys(ROOM, 0)
    for line in await example.federation.events():
        event = line["event"]
        if event["type"] == "pod.placed" and event["name"].startswith(workflow):
            live[event["target"]].add(event["placement"])
        elif event["type"] == "delegate.observed" and event.get("phase") in ENDED:
            for placements in live.values():
                placements.discard(event["placement"])
        most = {name: max(most[name], len(live[name])) for name in most}
    return most


async def test_ten_parallel_steps_fill_both_clusters_and_overfill_none(example):
    assert {name: item.slots for name, item in (await example.capacities()).items()} == ROOM

    ran = await example.run("multi-cluster-parallel")

    assert (ran.phase, len(ran.steps)) == ("Succeeded", 10)
    assert all(step.elected and step.pod["status"]["phase"] == "Succeeded" for step in ran.steps)
    assert {step.cluster for step in ran.steps} == set(ROOM)
    assert await most_at_once(example, ran.name) == ROOM


async def test_a_dag_keeps_its_order_and_its_pin_over_clusters(example):
    ran = await example.run("multi-cluster-dag")

    assert ran.phase == "Succeeded"
    steps = {step.label: step for step in ran.steps}
    assert steps["B"].cluster == "cluster2"
    began_c, _ = steps["C"].times
    assert all(steps[name].times[1] <= began_c for name in "AB")


def test_the_workflows_differ_by_annotations_only():
    def bare(name):
        workflow = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
        assert workflow["metadata"].pop("generateName") == f"{name}-"
        notes = [template.pop("metadata", {}) for template in workflow["spec"]["templates"]]
        return workflow, [note["annotations"] for note in notes if note]

    single, [alone] = bare("single-cluster-parallel")
    multi, [elected] = bare("multi-cluster-parallel")

    assert single == multi
    assert elected == {**alone, ELECT: ""}


async def test_an_annotation_written_on_a_delegate_arrives_at_its_proxy(example):
    """So executors of older versions of Argo passed the outputs of a step."""
    planes = example.federation.planes
    source, target = planes["cluster1"].api, planes["cluster2"].api
    outputs = json.dumps({"result": "42", "exitCode": "0"})
    key = "workflows.argoproj.io/outputs"
    await planes["cluster1"].apply([pod("told", namespace="default", cluster="cluster2")])
    await source.wait_pod("told", "Running")

    delegate = path("default", "cluster1-default-told")
    await target.merge(delegate, {"metadata": {"annotations": {key: outputs}}})

    proxy = await source.wait(
        path("default", "told"), lambda item: key in item["metadata"]["annotations"]
    )
    assert proxy["metadata"]["annotations"][key] == outputs
