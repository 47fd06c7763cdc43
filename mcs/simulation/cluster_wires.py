"""The API server of a process' cluster, as it reaches it: slow, unreliable, and dead with its
process. Answers are refused, or lost after the act; watches break.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.adapters.memory_registry import Request
from mcs.errors import Busy, ClusterError, Conflict, Expired, Unreachable
from mcs.objects.kinds import Kind, Object
from mcs.ports import Listed, Manifest, Patch, Watched
from mcs.simulation.lives import Life
from mcs.simulation.weather import Weather
from mcs.simulation.wires import Witness

T = TypeVar("T", bound=Object)
R = TypeVar("R")


class WiredCluster:
    """``ports.Cluster`` of one process."""

    def __init__(
        self, life: Life, cluster: MemoryCluster, weather: Weather, witness: Witness, process: str
    ) -> None:
        self._life, self._cluster, self._weather = life, cluster, weather
        self._witness, self._process = witness, process

    async def version(self) -> str:
        """See ``mcs.ports.Cluster.version``."""
        return await self._ask(self._cluster.version)

    async def list(
        self, kind: Kind[T], *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Listed[T]:
        """See ``mcs.ports.Cluster.list``."""
        selected = {"namespace": namespace, "labels": labels, "fields": fields}
        return await self._ask(lambda: self._cluster.list(kind, **selected))

    @asynccontextmanager
    async def watch(
        self,
        kind: Kind[T],
        *,
        since: str,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[AsyncIterator[Watched[T]]]:
        """See ``mcs.ports.Cluster.watch``."""
        await self._life.alive()
        await asyncio.sleep(self._life.hop())
        if (error := self._fault(watching=True)) is not None:
            raise error
        selected = {"namespace": namespace, "labels": labels, "fields": fields}
        async with self._cluster.watch(kind, since=since, **selected) as events:
            yield self._each(events)

    async def get(self, kind: Kind[T], name: str, *, namespace: str = "") -> T:
        """See ``mcs.ports.Cluster.get``."""
        return await self._ask(lambda: self._cluster.get(kind, name, namespace=namespace))

    async def read(self, kind: Kind[T], name: str, *, namespace: str = "") -> dict[str, object]:
        """See ``mcs.ports.Cluster.read``."""
        return await self._ask(lambda: self._cluster.read(kind, name, namespace=namespace))

    async def create(
        self,
        kind: Kind[T],
        manifest: Manifest,
        *,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> T:
        """See ``mcs.ports.Cluster.create``."""
        return await self._ask(
            lambda: self._cluster.create(
                kind, manifest, namespace=namespace, name=name, subresource=subresource
            ),
            Request("create", kind, namespace, name, subresource, dict(manifest)),
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
        """See ``mcs.ports.Cluster.patch``."""
        return await self._ask(
            lambda: self._cluster.patch(
                kind, name, patch, namespace=namespace, subresource=subresource, type=type
            ),
            Request("patch", kind, namespace, name, subresource),
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
        """See ``mcs.ports.Cluster.delete``."""
        await self._ask(
            lambda: self._cluster.delete(
                kind,
                name,
                namespace=namespace,
                uid=uid,
                resource_version=resource_version,
                grace_s=grace_s,
            ),
            Request("delete", kind, namespace, name),
        )

    async def _ask(
        self, work: Callable[[], Coroutine[Any, Any, R]], write: Request | None = None
    ) -> R:
        before = self._fault(reading=write is None)
        after = self._fault_after() if before is None else None

        async def carry_out() -> R:
            if before is not None:
                raise before
            answer = await work()
            if write is not None:
                self._witness.act(self._process, self._cluster.name, write)
            if after is not None:
                raise after
            return answer

        return await self._life.ask(carry_out)

    async def _each(self, events: AsyncIterator[Watched[T]]) -> AsyncIterator[Watched[T]]:
        async for event in events:
            await self._life.alive()
            yield event

    def _fault(self, *, watching: bool = False, reading: bool = False) -> ClusterError | None:
        random, rate = self._life.random, self._weather.api.get(self._cluster.name, 0)
        if not rate or random.randrange(100) >= rate:
            return None
        faults: list[ClusterError] = [
            Unreachable("internal error", code=500),
            Busy("too many requests", retry_after_s=random.choice((1.0, 3.0))),
            Unreachable("connection refused"),
        ]
        if watching:
            faults.append(Expired("too old resource version", code=410))
        elif not reading:
            faults.append(Conflict("the object has been modified", code=409))
        fault = random.choice(faults)
        self._weather.happened[f"api {type(fault).__name__}"] += 1
        return fault

    def _fault_after(self) -> ClusterError | None:
        random, rate = self._life.random, self._weather.api.get(self._cluster.name, 0)
        if not rate or random.randrange(300) >= rate:
            return None
        self._weather.happened["api answer lost"] += 1
        return Unreachable("no answer in time")
