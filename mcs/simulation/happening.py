"""Carries out a plan's items: what users do with clusters, and what goes wrong.

Users retry what an API server that is down did not take; everything else is tried once. An item
whose pod or node is not there any more does nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, assert_never

from mcs.errors import ClusterError, NotFound, Unreachable
from mcs.events import codec, subjects
from mcs.events.frames import ObservationFrame
from mcs.events.observations import OperatorCommanded, Ticked, Verb
from mcs.names import OPERATOR
from mcs.objects.kinds import NODES, PODS, Pod
from mcs.ports import Stream
from mcs.simulation.kubelet import EXIT_CODE, RUN_FOR
from mcs.simulation.places import NAMESPACE, Place
from mcs.simulation.plan import (
    Accident,
    ApiDown,
    ApiErrors,
    BadAppends,
    BadFrame,
    BadRequests,
    BreakWatches,
    Burst,
    CordonCluster,
    CordonNode,
    DeleteDelegate,
    DeletePod,
    Job,
    Kill,
    Leave,
    LoseTail,
    NatsDown,
    Partition,
    Pause,
    RemoveNode,
    SlowDelivery,
    Work,
)
from mcs.simulation.world import World

AGAIN_S: Final = 0.5
ENDED: Final = frozenset({"Succeeded", "Failed"})
GATE: Final = "simulation.mcs/gate"
FAILURES_MAX: Final = 6  # of a Job; Kubernetes' default backoffLimit


class Happening:
    """Makes things happen in ``world``. ``jobs``: those that are still under way."""

    def __init__(self, world: World) -> None:
        self.jobs: set[str] = set()
        self._world = world
        self._healed = asyncio.Event()

    def heal(self) -> None:
        """Act one is over: whatever lasts a while ends now."""
        self._healed.set()

    async def work(self, item: Work) -> None:
        """Do something that people do."""
        world = self._world
        match item:
            case Burst():
                place = world.places[item.cluster]
                for number in range(item.count):
                    name = f"{item.name}-{number}"
                    await self._insist(place, self._pod(item, name))
                if item.gate_s:
                    await self._wait(item.gate_s)
                    for number in range(item.count):
                        await self._ungate(place, f"{item.name}-{number}")
            case Job():
                self.jobs.add(item.name)
                async with asyncio.TaskGroup() as tasks:
                    for number in range(item.completions):
                        tasks.create_task(self._complete(item, number))
                self.jobs.discard(item.name)
            case DeletePod():
                await self._delete(await self._proxies(), item.number, item.grace_s)
            case DeleteDelegate():
                await self._delete(await self._delegates(), item.number, item.grace_s)
            case CordonNode():
                await self._cordon_node(item)
            case RemoveNode():
                await self._remove_node(world.places[item.cluster], item)
            case CordonCluster():
                self._command(Verb.CORDON, item.cluster)
                await self._wait(item.for_s)
                self._command(Verb.UNCORDON, item.cluster)
            case Leave():
                for name in world.of(item.cluster):
                    world.processes[name].leave()
                await self._wait(item.for_s)
                for name in world.of(item.cluster):
                    world.processes[name].come_back()
            case _:
                assert_never(item)

    async def accident(self, item: Accident) -> None:
        """Let something go wrong, for as long as the item says."""
        world, weather = self._world, self._world.weather
        weather.happened[type(item).__name__] += 1
        match item:
            case Kill():
                world.processes[item.process].kill(calls=item.calls, down_s=item.down_s)
            case Pause():
                world.pause(item.process)
                await self._wait(item.for_s)
                if not self._healed.is_set():
                    world.go_on(item.process)
            case Partition() | NatsDown():
                who = item.who if isinstance(item, Partition) else ""
                world.cut(who)
                await self._wait(item.for_s)
                if not self._healed.is_set():
                    world.mend(who)
            case LoseTail():
                await self._lose_tail(item)
            case BadAppends():
                await self._during(weather.appends, item.process, item.rate, item.for_s)
            case SlowDelivery():
                await self._during(weather.delivery_s, item.process, item.delay_s, item.for_s)
            case BadRequests():
                weather.requests = item.rate
                await self._wait(item.for_s)
                weather.requests = 0
            case BadFrame():
                subject, data = bad_frame(item)
                world.broker.store([(subject, data)])
            case ApiErrors():
                await self._during(weather.api, item.cluster, item.rate, item.for_s)
            case ApiDown():
                world.places[item.cluster].cluster.stop()
                await self._wait(item.for_s)
                world.places[item.cluster].cluster.start()
            case BreakWatches():
                cluster = world.places[item.cluster].cluster
                if item.compact:
                    cluster.compact()
                cluster.break_watches()
            case _:
                assert_never(item)

    # -- work ------------------------------------------------------------------------------------

    def _pod(self, item: Burst | Job, name: str, *, exit_code: int = 0) -> dict[str, Any]:
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
        resources = {"requests": {"cpu": f"{item.milli}m", "memory": "16Mi"}}
        spec["containers"] = [{"name": "main", "image": "work", "resources": resources}]
        return {"metadata": {"name": name, "annotations": annotations}, "spec": spec}

    async def _complete(self, job: Job, number: int) -> None:
        """See one completion of a Job through, as its controller does."""
        place, failures = self._world.places[job.cluster], 0
        for attempt in range(100):
            name = f"{job.name}-{number}-{attempt}"
            code = 1 if failures < job.failures else 0
            uid = await self._insist(place, self._pod(job, name, exit_code=code))
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
    ) -> None:
        if not found:
            return
        place, pod = found[number % len(found)]
        name = pod.metadata.name
        await self._patiently(
            lambda: place.cluster.delete(PODS, name, namespace=NAMESPACE, grace_s=grace_s)
        )

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
                await self._wait(item.for_s)

    async def _remove_node(self, place: Place, item: RemoveNode) -> None:
        names = sorted(place.nodes)
        if not names:
            return
        name = names[item.number % len(names)]
        await self._patiently(lambda: place.remove_node(name))
        await self._wait(item.for_s)
        await self._patiently(lambda: place.add_node(f"{name}x", place.sizes[name]))

    def _command(self, verb: Verb, cluster: str) -> None:
        number = self._world.broker.streams[Stream.OBSERVATIONS].last
        event = OperatorCommanded(
            id=f"{verb}-{number}", verb=verb, cluster=cluster, by="simulation"
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

    # -- accidents -------------------------------------------------------------------------------

    async def _lose_tail(self, item: LoseTail) -> None:
        world, name = self._world, Stream(item.stream)
        world.cut("")
        await self._wait(item.for_s / 2)
        last = world.broker.streams[name].last
        world.broker.lose_tail(name, max(0, last - item.count))
        await self._wait(item.for_s / 2)
        if not self._healed.is_set():
            world.mend("")

    async def _during(self, rates: dict[str, Any], key: str, value: float, for_s: float) -> None:
        rates[key] = value
        await self._wait(for_s)
        rates.pop(key, None)

    async def _wait(self, seconds: float) -> None:
        """So long, or until act one is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._healed.wait()
        except TimeoutError:
            return


def bad_frame(item: BadFrame) -> tuple[str, bytes]:
    """Subject and bytes of something that no mcs of this version would have stored there."""
    subject = f"mcs.obs.{item.cluster}.capacity"
    foreign = ObservationFrame(
        source=item.cluster, epoch=999_999, channel="capacity", number=7, events=(Ticked(),)
    )
    samples = (
        b"",
        b'{"schema": 1, "source": "',
        b'{"schema": 1, "source": "somebody-else", "channel": "capacity", "events": []}',
        codec.encode(foreign),
        b"\xff\xfe\x00 not even text",
        b"[" * 2000,
    )
    return subject, samples[item.kind % len(samples)]
