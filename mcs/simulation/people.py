"""What people do in a simulated federation: users with pods, administrators with nodes.

They retry what an API server that is down did not take; everything else is tried once. An item
whose pod or node is not there any more does nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, assert_never

from mcs.errors import ClusterError, NotFound, Unreachable
from mcs.events import codec, subjects
from mcs.events.frames import ObservationFrame
from mcs.events.observations import OperatorCommanded, Verb
from mcs.names import NAMESPACE_ENABLED, NAMESPACE_LABEL, OPERATOR
from mcs.objects.grouping import ONE_CLUSTER, SPREAD
from mcs.objects.kinds import NAMESPACES, NODES, PODS, Pod
from mcs.ports import Stream
from mcs.simulation.act_one import ActOne
from mcs.simulation.kubelet import EXIT_CODE, RUN_FOR
from mcs.simulation.places import NAMESPACE, Place
from mcs.simulation.plan import (
    Burst,
    CloseNamespace,
    CordonCluster,
    CordonNode,
    DeleteDelegate,
    DeletePod,
    Gang,
    Job,
    Leave,
    ReleasePod,
    RemoveCluster,
    RemoveNode,
    Work,
)
from mcs.simulation.world import World

AGAIN_S: Final = 0.5
ENDED: Final = frozenset({"Succeeded", "Failed"})
GATE: Final = "simulation.mcs/gate"
FAILURES_MAX: Final = 6  # of a Job; Kubernetes' default backoffLimit


class People:
    """They work in ``world``. ``jobs``: those that are still under way."""

    def __init__(self, world: World, act_one: ActOne) -> None:
        self.jobs: set[str] = set()
        self._world, self._act_one = world, act_one

    async def do(self, item: Work) -> None:
        """Do one thing, to its end."""
        match item:
            case Burst():
                await self._create(item)
            case Job():
                if not item.size:  # those of a group may wait for ever, for room or company
                    self.jobs.add(item.name)
                async with asyncio.TaskGroup() as tasks:
                    for number in range(item.completions):
                        tasks.create_task(self._complete(item, number))
                self.jobs.discard(item.name)
            case DeletePod():
                await self._delete(await self._proxies(), item.number, item.grace_s)
            case DeleteDelegate():
                await self._delete(await self._delegates(), item.number, item.grace_s)
            case ReleasePod():
                if chosen := await self._delete(await self._proxies(), item.number, None):
                    self._command(Verb.RELEASE, *chosen)
            case CordonNode():
                await self._cordon_node(item)
            case RemoveNode():
                await self._remove_node(self._world.places[item.cluster], item)
            case CordonCluster():
                self._command(Verb.CORDON, item.cluster)
                await self._act_one.wait(item.for_s)
                self._command(Verb.UNCORDON, item.cluster)
            case CloseNamespace():
                place = self._world.places[item.cluster]
                await self._label(place, None)
                await self._act_one.wait(item.for_s)
                await self._label(place, NAMESPACE_ENABLED)
            case Leave():
                await self._leave(item)
            case RemoveCluster():
                await self._remove_cluster(item)
            case _:
                assert_never(item)

    async def _create(self, item: Burst) -> None:
        place = self._world.places[item.cluster]
        names = [f"{item.name}-{number}" for number in range(item.count)]
        for number, name in enumerate(names):
            if isinstance(item, Gang) and number == item.count - item.late:
                await self._act_one.wait(item.late_s)
            other = number % 2 and isinstance(item, Gang) and item.other_milli
            await self._insist(place, self._pod(item, name, milli=other or item.milli))
        if item.gate_s:
            await self._act_one.wait(item.gate_s)
            for name in names:
                await self._ungate(place, name)

    def _pod(
        self, item: Burst | Job, name: str, *, milli: int, exit_code: int = 0
    ) -> dict[str, Any]:
        keys = self._world.keys
        annotations = {keys.elect: "", RUN_FOR: f"{item.run_s:g}"}
        spec: dict[str, Any] = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 2}
        stay_s = 300
        if isinstance(item, Burst):
            exit_code, stay_s = item.exit_code, item.stay_s
            if item.pin:
                annotations[keys.clustername] = item.pin
            if item.selector:
                spec["nodeSelector"] = {"there": "is-none"}
            if item.gate_s:
                spec["schedulingGates"] = [{"name": GATE}]
        if isinstance(item, Gang | Job) and item.size:
            spread = isinstance(item, Gang) and item.spread
            annotations[keys.group], annotations[keys.group_size] = item.name, str(item.size)
            annotations[keys.group_placement] = SPREAD if spread else ONE_CLUSTER
        if exit_code:
            annotations[EXIT_CODE] = str(exit_code)
        spec["tolerations"] = [
            {
                "key": "node.kubernetes.io/not-ready",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": stay_s,
            }
        ]
        resources = {"requests": {"cpu": f"{milli}m", "memory": "16Mi"}}
        spec["containers"] = [{"name": "main", "image": "work", "resources": resources}]
        return {"metadata": {"name": name, "annotations": annotations}, "spec": spec}

    async def _complete(self, job: Job, number: int) -> None:
        """See one completion of a Job through, as its controller does."""
        place, failures = self._world.places[job.cluster], 0
        for attempt in range(100):
            name = f"{job.name}-{number}-{attempt}"
            code = 1 if failures < job.failures else 0
            uid = await self._insist(place, self._pod(job, name, milli=job.milli, exit_code=code))
            phase = await self._end_of(place, name, uid)
            if phase == "Succeeded":
                return
            failures += phase == "Failed"
            if failures > FAILURES_MAX:
                return

    async def _end_of(self, place: Place, name: str, uid: str) -> str:
        """Wait for a pod's end: its phase, or ``Gone`` (also when it is being deleted, as a Job
        counts it then).
        """
        while True:
            await asyncio.sleep(AGAIN_S)
            try:
                pod = await place.cluster.get(PODS, name, namespace=NAMESPACE)
            except NotFound:
                return "Gone"
            except ClusterError:
                continue
            if pod.metadata.uid != uid:
                return "Gone"
            if (phase := pod.status.phase or "") in ENDED:
                return phase
            if pod.metadata.deletion_timestamp is not None:
                return "Gone"

    async def _insist(self, place: Place, manifest: dict[str, Any]) -> str:
        """Create a pod, however often it takes; returns its uid."""
        while True:
            try:
                pod = await place.cluster.create(PODS, manifest, namespace=NAMESPACE)
            except Unreachable:
                await asyncio.sleep(AGAIN_S)
            else:
                return pod.metadata.uid

    async def _ungate(self, place: Place, name: str) -> None:
        await self._patiently(
            lambda: place.cluster.patch(
                PODS, name, {"spec": {"schedulingGates": None}}, namespace=NAMESPACE
            )
        )

    async def _proxies(self) -> list[tuple[Place, Pod]]:
        manifest = self._world.keys.manifest
        return await self._pods(lambda pod: manifest in (pod.metadata.annotations or {}))

    async def _delegates(self) -> list[tuple[Place, Pod]]:
        label = self._world.keys.proxy_uid
        return await self._pods(lambda pod: label in (pod.metadata.labels or {}))

    async def _pods(self, chosen: Callable[[Pod], bool]) -> list[tuple[Place, Pod]]:
        found = []
        for place in self._world.places.values():
            try:
                listed = await place.cluster.list(PODS, namespace=NAMESPACE)
            except ClusterError:
                continue
            found += [(place, pod) for pod in listed.items if chosen(pod)]
        return found

    async def _delete(
        self, found: list[tuple[Place, Pod]], number: int, grace_s: int | None
    ) -> tuple[str, str] | None:
        """Delete one of these pods; gives its cluster and name."""
        if not found:
            return None
        place, pod = found[number % len(found)]
        name = pod.metadata.name
        await self._patiently(
            lambda: place.cluster.delete(PODS, name, namespace=NAMESPACE, grace_s=grace_s)
        )
        return place.name, name

    async def _cordon_node(self, item: CordonNode) -> None:
        place = self._world.places[item.cluster]
        names = sorted(place.nodes)
        if item.virtual:
            names = [f"mcs-{name}" for name in sorted(self._world.places)]
        if not names:
            return
        name = names[item.number % len(names)]
        for cordoned in (True, False):
            change = {"spec": {"unschedulable": cordoned or None}}
            await self._patiently(lambda c=change: place.cluster.patch(NODES, name, c))  # type: ignore[misc]
            if cordoned:
                await self._act_one.wait(item.for_s)

    async def _label(self, place: Place, opted_in: str | None) -> None:
        change = {"metadata": {"labels": {NAMESPACE_LABEL: opted_in}}}
        await self._patiently(lambda: place.cluster.patch(NAMESPACES, NAMESPACE, change))

    async def _remove_node(self, place: Place, item: RemoveNode) -> None:
        names = sorted(place.nodes)
        if not names:
            return
        name = names[item.number % len(names)]
        await self._patiently(lambda: place.remove_node(name))
        await self._act_one.wait(item.for_s)
        await self._patiently(lambda: place.add_node(f"{name}x", place.sizes[name]))

    async def _leave(self, item: Leave) -> None:
        processes = [self._world.processes[name] for name in self._world.of(item.cluster)]
        for process in processes:
            process.leave()
        await self._act_one.wait(item.for_s)
        for process in processes:
            process.come_back()

    async def _remove_cluster(self, item: RemoveCluster) -> None:
        processes = [self._world.processes[name] for name in self._world.of(item.cluster)]
        if item.cut:
            self._world.cut(item.cluster)
        else:
            for process in processes:
                process.vanish()
        await self._act_one.wait(item.silent_s)
        self._command(Verb.REMOVE, item.cluster)
        await self._act_one.wait(item.for_s)
        if item.cut:
            self._world.mend(item.cluster)
        else:
            for process in processes:
                process.come_back()

    def _command(self, verb: Verb, cluster: str, name: str = "") -> None:
        number = self._world.broker.streams[Stream.OBSERVATIONS].last
        event = OperatorCommanded(
            id=f"{verb}-{number}",
            verb=verb,
            cluster=cluster,
            namespace=NAMESPACE if name else "",
            name=name,
            by="simulation",
        )
        frame = ObservationFrame(source=OPERATOR, channel=verb, events=(event,))
        self._world.broker.store([(subjects.operator(verb), codec.encode(frame))])

    async def _patiently(self, work: Callable[[], Awaitable[object]]) -> None:
        """Until the API server has answered."""
        while True:
            try:
                await work()
            except Unreachable:
                await asyncio.sleep(AGAIN_S)
            except ClusterError:
                return
            else:
                return
