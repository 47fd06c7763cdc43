"""Kubelets without containers: they run the pods of real nodes for as long as an annotation says.

One ``Kubelet`` serves all nodes of a small cluster. A pod runs for ``mcs.demo/run-for`` seconds
(without it, for ever) and exits with ``mcs.demo/exit-code`` (0). A deleted pod is given its grace,
at most ``STOP_MAX_S``, and then removed from the API server as a real kubelet does it. Status is
what a kubelet writes: phase, conditions, container statuses with times and exit codes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

from mcs.adapters.memory_rules import timestamp, unix
from mcs.errors import ClusterError, Conflict, NotFound
from mcs.objects.kinds import PODS, Pod
from mcs.ports import Clock, Cluster, Patch
from mcs.services.reflector import Reflector
from mcs.simulation.pod_status import pod_status

RUN_FOR: Final = "mcs.demo/run-for"
EXIT_CODE: Final = "mcs.demo/exit-code"
START_S: Final = 0.1  # from bound to Running
STOP_MAX_S: Final = 1.0
RETRY_S: Final = 0.5
SIGTERM: Final = 143  # 128 + 15: what a container ended by SIGTERM exits with


class Kubelet:
    """Runs the pods bound to ``nodes``; ``run`` until cancelled."""

    def __init__(self, cluster: Cluster, clock: Clock, nodes: Collection[str]) -> None:
        self._cluster, self._clock, self._nodes = cluster, clock, nodes
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._stopping: set[str] = set()
        self._exits: dict[str, dict[str, Any]] = {}  # how containers ended; that never changes
        self._told: set[str] = set()  # the API server knows
        self._reflector = Reflector(cluster, PODS, clock, self)

    async def run(self) -> None:
        """Start, end and remove pods, until cancelled."""
        try:
            await self._reflector.run()
        finally:
            for task in self._lives.values():
                task.cancel()
            await asyncio.gather(*self._lives.values(), return_exceptions=True)

    def replace(self, pods: Sequence[Pod]) -> None:
        """Take a full list."""
        named = {pod.metadata.uid for pod in pods}
        for uid in [uid for uid in self._lives if uid not in named]:
            self._end(uid)
        for pod in pods:
            self.change(pod)

    def change(self, pod: Pod) -> None:
        """Start a pod that is new here; stop one that is being deleted."""
        uid = pod.metadata.uid
        if pod.spec.node_name not in self._nodes:
            return
        if pod.metadata.deletion_timestamp is not None:
            if uid not in self._stopping:
                if uid in self._lives:
                    self._lives[uid].cancel()
                self._stopping.add(uid)
                self._lives[uid] = asyncio.create_task(self._stop(pod))
        elif uid not in self._lives and pod.status.phase in {"Pending", "Running"}:
            self._lives[uid] = asyncio.create_task(self._live(pod))

    def remove(self, pod: Pod) -> None:
        """Take a pod that is gone; so are its containers."""
        self._end(pod.metadata.uid)

    def _end(self, uid: str) -> None:
        self._stopping.discard(uid)
        self._exits.pop(uid, None)
        self._told.discard(uid)
        task = self._lives.pop(uid, None)
        if task is not None:
            task.cancel()

    async def _live(self, pod: Pod) -> None:
        annotations = pod.metadata.annotations or {}
        begun = self._clock.now() + START_S
        if pod.status.phase == "Pending":
            await self._clock.sleep(START_S)
            started = timestamp(self._clock.now())
            running = {"running": {"startedAt": started}}
            await self._report(pod, "Running", running, started)
        else:  # it ran before this kubelet was started
            started = pod.status.start_time or timestamp(self._clock.now())
            begun = unix(started)
        if RUN_FOR not in annotations:
            return
        left_s = begun + float(annotations[RUN_FOR]) - self._clock.now()
        await self._clock.sleep(max(0.0, left_s))
        await self._finish(pod, int(annotations.get(EXIT_CODE, "0")), started)

    async def _stop(self, pod: Pod) -> None:
        grace = pod.metadata.deletion_grace_period_seconds or 0
        if pod.status.phase in {"Pending", "Running"}:
            if pod.metadata.uid not in self._exits:
                await self._clock.sleep(min(grace, STOP_MAX_S))
            await self._finish(pod, SIGTERM, pod.status.start_time)
        await self._insist(
            lambda: self._cluster.delete(
                PODS,
                pod.metadata.name,
                namespace=pod.metadata.namespace,
                uid=pod.metadata.uid,
                grace_s=0,
            )
        )

    async def _finish(self, pod: Pod, code: int, started: str | None) -> None:
        uid, now = pod.metadata.uid, timestamp(self._clock.now())
        if uid in self._told:  # by itself, just before it was asked to
            return
        times = {"startedAt": started or now, "finishedAt": now}
        reason = "Error" if code else "Completed"
        exit = self._exits.setdefault(uid, {"exitCode": code, "reason": reason, **times})
        phase = "Failed" if exit["exitCode"] else "Succeeded"
        await self._report(pod, phase, {"terminated": exit}, exit["startedAt"])
        self._told.add(uid)

    async def _report(self, pod: Pod, phase: str, state: Mapping[str, Any], started: str) -> None:
        status = pod_status(pod, phase, state, started, timestamp(self._clock.now()))
        patch = {"metadata": {"uid": pod.metadata.uid}, "status": status}
        await self._insist(
            lambda: self._cluster.patch(
                PODS,
                pod.metadata.name,
                patch,
                namespace=pod.metadata.namespace,
                subresource="status",
                type=Patch.STRATEGIC,
            )
        )

    async def _insist(self, write: Callable[[], Awaitable[object]]) -> None:
        # until it is done, or the pod is gone or another one
        while True:
            try:
                await write()
                return
            except (NotFound, Conflict):
                return
            except ClusterError:
                await self._clock.sleep(RETRY_S)
