"""A long log made deterministically: what a busy federation writes, decided by the real core.

Eight clusters of forty nodes each. Every second of log time: heartbeats, local pods that come and
go, and proxies that arrive, are placed by ``schedule``, run and end, with statuses and manifests
as real ones are. Events share frames as the publisher lets them: bursts do, single facts do not.
The log is kept as an exported one, so every command reads it: ``mcs verify --log FOLDER``.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import tempfile
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from bench.reporting import say
from bench.shapes import GIB, MANIFEST
from mcs.adapters.clock import SystemClock
from mcs.adapters.files import open_folder
from mcs.adapters.files_archive import open_archive
from mcs.adapters.memory_log import MemoryBroker
from mcs.events import subjects
from mcs.events.decisions import (
    CycleMarked,
    Decision,
    PlacementWithdrawn,
    PodPlaced,
)
from mcs.events.frames import SCHEMA, Frame
from mcs.events.observations import (
    ClusterHeartbeat,
    DelegateGone,
    DelegateObserved,
    End,
    NodeObserved,
    Observation,
    Phase,
    PodGone,
    PodObserved,
    ProxyGone,
    ProxyObserved,
)
from mcs.ports import Stored, Stream
from mcs.projections.state import RULES
from mcs.services.exporting import export
from mcs.simulation.writing import Writer

GENERATION: Final = 2  # changes when the same number of events would make another log
_CLUSTERS: Final = tuple(f"c{number}" for number in range(1, 9))
_NODES: Final = 40
_NS: Final = 1_000_000_000
_MESSAGE_NS: Final = 200_000
_STATUS: Final = msgspec.Raw(
    json.dumps(
        {
            "phase": "Running",
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
                for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
            ],
            "containerStatuses": [
                {
                    "name": "main",
                    "ready": True,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": "2026-01-01T00:00:01Z"}},
                }
            ],
            "startTime": "2026-01-01T00:00:00Z",
        },
        separators=(",", ":"),
    ).encode()
)


class Recording:
    """Messages of both streams, and the number of events in them."""

    def __init__(self) -> None:
        self.messages: dict[Stream, list[Stored]] = {stream: [] for stream in Stream}
        self.events = 0

    def broker(self) -> MemoryBroker:
        """The servers in memory, holding it."""
        broker = MemoryBroker(SystemClock())
        for stream, messages in self.messages.items():
            for stored in messages:
                broker.streams[stream].add(stored.subject, stored.data, stored.time_ns)
        return broker


class _Writer(Writer):
    """Keeps what it writes; each observation takes a while, and every cycle leaves a mark."""

    def __init__(self, seed: int) -> None:
        self.recording = Recording()
        self.chance = random.Random(seed)
        super().__init__(keep=self._remember)

    def cycle(self) -> tuple[Decision, ...]:
        events = super().cycle()
        if not events:
            self.append((CycleMarked(),))
        return events

    def _remember(self, stream: Stream, stored: Stored, frame: Frame) -> None:
        self.recording.messages[stream].append(stored)
        self.recording.events += len(frame.events)
        if stream is Stream.OBSERVATIONS:
            self.now_ns += _MESSAGE_NS


class _Federation:
    """What happens, second by second."""

    def __init__(self, writer: _Writer) -> None:
        self._writer, self._chance = writer, writer.chance
        self._pods: dict[str, deque[str]] = {cluster: deque() for cluster in _CLUSTERS}
        self._running: deque[PodPlaced] = deque()
        self._serial = 0
        for cluster in _CLUSTERS:
            writer.join(cluster, *(_node(number) for number in range(_NODES)))

    def second(self) -> None:
        """One second of log time: heartbeats, pods, a burst of proxies, and four cycles."""
        for cluster in _CLUSTERS:
            self._heartbeat(cluster)
        for _ in range(4):
            for cluster in _CLUSTERS:
                self._local_pods(cluster)
            self._arrive(self._chance.choice(_CLUSTERS), self._chance.choice((1, 1, 4, 32)))
            self._act(self._writer.cycle())
            while len(self._running) > 600:
                self._end(self._running.popleft())
            self._writer.now_ns += _NS // 5

    def _heartbeat(self, cluster: str) -> None:
        totals = {"cpu": 640_000, "memory": 40 * 64 * GIB, "pods": 4400}
        self._writer.observe(
            cluster,
            subjects.CLUSTER,
            ClusterHeartbeat(
                totals=totals,
                free=totals,
                labels={"kubernetes.io/os": "linux"},
                kubernetes="v1.36.3",
                nodes=_NODES,
                resyncs={subjects.CAPACITY: 2, subjects.PROXY: 4},
                decision=self._writer.state.decided,
            ),
        )

    def _local_pods(self, cluster: str) -> None:
        """Pods of the cluster's own: a few come, as many go; sometimes a node changes."""
        events: list[Observation] = []
        for _ in range(self._chance.choice((1, 2, 6))):
            self._serial += 1
            uid = f"pod-{self._serial:08d}-7d88-4aab-9e9c-5fac945d0000"
            node = f"n{self._chance.randrange(_NODES)}"
            requests = {"cpu": 100, "memory": GIB // 8}
            name = f"web-{self._serial}"
            events.append(
                PodObserved(uid=uid, namespace="shop", name=name, node=node, requests=requests)
            )
            self._pods[cluster].append(uid)
        while len(self._pods[cluster]) > 400:
            events.append(PodGone(uid=self._pods[cluster].popleft()))
        if self._chance.random() < 0.05:
            events.append(_node(self._chance.randrange(_NODES)))
        self._writer.observe(cluster, subjects.CAPACITY, *events)

    def _arrive(self, source: str, count: int) -> None:
        events = []
        for _ in range(count):
            self._serial += 1
            name = f"step-{self._serial}"
            events.append(
                ProxyObserved(
                    uid=f"{self._serial:08d}-4aab-7d88-9e9c-5fac945d0000",
                    namespace="default",
                    name=name,
                    created="2026-01-01T00:00:00Z",
                    manifest=MANIFEST.replace("NAME", name),
                    requests={"cpu": 250, "memory": GIB // 2},
                )
            )
        self._writer.observe(source, subjects.PROXY, *events)

    def _act(self, decided: tuple[Decision, ...]) -> None:
        """The targets do what was decided: delegates are pending, then bound, then running."""
        by_channel: dict[tuple[str, str], list[PodPlaced]] = {}
        for event in decided:
            assert not isinstance(event, PlacementWithdrawn), "nothing is withdrawn in this log"
            if isinstance(event, PodPlaced):
                by_channel.setdefault((event.target, event.source), []).append(event)
                self._running.append(event)
        for placed in by_channel.values():
            self._say(placed, Phase.PENDING)
            self._say(placed, Phase.PENDING, bound=True)
            self._say(placed, Phase.RUNNING, bound=True)

    def _say(self, placed: list[PodPlaced], phase: Phase, *, bound: bool = False) -> None:
        target, channel = placed[0].target, subjects.delegate_channel(placed[0].source)
        events = [_delegate(each, phase, each.node if bound else "") for each in placed]
        self._writer.observe(target, channel, *events)

    def _end(self, placed: PodPlaced) -> None:
        self._say([placed], Phase.SUCCEEDED, bound=True)
        name = {"namespace": placed.namespace, "name": placed.name}
        gone = ProxyGone(uid=placed.uid, **name)
        self._writer.observe(placed.source, subjects.PROXY, gone)
        channel = subjects.delegate_channel(placed.source)
        ended = DelegateGone(placement=placed.placement, end=End.SUCCEEDED, **name)
        self._writer.observe(placed.target, channel, ended)


def recorded(events: int) -> Recording:
    """A log of about so many events, from the cache or made now."""
    folder = Path(tempfile.gettempdir()) / f"mcs-bench-log-{GENERATION}-{SCHEMA}.{RULES}-{events}"
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        say(f"making a log of {events:,} events in {folder}")
        _keep(_made(events), folder)
    say(f"reading {folder}")
    return asyncio.run(_read(folder))


def _made(events: int) -> Recording:
    writer = _Writer(seed=4)
    federation = _Federation(writer)
    while writer.recording.events < events:
        federation.second()
    return writer.recording


def _keep(recording: Recording, folder: Path) -> None:
    with open_archive(folder, SystemClock()) as archive:
        asyncio.run(export(recording.broker().connect(), archive))
    (folder / "whole").write_text(f"{recording.events}\n")


async def _read(folder: Path) -> Recording:
    log, recording = open_folder(folder), Recording()
    for stream in Stream:
        reader, last = await log.read(stream), (await log.info(stream)).last
        messages = recording.messages[stream]
        while len(messages) < last:
            messages += await reader.next(limit=1000)
    recording.events = int((folder / "whole").read_text())
    return recording


def _node(number: int) -> NodeObserved:
    return NodeObserved(
        name=f"n{number}",
        allocatable={"cpu": 16_000, "memory": 64 * GIB, "pods": 110},
        labels={"kubernetes.io/os": "linux", "kubernetes.io/hostname": f"n{number}"},
    )


def _delegate(placed: PodPlaced, phase: Phase, node: str) -> DelegateObserved:
    return DelegateObserved(
        placement=placed.placement,
        namespace=placed.namespace,
        name=placed.delegate,
        uid=f"d-{placed.uid}",
        phase=phase,
        node=node,
        requests=placed.requests,
        status=_STATUS,
    )
