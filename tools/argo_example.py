"""The published example that mcs grew out of, on real parts: two clusters, and Argo in the first.

Three nodes of 940m CPU in each cluster; system pods leave 980m free in cluster1 and 1080m in
cluster2, cut up so that three steps of 200m fit into the first and four into the second. The
workflows are the files in `examples/argo`, submitted as they are.

    async with ArgoExample() as example:
        ran = await example.run("multi-cluster-parallel")
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mcs.adapters.jetstream import connect
from mcs.demo.scenarios import Capacity, capacity
from mcs.demo.sites import NODE, SYSTEM_PODS
from mcs.names import Keys
from mcs.projections.state import State
from mcs.services.reading import Ends, fold
from tools.api import Object
from tools.argo import ArgoController
from tools.federation import Federation

FOLDER = Path(__file__).parent.parent / "examples" / "argo"
CLUSTERS = ("cluster1", "cluster2")
NAMESPACE = "default"
TIMEOUT_S = 300.0
_WORKFLOW = "workflows.argoproj.io/workflow"
_NODE = "workflows.argoproj.io/node-name"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_LOOK_S = 0.25
_keys = Keys()


@dataclass(kw_only=True)
class StepPod:
    """A step: its pod in cluster1, and the pod that did the work, which may be the same. Times are
    Unix seconds, whole ones, as Kubernetes gives them.
    """

    name: str
    label: str
    pod: Object
    worker: Object = field(default_factory=dict)
    cluster: str = ""

    @property
    def elected(self) -> bool:
        """Whether it is a proxy."""
        return _keys.manifest in self.pod["metadata"].get("annotations", {})

    @property
    def created_s(self) -> float:
        """When Argo created it."""
        return unix(self.pod["metadata"]["creationTimestamp"])

    @property
    def node(self) -> str:
        """The real node that it ran on."""
        return str(self.worker.get("spec", {}).get("nodeName", ""))

    @property
    def times(self) -> tuple[float | None, float | None]:
        """When it began to run, and when it ended."""
        for status in self.worker.get("status", {}).get("containerStatuses", []):
            if status["name"] == "main":
                state = status.get("state", {})
                ended = state.get("terminated", {})
                began = ended.get("startedAt") or state.get("running", {}).get("startedAt")
                return _maybe(began), _maybe(ended.get("finishedAt"))
        return None, None


@dataclass(kw_only=True)
class Ran:
    """A workflow that came to its end; ``took_s`` from its submission until Argo said so."""

    name: str
    phase: str
    took_s: float
    workflow: Object
    steps: list[StepPod]


class ArgoExample:
    """The two clusters and the controller; an async context manager that leaves nothing behind."""

    def __init__(self) -> None:
        self.federation = Federation(*CLUSTERS)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.federation)
            for name in CLUSTERS:
                await self._furnish(name)
            source = self.federation.planes[CLUSTERS[0]]
            self.argo = await stack.enter_async_context(ArgoController(source))
            await self.federation.wait("the scheduler knows all nodes and pods", self._known)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def capacities(self) -> dict[str, Capacity]:
        """What the clusters offer now, as the scheduler knows it: folded from the log."""
        state = await self._state()
        return {name: capacity(state.inventory, name) for name in CLUSTERS}

    async def run(
        self, file: str, progress: Callable[[float, list[StepPod]], None] = lambda _, __: None
    ) -> Ran:
        """Submit `examples/argo/<file>.yaml` in cluster1 and wait for its end."""
        plane = self.federation.planes[CLUSTERS[0]]
        begun = time.monotonic()
        told = await plane.kubectl(
            *("create", "-f", str(FOLDER / f"{file}.yaml"), "-n", NAMESPACE, "-o", "name")
        )
        name = told.strip().rpartition("/")[2]
        watching = asyncio.create_task(self._watch(name, begun, progress))
        try:
            path = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/workflows/{name}"
            workflow = await plane.api.wait(path, _ended, TIMEOUT_S)
        finally:
            watching.cancel()
        took_s = time.monotonic() - begun
        steps = await self.steps(name)
        phase = str(workflow["status"]["phase"])
        return Ran(name=name, phase=phase, took_s=took_s, workflow=workflow, steps=steps)

    async def steps(self, workflow: str) -> list[StepPod]:
        """The steps of a workflow as they are now, in the order in which Argo made them."""
        pods = {
            name: await plane.api.items(_PODS) for name, plane in self.federation.planes.items()
        }
        steps: dict[str, StepPod] = {}
        for pod in pods[CLUSTERS[0]]:
            meta = pod["metadata"]
            if meta.get("labels", {}).get(_WORKFLOW) != workflow:
                continue
            label = meta["annotations"][_NODE].removeprefix(workflow).lstrip(".[")
            step = StepPod(name=meta["name"], label=label.rpartition(".")[2], pod=pod)
            if not step.elected:
                step.worker, step.cluster = pod, CLUSTERS[0]
            steps[meta["uid"]] = step
        for cluster, items in pods.items():
            for pod in items:
                uid = pod["metadata"].get("labels", {}).get(_keys.proxy_uid)
                if uid in steps:
                    steps[uid].worker, steps[uid].cluster = pod, cluster
        return sorted(steps.values(), key=lambda step: (step.created_s, step.label))

    async def _furnish(self, name: str) -> None:
        plane = self.federation.planes[name]
        node: dict[str, Any] = {**NODE, "pods": int(NODE["pods"])}
        nodes = await plane.add_nodes(3, prefix=f"{name}-n", **node)
        for node_name, pods in zip(nodes, SYSTEM_PODS[name], strict=True):
            for pod, milli in pods.items():
                container = {
                    "name": "main",
                    "image": "system",
                    "resources": {"requests": {"cpu": f"{milli}m"}},
                }
                body = {
                    "metadata": {"name": f"{pod}-{node_name}"},
                    "spec": {"nodeName": node_name, "containers": [container]},
                }
                await plane.api.create("/api/v1/namespaces/kube-system/pods", body)

    async def _known(self) -> bool:
        state = await self._state()
        pods = sum(len(pods) for name in CLUSTERS for pods in SYSTEM_PODS[name])
        return len(state.inventory.charges) == pods and all(
            len(state.inventory.nodes.get(name, {})) == 3 for name in CLUSTERS
        )

    async def _state(self) -> State:
        log, state = await connect(self.federation.nats.url), State()
        try:
            await fold(log, state, await Ends.of(log))
        finally:
            await log.close()
        return state

    async def _watch(
        self, name: str, begun: float, progress: Callable[[float, list[StepPod]], None]
    ) -> None:
        while True:
            progress(time.monotonic() - begun, await self.steps(name))
            await asyncio.sleep(_LOOK_S)


def unix(text: str) -> float:
    """A time of Kubernetes as Unix seconds."""
    return datetime.fromisoformat(text).timestamp()


def _maybe(text: str | None) -> float | None:
    return unix(text) if text else None


def _ended(workflow: Object) -> bool:
    return workflow.get("status", {}).get("phase") in {"Succeeded", "Failed", "Error"}
