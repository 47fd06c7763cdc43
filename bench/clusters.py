"""A small, quick client for measuring, and watches that note when each pod got how far.

It shares no code with mcs, and costs little CPU: on a small machine what measures must not be what
is measured. Times are Unix seconds, so that they can be compared with the log's.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from tools.api import Object
from tools.controlplane import ControlPlane

CONCURRENT = 32
ENABLED = {"multicluster-scheduler": "enabled"}


class Client:
    """One API server, asked as the administrator."""

    def __init__(self, plane: ControlPlane) -> None:
        tls = ssl.create_default_context(cafile=str(plane.folder / "ca.crt"))
        tls.load_cert_chain(plane.folder / "admin.crt", plane.folder / "admin.key")
        self.url = plane.url
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=2 * CONCURRENT),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def ask(
        self, method: str, path: str, body: object = None, content: str = "application/json"
    ) -> bytes:
        """The answer's body; an error says what the API server said."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content}
        async with self._session.request(
            method, self.url + path, data=data, headers=headers
        ) as response:
            answer = await response.read()
            if response.status >= 400 and response.status != 404:
                raise RuntimeError(f"{method} {path}: {response.status} {answer.decode()}")
            return answer

    async def open(self, path: str) -> aiohttp.ClientResponse:
        """An open watch."""
        return await self._session.get(self.url + path)


async def together(work: Iterable[Callable[[], Awaitable[object]]]) -> None:
    """Do all of it, so many at a time."""
    waiting = iter(list(work))

    async def worker() -> None:
        for each in waiting:
            await each()

    await asyncio.gather(*(worker() for _ in range(CONCURRENT)))


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    resource_version: str = ""
    annotations: dict[str, str] = {}


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""


class _Status(msgspec.Struct, frozen=True):
    phase: str = ""


class _Pod(msgspec.Struct, frozen=True):
    metadata: _Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


class _Change(msgspec.Struct, frozen=True):
    type: str
    object: _Pod


class _List(msgspec.Struct, frozen=True):
    metadata: _Metadata


class Seen(msgspec.Struct):
    """When a pod was seen for the first time in each state; None: never."""

    created: float | None = None
    bound: float | None = None
    running: float | None = None
    ended: float | None = None
    gone: float | None = None


class Watch:
    """The pods of one namespace from now on: an async context manager. ``pods``: by name."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.pods: dict[str, Seen] = {}
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        listed = msgspec.json.decode(await self._client.ask("GET", self._path), type=_List)
        self._position = listed.metadata.resource_version
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, condition: Callable[[], bool], *, timeout_s: float = 600) -> None:
        """Return once ``condition`` holds."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._changed.clear()
                waiting = asyncio.create_task(self._changed.wait())
                await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if self._task.done():
                    self._task.result()

    def runs(self, name: str) -> bool:
        """Whether a pod was seen to run."""
        return name in self.pods and bool(self.pods[name].running)

    def emptied(self) -> bool:
        """Whether all pods that were seen are gone."""
        return self.count("gone") == len(self.pods)

    def count(self, state: str) -> int:
        """How many pods were seen in a state."""
        return sum(getattr(pod, state) is not None for pod in self.pods.values())

    async def _run(self) -> None:
        """Read; an API server drops watches that read too slowly, and they are taken up again."""
        while True:
            query = f"?watch=1&resourceVersion={self._position}"
            response = await self._client.open(self._path + query)
            try:
                await self._read(response.content)
            finally:
                response.close()

    async def _read(self, content: aiohttp.StreamReader) -> None:
        decode = msgspec.json.Decoder(_Change).decode
        rest = b""
        while chunk := await content.readany():
            *lines, rest = (rest + chunk).split(b"\n")
            now = time.time()
            for line in filter(None, lines):
                change = decode(line)
                self._note(change, now)
                self._position = change.object.metadata.resource_version
            self._changed.set()

    def _note(self, change: _Change, now: float) -> None:
        pod = change.object
        seen = self.pods.setdefault(pod.metadata.name, Seen())
        seen.created = seen.created or now
        if pod.spec.node_name:
            seen.bound = seen.bound or now
        if pod.status.phase == "Running":
            seen.running = seen.running or now
        if pod.status.phase in {"Succeeded", "Failed"}:
            seen.ended = seen.ended or now
        if change.type == "DELETED":
            seen.gone = seen.gone or now


def pod(name: str, *, elected: bool, **annotations: str) -> Object:
    """A pod as users write it; both kinds differ by one annotation only."""
    notes: dict[str, Any] = {"multicluster.admiralty.io/elect": ""} if elected else {}
    requests = {"cpu": "100m", "memory": "64Mi"}
    container = {"name": "main", "image": "busybox", "resources": {"requests": requests}}
    return {
        "metadata": {"name": name, "annotations": {**notes, **annotations}},
        "spec": {"containers": [container]},
    }
