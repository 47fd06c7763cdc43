"""A miniature API server in memory: the faithful twin of ``adapters.kubernetes``.

It keeps to what a real API server does wherever mcs could notice: the same refusals with the same
classes of error, graceful deletion, finalizers, the isolation of status, watches that expire. What
other programs of a real cluster do (schedule, run, collect garbage) is ``mcs.simulation``'s.

Given the same ``Random`` and ``Clock`` and the same calls, everything it answers is the same. Every
request gives way to other tasks once before it acts, so that races can show.

Seams for worlds and tests: ``mutators`` stand where mutating webhooks do, ``validators`` where
quotas and admission policies do, ``before`` and ``after`` may delay a request or raise in its
stead (``after`` has acted: a lost answer); ``break_watches``, ``end_watches``, ``compact``,
``stop`` and ``start`` are the accidents that happen to a real one. ``observers`` are told of every
write at once, and ``objects`` shows what is there without a request: for who watches from outside.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final, TypeVar

import msgspec

from mcs.adapters import memory_pods, memory_rules
from mcs.adapters.memory_patches import apply_json, patched
from mcs.adapters.memory_registry import Registry, Request
from mcs.adapters.memory_selectors import selector
from mcs.adapters.memory_store import Store, Watcher
from mcs.errors import NotFound, Unreachable
from mcs.objects.kinds import NAMESPACES, PODS, Kind, Namespace, Object
from mcs.ports import Clock, Listed, Manifest, Patch, Watched

T = TypeVar("T", bound=Object)
Json = dict[str, Any]


Mutator = Callable[[Json, Namespace], Awaitable[Sequence[Mapping[str, Any]]]]
"""Called for each new pod, as a mutating webhook is; gives JSON patch operations, or raises the
``ClusterError`` that the creator shall see.
"""
Interference = Callable[[Request], Awaitable[None]]

VERSION: Final = "v1.36.3"
HISTORY: Final = 10_000
_FIRST_NAMESPACES: Final = ("default", "kube-system", "kube-node-lease")


class MemoryCluster:
    """One Kubernetes cluster's API server; implements ``ports.Cluster``."""

    def __init__(
        self, name: str, clock: Clock, random: Random | None = None, *, history: int = HISTORY
    ) -> None:
        self.name = name
        self.mutators: list[Mutator] = []
        self.before: Interference | None = None
        self.after: Interference | None = None
        self.requests = 0
        self._store = Store(history)
        self._registry = Registry(self._store, clock, random or Random(name))  # noqa: S311 - names of objects, no secrets
        self.validators = self._registry.validators
        self.observers = self._store.observers
        self._stopped = False
        for namespace in _FIRST_NAMESPACES:
            self._registry.add(NAMESPACES, {"metadata": {"name": namespace}})

    # -- the accidents of a real API server ---------------------------------------------------

    @property
    def watches(self) -> int:
        """How many watches are open."""
        return len(self._store.watchers)

    @property
    def revision(self) -> int:
        """Grows with every write."""
        return self._store.revision

    @property
    def stopped(self) -> bool:
        """Whether it is down."""
        return self._stopped

    def break_watches(self) -> None:
        """Cut every watch's connection; events on their way are lost."""
        self._end_watches(Unreachable("connection reset by peer"))

    def end_watches(self) -> None:
        """Let the server time-out of every watch come: they end without an error."""
        self._end_watches(None)

    def compact(self) -> None:
        """Forget all history: whoever has not read to its end gets ``Expired``."""
        self._store.compact()

    def dump(self) -> list[bytes]:
        """Every object, as JSON, in a fixed order."""
        return self._store.everything()

    def bookmark(self) -> None:
        """Send a bookmark on every watch."""
        for watcher in self._store.watchers:
            watcher.bookmark(self._store.revision)

    def stop(self) -> None:
        """Go down, with the data kept: requests raise ``Unreachable``, watches break."""
        self._stopped = True
        self.break_watches()

    def start(self) -> None:
        """Come back after ``stop``; a new process has no history in its watch cache."""
        self._stopped = False
        self.compact()

    def objects(self, kind: Kind[Any]) -> list[Json]:
        """All objects of a kind as they are stored; nobody may change them."""
        return [entry.manifest for _, entry in self._store.all(kind.path())]

    # -- ports.Cluster -------------------------------------------------------------------------

    async def version(self) -> str:
        """``gitVersion``."""
        async with self._serve(Request("version", NAMESPACES, "", "")):
            return VERSION

    async def list(
        self, kind: Kind[T], *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Listed[T]:
        """All objects of a kind, by namespace and name."""
        async with self._serve(Request("list", kind.whole, namespace, "")):
            matches = selector(kind.name, namespace, labels, fields)
            entries = [
                entry for _, entry in self._store.all(kind.path()) if matches(entry.manifest)
            ]
            items = kind.kept(_decode(kind, entry.data) for entry in entries)
            return Listed(items, str(self._store.revision))

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
        """Changes after ``since``."""
        async with self._serve(Request("watch", kind.whole, namespace, "")):
            matches = selector(kind.name, namespace, labels, fields)
            watcher = self._store.watch(kind.path(), since, matches)
        try:
            yield _events(kind, watcher)
        finally:
            if watcher in self._store.watchers:
                self._store.watchers.remove(watcher)

    async def get(self, kind: Kind[T], name: str, *, namespace: str = "") -> T:
        """One object."""
        async with self._serve(Request("get", kind, namespace, name)):
            return _decode(kind, self._registry.entry(kind, namespace, name).data)

    async def read(self, kind: Kind[T], name: str, *, namespace: str = "") -> dict[str, object]:
        """One object whole."""
        async with self._serve(Request("get", kind, namespace, name)):
            data = self._registry.entry(kind, namespace, name).data
            return msgspec.json.decode(data, type=dict[str, object])

    async def create(
        self,
        kind: Kind[T],
        manifest: Manifest,
        *,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> T:
        """Create an object, or bind a pod."""
        body: Json = msgspec.json.decode(msgspec.json.encode(manifest))
        request = Request("create", kind, namespace, name, subresource, body)
        async with self._serve(request):
            if subresource:
                self._registry.bind(kind, request, body)
                return kind.type()
            body = self._registry.admissible(kind, namespace, body)
            if kind is PODS:
                body = await self._mutated(body, namespace)
            self._registry.check_namespace(
                kind, namespace
            )  # it may have gone while webhooks thought
            return _decode(kind, self._registry.add(kind, body).data)

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
        """Patch an object or its status."""
        async with self._serve(Request("patch", kind, namespace, name, subresource)):
            if subresource not in {"", "status"}:
                raise NotFound("the server could not find the requested resource", code=404)
            old = self._registry.entry(kind, namespace, name)
            new = patched(old.manifest, patch, type)
            new = memory_rules.prepare_update(kind, old.manifest, new, subresource)
            if kind is PODS:
                new = memory_pods.with_tolerations(new)
                memory_pods.check_update(old.manifest, new)
                memory_pods.check_status(old.manifest, new)
            self._registry.validate(Request("patch", kind, namespace, name, subresource, new))
            return _decode(kind, self._registry.update(kind, old, new).data)

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
        """Ask for deletion."""
        async with self._serve(Request("delete", kind, namespace, name)):
            entry = self._registry.entry(kind, namespace, name)
            metadata = entry.manifest["metadata"]
            memory_rules.check_preconditions(kind, metadata, uid, resource_version)
            self._registry.validate(Request("delete", kind, namespace, name, "", entry.manifest))
            self._registry.delete(kind, entry, grace_s)

    # -- how it is done ------------------------------------------------------------------------

    @asynccontextmanager
    async def _serve(self, request: Request) -> AsyncIterator[None]:
        self.requests += 1
        await asyncio.sleep(0)
        if self.before is not None:
            await self.before(request)
        self._check_up(request)
        yield
        if self.after is not None:
            await self.after(request)
        self._check_up(request)

    def _check_up(self, request: Request) -> None:
        if self._stopped:
            where = f"{request.verb} {request.kind.plural} at memory:{self.name}"
            raise Unreachable("connection refused", where=where)

    def _end_watches(self, error: Unreachable | None) -> None:
        for watcher in self._store.watchers:
            watcher.end(error, lose=error is not None)
        self._store.watchers.clear()

    async def _mutated(self, pod: Json, namespace: str) -> Json:
        home = _decode(NAMESPACES, self._registry.entry(NAMESPACES, "", namespace).data)
        for mutator in self.mutators:
            copy = msgspec.json.decode(msgspec.json.encode(pod))
            operations = await mutator(copy, home)
            if operations:
                changed = msgspec.json.decode(msgspec.json.encode(pod))
                pod = memory_pods.with_defaults(apply_json(changed, operations))
        return pod


async def _events(kind: Kind[T], watcher: Watcher) -> AsyncIterator[Watched[T]]:
    while (event := await watcher.next()) is not None:
        yield Watched(event.change, _decode(kind, event.data))


def _decode(kind: Kind[T], data: bytes) -> T:
    return msgspec.json.decode(data, type=kind.type)
