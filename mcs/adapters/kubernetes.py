"""The Cluster port over a real API server.

``kubernetes_access`` finds and refreshes credentials, requests go through ``aiohttp`` sessions
(``kubernetes_http``), and answers are decoded by msgspec into the few fields we read
(``kubernetes_decoding``).

A list comes in pages of one snapshot. When that snapshot is compacted away while it is being read,
reading starts again from its beginning.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar
from urllib.parse import urlencode

import msgspec

from mcs.adapters.kubernetes_access import Access, load
from mcs.adapters.kubernetes_decoding import decoding
from mcs.adapters.kubernetes_http import CONNECTIONS, Http
from mcs.adapters.kubernetes_watch import WATCH_TIMEOUT_S, events
from mcs.errors import Expired, Invalid
from mcs.objects.kinds import Kind, Object
from mcs.ports import Listed, Manifest, Patch, Watched

T = TypeVar("T", bound=Object)

PAGE_SIZE: Final = 500
RESTARTS_MAX: Final = 3  # of a list whose snapshot is compacted while it is read
_NAME = re.compile(r"[A-Za-z0-9:_-][A-Za-z0-9:._-]*\Z")
_encode: Final = msgspec.json.Encoder().encode


class _Version(msgspec.Struct, rename="camel"):
    git_version: str


class KubernetesCluster:
    """One Kubernetes cluster's API server; implements ``ports.Cluster``. Made by ``connect``."""

    def __init__(self, access: Access, *, connections: int = CONNECTIONS) -> None:
        self.url = access.url
        self._http = Http(access, connections)

    @property
    def requests(self) -> Counter[str]:
        """How many requests were sent, by verb and resource (``create pods/binding``)."""
        return self._http.requests

    async def close(self) -> None:
        """Close all connections; open watches end by ``Unreachable``."""
        await self._http.close()

    async def version(self) -> str:
        """The API server's ``gitVersion``."""
        data = await self._http.send("GET", "/version", f"get version at {self.url}")
        return msgspec.json.decode(data, type=_Version).git_version

    async def list(
        self, kind: Kind[T], *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Listed[T]:
        """All objects of a kind, read in pages."""
        for _ in range(RESTARTS_MAX):
            try:
                return await self._pages(kind, namespace, labels, fields)
            except Expired:
                continue
        return await self._pages(kind, namespace, labels, fields)

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
        """Changes after ``since``, until the server ends the watch (after some five minutes)."""
        where = self._where("watch", kind, namespace)
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(WATCH_TIMEOUT_S),
        }
        path = _path(kind, namespace) + _query(query, labels, fields)
        async with self._http.stream(path, where) as content:
            yield events(content, decoding(kind), where)

    async def get(self, kind: Kind[T], name: str, *, namespace: str = "") -> T:
        """One object."""
        path, where = _path(kind, namespace, name), self._where("get", kind, namespace, name)
        return decoding(kind).object(await self._http.send("GET", path, where))

    async def read(self, kind: Kind[T], name: str, *, namespace: str = "") -> dict[str, object]:
        """One object whole."""
        path, where = _path(kind, namespace, name), self._where("get", kind, namespace, name)
        return msgspec.json.decode(
            await self._http.send("GET", path, where), type=dict[str, object]
        )

    async def create(
        self,
        kind: Kind[T],
        manifest: Manifest,
        *,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> T:
        """Create an object, or post to a subresource (gives an empty object: the answer says no
        more than that it was done).
        """
        path = _path(kind, namespace, name, subresource)
        where = self._where("create", kind, namespace, name or _named(manifest), subresource)
        data = await self._http.send("POST", path, where, _encode(manifest))
        return kind.type() if subresource else decoding(kind).object(data)

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
        """Patch an object or its ``subresource``."""
        path = _path(kind, namespace, name, subresource)
        where = self._where("patch", kind, namespace, name, subresource)
        data = await self._http.send("PATCH", path, where, _encode(patch), type.value)
        return decoding(kind).object(data)

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
        """Ask for deletion, with preconditions."""
        options: dict[str, object] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        wanted = {"uid": uid, "resourceVersion": resource_version}
        if preconditions := {key: value for key, value in wanted.items() if value}:
            options["preconditions"] = preconditions
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        path, where = _path(kind, namespace, name), self._where("delete", kind, namespace, name)
        await self._http.send("DELETE", path, where, _encode(options))

    async def _pages(self, kind: Kind[T], namespace: str, labels: str, fields: str) -> Listed[T]:
        items: list[T] = []
        query = {"limit": str(PAGE_SIZE)}
        where = self._where("list", kind, namespace)
        while True:
            path = _path(kind, namespace) + _query(query, labels, fields)
            page = decoding(kind).page(await self._http.send("GET", path, where))
            items += kind.kept(page.items or ())
            if not page.metadata.continue_:
                return Listed(items, page.metadata.resource_version)
            query["continue"] = page.metadata.continue_

    def _where(
        self, verb: str, kind: Kind[T], namespace: str, name: str = "", subresource: str = ""
    ) -> str:
        word = f"{kind.plural}/{subresource}" if subresource else kind.plural
        return f"{verb} {word} {namespace}/{name} at {self.url}"


async def connect(
    kubeconfig: str | None = None, context: str | None = None, *, connections: int = CONNECTIONS
) -> KubernetesCluster:
    """A cluster by kubeconfig and context; without either, as kubectl finds them. Nothing is sent
    yet. Close it.

    Raises:
        BadSettings: the file or context is missing or unusable; the message says what to do.
    """
    return KubernetesCluster(await load(kubeconfig, context), connections=connections)


def _path(kind: Kind[T], namespace: str, name: str = "", subresource: str = "") -> str:
    for part in (namespace, name):
        if part and not _NAME.match(part):
            raise Invalid(f"{part!r} cannot be the name of a Kubernetes object", code=400)
    return kind.path(namespace, name, subresource)


def _query(query: Mapping[str, str], labels: str, fields: str) -> str:
    selectors = {"labelSelector": labels, "fieldSelector": fields}
    chosen = {key: value for key, value in selectors.items() if value}
    return "?" + urlencode({**query, **chosen})


def _named(manifest: Manifest) -> str:
    metadata = manifest.get("metadata")
    if not isinstance(metadata, Mapping):
        return ""
    return str(metadata.get("name") or metadata.get("generateName") or "")
