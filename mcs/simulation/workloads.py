"""Workflows in small, after Argo's: steps that are pods, some of them after others.

A step's pod is created when all steps it comes ``after`` have succeeded and fewer than ``parallel``
are on their way; the runner waits for each pod's end. A step that fails keeps those after it from
starting. The runner looks only at the pods that it created, as Argo's controller does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from mcs.objects.kinds import PODS, Pod
from mcs.ports import Clock, Cluster
from mcs.services.reflector import Reflector
from mcs.simulation.kubelet import RUN_FOR

RUN: Final = "mcs.demo/run"
IMAGE: Final = "busybox:1.37"
ENDED: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, kw_only=True)
class Step:
    """One pod of a workflow: it asks for ``cpu`` and runs for ``run_for_s`` seconds."""

    name: str
    run_for_s: float = 10.0
    cpu: str = "200m"
    after: tuple[str, ...] = ()
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a step ended: its pod's phase, or ``Omitted`` or ``Gone``; seconds since the start."""

    step: str
    phase: str
    begun_s: float = 0.0
    ended_s: float = 0.0


async def run_steps(
    cluster: Cluster,
    clock: Clock,
    steps: Sequence[Step],
    *,
    run: str,
    namespace: str = "default",
    parallel: int = 0,
) -> list[Outcome]:
    """Run all steps, at most ``parallel`` at a time (0: no limit); the outcomes in their order.

    Raises:
        ClusterError: a pod could not be created.
    """
    ends = _Ends()
    reflector = Reflector(cluster, PODS, clock, ends, namespace=namespace, labels=f"{RUN}={run}")
    outcomes: dict[str, asyncio.Future[Outcome]] = {
        step.name: asyncio.get_running_loop().create_future() for step in steps
    }
    gate = asyncio.Semaphore(parallel or max(1, len(steps)))
    start = clock.monotonic()

    async def one(step: Step) -> None:
        before = [await outcomes[name] for name in step.after]
        if any(outcome.phase != "Succeeded" for outcome in before):
            outcomes[step.name].set_result(Outcome(step=step.name, phase="Omitted"))
            return
        async with gate:
            begun = clock.monotonic() - start
            with ends.awaited(f"{run}-{step.name}") as end:
                await cluster.create(PODS, _manifest(step, run), namespace=namespace)
                phase = await end
        ended = clock.monotonic() - start
        outcome = Outcome(step=step.name, phase=phase, begun_s=begun, ended_s=ended)
        outcomes[step.name].set_result(outcome)

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(reflector.run())
        await reflector.synced.wait()
        async with asyncio.TaskGroup() as running:
            for step in steps:
                running.create_task(one(step))
        watching.cancel()
    return [outcomes[step.name].result() for step in steps]


class _Ends:
    """The ends of pods, by name."""

    def __init__(self) -> None:
        self._awaited: dict[str, asyncio.Future[str]] = {}
        self._known: set[str] = set()

    @contextmanager
    def awaited(self, name: str) -> Iterator[asyncio.Future[str]]:
        """The phase in which pod ``name`` will end."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._awaited[name] = future
        try:
            yield future
        finally:
            del self._awaited[name]

    def replace(self, pods: Sequence[Pod]) -> None:
        named = {pod.metadata.name for pod in pods}
        for name in self._known - named:
            self._end(name, "Gone")
        for pod in pods:
            self.change(pod)

    def change(self, pod: Pod) -> None:
        self._known.add(pod.metadata.name)
        if pod.status.phase in ENDED:
            self._end(pod.metadata.name, pod.status.phase)

    def remove(self, pod: Pod) -> None:
        self.change(pod)
        self._end(pod.metadata.name, "Gone")
        self._known.discard(pod.metadata.name)

    def _end(self, name: str, phase: str) -> None:
        future = self._awaited.get(name)
        if future is not None and not future.done():
            future.set_result(phase)


def _manifest(step: Step, run: str) -> dict[str, object]:
    resources = {"requests": {"cpu": step.cpu}}
    command = ["sleep", f"{step.run_for_s:g}"]
    container = {"name": "main", "image": IMAGE, "resources": resources, "command": command}
    return {
        "metadata": {
            "name": f"{run}-{step.name}",
            "labels": {RUN: run},
            "annotations": {RUN_FOR: f"{step.run_for_s:g}", **step.annotations},
        },
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
