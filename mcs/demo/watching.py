"""What the demo shows: pods as both API servers have them, and events as they are appended.

It looks from outside, like anybody with kubectl and a NATS client: nothing here is told by mcs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Final

import msgspec

from mcs.demo.sites import NAMESPACE, Site
from mcs.names import Keys
from mcs.objects.delegate import delegate_label
from mcs.objects.kinds import PODS, Pod
from mcs.objects.requests import effective_requests
from mcs.ports import Clock, EventLog
from mcs.quantities import CPU
from mcs.services.reading import Ends, chronicle
from mcs.services.reflector import Reflector
from mcs.simulation.workloads import RUN
from mcs.views.lines import Line, Teller

_TAIL: Final = 60


class Work(msgspec.Struct, kw_only=True):
    """One step: its pod in cluster1, and the one that does the work (which may be the same).

    Times are seconds of the demo's clock; ``place`` is (cluster, node).
    """

    run: str
    name: str
    created_s: float
    phase: str = "Pending"
    ran: str = ""  # phase of the pod that does the work
    place: tuple[str, str] = ("", "")
    started_s: float | None = None
    ended_s: float | None = None
    elected: bool = False


class Watcher:
    """Keeps ``works`` (by run and name), ``used`` (CPU by cluster and node) and ``tail``."""

    def __init__(self, sites: Sequence[Site], clock: Clock, keys: Keys) -> None:
        self.works: dict[tuple[str, str], Work] = {}
        self.used: dict[tuple[str, str], dict[str, tuple[str, int]]] = {}
        self.most: dict[tuple[str, str], int] = {}  # the most CPU ever used, by node
        self.tail: deque[Line] = deque(maxlen=_TAIL)
        self.appended = 0
        self.on_line: Callable[[Line], None] | None = None
        self._sites, self._clock, self._keys = sites, clock, keys

    async def run(self, log: EventLog) -> None:
        """Watch, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for site in self._sites:
                table = _Pods(self, site)
                reflector = Reflector(site.cluster, PODS, self._clock, table)
                tasks.create_task(reflector.run())
            tasks.create_task(self._listen(log))

    async def _listen(self, log: EventLog) -> None:
        teller = Teller()
        async with aclosing(chronicle(log, Ends(0, 0), follow=True)) as messages:
            async for stored in messages:
                for line in teller.lines(stored):
                    self.appended += 1
                    if line.quiet:
                        continue
                    self.tail.append(line)
                    if self.on_line is not None:
                        self.on_line(line)

    def see(self, site: Site, pod: Pod) -> None:
        """Take a pod as it is now."""
        self._charge(site, pod)
        meta, now_s = pod.metadata, self._clock.monotonic()
        labels = meta.labels or {}
        if meta.namespace != NAMESPACE:
            return
        if RUN in labels:  # the user's own pod, in its source
            key = labels[RUN], meta.name
            work = self.works.setdefault(key, Work(run=key[0], name=key[1], created_s=now_s))
            work.phase = pod.status.phase or "Pending"
            work.elected = self._keys.manifest in (meta.annotations or {})
            if not work.elected:
                _advance(work, site.name, pod, now_s)
        elif self._keys.proxy_uid in labels:
            name = (meta.annotations or {}).get(self._keys.proxy_name, "")
            run = labels.get(delegate_label(RUN, self._keys), "")
            if (known := self.works.get((run, name))) is not None:
                _advance(known, site.name, pod, now_s)

    def drop(self, site: Site, pod: Pod) -> None:
        """Take a pod's end."""
        for (cluster, _), pods in self.used.items():
            if cluster == site.name:
                pods.pop(pod.metadata.uid, None)

    def _charge(self, site: Site, pod: Pod) -> None:
        """Count a pod's request on its node, as long as it has not ended."""
        node = pod.spec.node_name
        if node not in site.nodes:
            return
        pods = self.used.setdefault((site.name, node), {})
        if pod.status.phase in {"Succeeded", "Failed"}:
            pods.pop(pod.metadata.uid, None)
            return
        kind = "system" if pod.metadata.namespace == "kube-system" else "step"
        pods[pod.metadata.uid] = kind, effective_requests(pod.spec).get(CPU, 0)
        total = sum(milli for _, milli in pods.values())
        self.most[site.name, node] = max(total, self.most.get((site.name, node), 0))


class _Pods:
    """The pods of one cluster, as a reflector hands them over."""

    def __init__(self, watcher: Watcher, site: Site) -> None:
        self._watcher, self._site = watcher, site

    def replace(self, pods: Sequence[Pod]) -> None:
        for pod in pods:
            self.change(pod)

    def change(self, pod: Pod) -> None:
        self._watcher.see(self._site, pod)

    def remove(self, pod: Pod) -> None:
        self._watcher.drop(self._site, pod)


def _advance(work: Work, cluster: str, pod: Pod, now_s: float) -> None:
    """Note how far the pod that does the work has come."""
    work.ran = pod.status.phase or "Pending"
    work.place = cluster, pod.spec.node_name or ""
    if work.ran == "Running" and work.started_s is None:
        work.started_s = now_s
    if work.ran in {"Succeeded", "Failed"} and work.ended_s is None:
        work.ended_s = now_s
