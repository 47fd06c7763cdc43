"""Counts what passes the ports, for Prometheus: few figures, each of which means what it says.

    mcs_events_appended_total{stream,event}     events that the log confirmed
    mcs_append_seconds{stream}                  one append, from the call to the answer
    mcs_cycle_seconds                           from the newest observations to their decisions
    mcs_api_writes_total{verb,kind,result}      writes to the API server; result ok or the error
    mcs_fold_lag_seconds                        age of the newest observation folded
    mcs_pods_waiting                            pods without a place
    mcs_frames_parked_total{reason}             frames and events that were not understood
    mcs_cluster_heard_seconds{cluster}          log time since a cluster was heard

Wrappers around the ports, so that services know nothing of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeVar

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from mcs.errors import McsError
from mcs.objects.kinds import Kind, Object
from mcs.ports import (
    Clock,
    Cluster,
    EventLog,
    Listed,
    Manifest,
    Patch,
    Reader,
    Stored,
    Stream,
    StreamInfo,
    Watched,
)

if TYPE_CHECKING:  # agents come here too, and do without its numpy: 16 MiB
    from mcs.projections.state import State

T = TypeVar("T", bound=Object)
R = TypeVar("R")
_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class _Tag(msgspec.Struct):
    type: str = ""


class _Tags(msgspec.Struct):
    events: list[_Tag] = []


_tags = msgspec.json.Decoder(_Tags)


class MeteredLog:
    """An ``EventLog`` that counts what is appended."""

    def __init__(self, log: EventLog, clock: Clock, registry: CollectorRegistry) -> None:
        self._log, self._clock = log, clock
        self._arrived_s: float | None = None
        self._events = Counter(
            "mcs_events_appended", "Events stored", ["stream", "event"], registry=registry
        )
        self._append = Histogram(
            "mcs_append_seconds",
            "One append, from the call to the answer",
            ["stream"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._cycle = Histogram(
            "mcs_cycle_seconds",
            "From the newest observations until the decisions on them are stored",
            buckets=_BUCKETS,
            registry=registry,
        )

    @property
    def breaks(self) -> int:
        """See ``EventLog.breaks``."""
        return self._log.breaks

    async def append(
        self, messages: Sequence[tuple[str, bytes]], *, expected_last: int | None = None
    ) -> int:
        """See ``EventLog.append``."""
        decisions = messages[0][0].startswith("mcs.dec.")
        stream = Stream.DECISIONS if decisions else Stream.OBSERVATIONS
        begun_s = self._clock.monotonic()
        sequence = await self._log.append(messages, expected_last=expected_last)
        ended_s = self._clock.monotonic()
        self._append.labels(stream).observe(ended_s - begun_s)
        if decisions and self._arrived_s is not None:
            self._cycle.observe(ended_s - self._arrived_s)
            self._arrived_s = None
        for _, data in messages:
            for event in _tags.decode(data).events:
                self._events.labels(stream, event.type).inc()
        return sequence

    async def read(self, stream: Stream, *, after: int = 0, subject: str = "") -> Reader:
        """See ``EventLog.read``."""
        reader = await self._log.read(stream, after=after, subject=subject)
        return _MeteredReader(reader, self) if stream is Stream.OBSERVATIONS else reader

    async def info(self, stream: Stream) -> StreamInfo:
        """See ``EventLog.info``."""
        return await self._log.info(stream)

    async def get(self, stream: Stream, sequence: int) -> Stored | None:
        """See ``EventLog.get``."""
        return await self._log.get(stream, sequence)

    async def last(self, stream: Stream, subject: str) -> Stored | None:
        """See ``EventLog.last``."""
        return await self._log.last(stream, subject)

    def arrived(self) -> None:
        """Observations came in: the next decision answers them."""
        self._arrived_s = self._clock.monotonic()


class _MeteredReader:
    """Tells the log when something arrives."""

    def __init__(self, reader: Reader, log: MeteredLog) -> None:
        self._reader, self._log = reader, log

    async def next(self, *, limit: int = 1000, timeout_s: float | None = None) -> list[Stored]:
        """See ``Reader.next``."""
        messages = await self._reader.next(limit=limit, timeout_s=timeout_s)
        if messages:
            self._log.arrived()
        return messages

    async def close(self) -> None:
        """See ``Reader.close``."""
        await self._reader.close()


class MeteredCluster:
    """A ``Cluster`` that counts writes."""

    def __init__(self, cluster: Cluster, registry: CollectorRegistry) -> None:
        self._cluster = cluster
        self._writes = Counter(
            "mcs_api_writes",
            "Writes to the API server",
            ["verb", "kind", "result"],
            registry=registry,
        )

    async def version(self) -> str:
        """See ``Cluster.version``."""
        return await self._cluster.version()

    async def list(
        self, kind: Kind[T], *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Listed[T]:
        """See ``Cluster.list``."""
        return await self._cluster.list(kind, namespace=namespace, labels=labels, fields=fields)

    def watch(
        self,
        kind: Kind[T],
        *,
        since: str,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
    ) -> AbstractAsyncContextManager[AsyncIterator[Watched[T]]]:
        """See ``Cluster.watch``."""
        return self._cluster.watch(
            kind, since=since, namespace=namespace, labels=labels, fields=fields
        )

    async def get(self, kind: Kind[T], name: str, *, namespace: str = "") -> T:
        """See ``Cluster.get``."""
        return await self._cluster.get(kind, name, namespace=namespace)

    async def read(self, kind: Kind[T], name: str, *, namespace: str = "") -> dict[str, object]:
        """See ``Cluster.read``."""
        return await self._cluster.read(kind, name, namespace=namespace)

    async def create(
        self,
        kind: Kind[T],
        manifest: Manifest,
        *,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> T:
        """See ``Cluster.create``."""
        return await self._count(
            "create",
            kind,
            subresource,
            lambda: self._cluster.create(
                kind, manifest, namespace=namespace, name=name, subresource=subresource
            ),
        )

    async def patch(
        self,
        kind: Kind[T],
        name: str,
        patch: Manifest | Sequence[object],
        *,
        namespace: str = "",
        subresource: str = "",
        type: Patch = Patch.MERGE,
    ) -> T:
        """See ``Cluster.patch``."""
        return await self._count(
            "patch",
            kind,
            subresource,
            lambda: self._cluster.patch(
                kind, name, patch, namespace=namespace, subresource=subresource, type=type
            ),
        )

    async def delete(
        self,
        kind: Kind[T],
        name: str,
        *,
        namespace: str = "",
        uid: str = "",
        resource_version: str = "",
        grace_s: int | None = None,
    ) -> None:
        """See ``Cluster.delete``."""
        await self._count(
            "delete",
            kind,
            "",
            lambda: self._cluster.delete(
                kind,
                name,
                namespace=namespace,
                uid=uid,
                resource_version=resource_version,
                grace_s=grace_s,
            ),
        )

    async def _count(
        self, verb: str, kind: Kind[T], subresource: str, call: Callable[[], Awaitable[R]]
    ) -> R:
        what = f"{kind.plural}/{subresource}" if subresource else kind.plural
        result = "ok"
        try:
            return await call()
        except McsError as error:
            result = type(error).__name__
            raise
        finally:
            self._writes.labels(verb, what, result).inc()


def meter_state(state: Callable[[], State], clock: Clock, registry: CollectorRegistry) -> None:
    """Show a scheduler's state as it is when somebody looks."""
    registry.register(_StateCollector(state, clock))


class _StateCollector(Collector):
    def __init__(self, state: Callable[[], State], clock: Clock) -> None:
        self._state, self._clock = state, clock

    def collect(self) -> Iterator[Metric]:
        """How far behind the fold is, what was parked, who was heard how long ago."""
        state = self._state()
        lag_s = max(0.0, self._clock.now() - state.now_ns / 1e9) if state.now_ns else 0.0
        lag = "Seconds since the newest observation folded was stored"
        yield GaugeMetricFamily("mcs_fold_lag_seconds", lag, value=lag_s)
        waiting = state.backlog.count
        yield GaugeMetricFamily("mcs_pods_waiting", "Pods without a place", value=waiting)
        parked = CounterMetricFamily("mcs_frames_parked", "Not understood", labels=["reason"])
        for reason, entry in sorted(state.parked.items()):
            parked.add_metric([reason], entry.count)
        yield parked
        heard = GaugeMetricFamily(
            "mcs_cluster_heard_seconds", "Log time since a cluster was heard", labels=["cluster"]
        )
        for name, member in sorted(state.membership.members.items()):
            if not member.removed:
                heard.add_metric([name], (state.elapsed_ms - member.heard_ms) / 1000 + lag_s)
        yield heard
