"""Argo's controller runs workflows to their end on KWOK."""

import pytest

from tools.argo import ArgoController

pytestmark = pytest.mark.kubernetes

PODS = "/api/v1/namespaces/default/pods"


def workflow(name, last):
    def template(title, annotations):
        return {
            "name": title,
            "metadata": {"annotations": annotations},
            "container": {"image": "none", "command": ["true"]},
        }

    titles = ["one", "two", "three"]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name},
        "spec": {
            "entrypoint": "all",
            "templates": [
                {"name": "all", "steps": [[{"name": x, "template": x}] for x in titles]},
                template("one", {"kwok.mcs/run-for": "100ms"}),
                template("two", {"kwok.mcs/run-for": "1s"}),
                template("three", last),
            ],
        },
    }


@pytest.fixture
def succeeding():
    return workflow("succeeding", {"kwok.mcs/run-for": "100ms"})


@pytest.fixture
def failing():
    return workflow("failing", {"kwok.mcs/exit-code": "4", "kwok.mcs/message": "no luck"})


async def test_workflows_end_as_their_last_step_does(plane, succeeding, failing):
    async with ArgoController(plane) as argo:
        await plane.apply([succeeding, failing])
        done = await argo.wait("succeeding", "Succeeded")
        assert done["status"]["progress"] == "3/3"
        failed = await argo.wait("failing", "Failed")
        nodes = failed["status"]["nodes"].values()
        assert any("no luck" in node.get("message", "") for node in nodes)
        pods = await plane.api.items(f"{PODS}?labelSelector=workflows.argoproj.io/workflow=failing")
        last = next(pod for pod in pods if pod["status"]["phase"] == "Failed")
        codes = {
            status["name"]: status["state"]["terminated"]["exitCode"]
            for status in last["status"]["containerStatuses"]
        }
        assert codes == {"main": 4, "wait": 0}
