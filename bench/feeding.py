"""Frames as agents write them, numbered and chained, for federations of any size.

A ``Feed`` keeps the time, the sequences and the chains of a log, and hands each message to whoever
takes it: a state that folds it, a list, a pipe to another process, a server. It writes what
``services.publisher`` would; nothing of the product is asked to write it, so that no bench measures
two things at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

from bench.shapes import MANIFEST, Shape
from mcs.events import codec, subjects
from mcs.events.frames import ObservationFrame, digest
from mcs.events.observations import (
    ClusterHeartbeat,
    ClusterJoined,
    Observation,
    PodObserved,
    ProxyObserved,
    ResyncCompleted,
    ResyncStarted,
)
from mcs.ports import Stored

T = TypeVar("T")
START_NS: Final = 1_700_000_000_000_000_000
_MS: Final = 1_000_000
EVENTS_PER_FRAME: Final = 1000  # pods of 200 bytes: a frame's 256 KiB


class Feed:
    """Writes OBSERVATIONS. ``sequence``: of the last message; ``now_ns``: its time."""

    def __init__(self, take: Callable[[Stored], object]) -> None:
        self.sequence = 0
        self.now_ns = START_NS
        self.events = 0
        self._take = take
        self._epochs: dict[str, int] = {}
        self._channels: dict[tuple[str, str], tuple[int, str]] = {}

    def join(self, cluster: str, *, roles: tuple[str, ...] = ("source", "target")) -> None:
        """A cluster joins; it has told nothing yet."""
        event = ClusterJoined(id=f"join-{cluster}", uid=f"uid-{cluster}", roles=roles)
        frame = ObservationFrame(source=cluster, channel=subjects.CLUSTER, events=(event,))
        subject, data = subjects.observation(cluster, subjects.CLUSTER), codec.encode(frame)
        self._epochs[cluster] = self._store(subject, data, 1)
        self._channels[cluster, subjects.CLUSTER] = (0, digest(subject, data))

    def account(self, cluster: str, channel: str, events: Iterable[Observation]) -> None:
        """A channel's full account, in as many frames as it takes."""
        started = self.observe(cluster, channel, ResyncStarted())
        for part in chunks(events, EVENTS_PER_FRAME):
            self.observe(cluster, channel, *part)
        self.observe(cluster, channel, ResyncCompleted(started=started))

    def observe(self, cluster: str, channel: str, *events: Observation) -> int:
        """One frame; returns its sequence. A channel's first frame begins its account."""
        known = self._channels.get((cluster, channel))
        if known is None and not isinstance(events[0], ResyncStarted):
            self.account(cluster, channel, ())
            known = self._channels[cluster, channel]
        number, previous = known or (-1, "")
        frame = ObservationFrame(
            source=cluster,
            epoch=self._epochs[cluster],
            channel=channel,
            number=number + 1,
            previous=previous,
            at="2026-01-01T00:00:00.000000Z",
            events=events,
        )
        subject, data = subjects.observation(cluster, channel), codec.encode(frame)
        self._channels[cluster, channel] = (frame.number, digest(subject, data))
        return self._store(subject, data, len(events))

    def heartbeats(self) -> None:
        """One of each cluster."""
        for cluster in list(self._epochs):
            self.observe(cluster, subjects.CLUSTER, ClusterHeartbeat(kubernetes="v1.36.3"))

    def _store(self, subject: str, data: bytes, events: int) -> int:
        self.sequence += 1
        self.now_ns += _MS // 10
        self.events += events
        self._take(Stored(self.sequence, subject, self.now_ns, data))
        return self.sequence


def chunks(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """Items by so many."""
    rest = iter(items)
    while part := tuple(islice(rest, size)):
        yield part


def cluster_names(count: int) -> list[str]:
    """Names of clusters, in order."""
    return [f"c{number:04d}" for number in range(1, count + 1)]


def uid(serial: int) -> str:
    """A uid as Kubernetes gives them: 36 characters."""
    return f"{serial:08x}-7d88-4aab-9e9c-5fac945d0000"


def local_pod(serial: int, node: str) -> PodObserved:
    """A pod of the cluster's own; few Deployments make many pods, so few distinct requests."""
    requests = {"cpu": 100 * (1 + serial % 4), "memory": (1 + serial % 3) << 28}
    namespace = f"team-{serial % 50}"
    name = f"web-{serial:08x}-abcde"
    return PodObserved(
        uid=uid(serial), namespace=namespace, name=name, node=node, requests=requests
    )


def proxy(serial: int, shape: Shape, *, namespace: str = "default") -> ProxyObserved:
    """An elected pod that waits, of a shape; later ones are younger."""
    name = f"step-{serial}"
    minute, second = divmod(serial // 1000 % 3600, 60)
    return ProxyObserved(
        uid=uid(serial),
        namespace=namespace,
        name=name,
        created=f"2026-01-01T00:{minute:02d}:{second:02d}Z",
        manifest=MANIFEST.replace("NAME", name),
        requests=shape.requests,
        constraints=shape.constraints,
    )
