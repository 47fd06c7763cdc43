"""A small Kubernetes client for tests: paths and dictionaries, nothing hidden.

It shares no code with mcs' own adapter, so neither can hide the other's mistakes. It works from any
event loop (requests run in threads over one connection pool), since a control plane may outlive the
loop of the test that started it.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import urllib3
import yaml

from tools.certificates import Pair

Object = dict[str, Any]
_FIELD_MANAGER = "mcs-tools"
_KIND_TIMEOUT_S = 60.0  # a resource definition takes a moment until its kind is served


class ApiError(RuntimeError):
    """The API server answered with an error; `status` is the HTTP code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Timeout(RuntimeError):
    """What was waited for did not happen; the message shows the object as it was last."""


class Api:
    """One API server, asked as one user."""

    def __init__(
        self, url: str, authority: Path, client: Pair | None = None, token: str | None = None
    ) -> None:
        self.url = url
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._plurals: dict[tuple[str, str], tuple[str, bool]] = {}
        self._pool = urllib3.PoolManager(
            maxsize=32,
            retries=False,
            timeout=30.0,
            ca_certs=str(authority),
            cert_file=None if client is None else str(client.certificate),
            key_file=None if client is None else str(client.key),
        )

    async def get(self, path: str) -> Object:
        """GET a path such as `/api/v1/namespaces/default/pods/a`."""
        return await self._ask("GET", path)

    async def items(self, path: str) -> list[Object]:
        """The items of a list."""
        items: list[Object] = (await self.get(path))["items"]
        return items

    async def create(self, path: str, body: Object) -> Object:
        """POST an object to a collection."""
        return await self._ask("POST", path, body)

    async def merge(self, path: str, patch: Object) -> Object:
        """PATCH an object (JSON merge patch)."""
        return await self._ask("PATCH", path, patch, "application/merge-patch+json")

    async def delete(self, path: str, options: Object | None = None) -> Object:
        """DELETE an object, or a collection."""
        return await self._ask("DELETE", path, options)

    async def apply(self, objects: str | Object | Iterable[Object]) -> list[Object]:
        """Server-side apply of YAML text or dictionaries, in order; answers them as stored."""
        if isinstance(objects, str):
            wanted = [item for item in yaml.safe_load_all(objects) if item]
        else:
            wanted = [objects] if isinstance(objects, dict) else list(objects)
        return [await self._apply(item) for item in wanted]

    async def wait(
        self, path: str, until: Callable[[Object], bool], timeout_s: float = 60.0
    ) -> Object:
        """Return the object once it is as wanted; one that is not there yet is waited for."""
        deadline = time.monotonic() + timeout_s
        last: Object = {}
        while True:
            try:
                last = await self.get(path)
                if until(last):
                    return last
            except ApiError as error:
                if error.status != 404:
                    raise
            if time.monotonic() > deadline:
                raise Timeout(f"{path} after {timeout_s:g} s:\n{json.dumps(last, indent=1)}")
            await asyncio.sleep(0.02)

    async def wait_gone(self, path: str, timeout_s: float = 60.0) -> None:
        """Return once the object does not exist."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                last = await self.get(path)
            except ApiError as error:
                if error.status == 404:
                    return
                raise
            if time.monotonic() > deadline:
                raise Timeout(f"{path} is still there:\n{json.dumps(last, indent=1)}")
            await asyncio.sleep(0.02)

    async def wait_pod(
        self, name: str, phase: str, *, namespace: str = "default", timeout_s: float = 60.0
    ) -> Object:
        """Return the pod once it is in this phase."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        return await self.wait(path, lambda pod: pod["status"].get("phase") == phase, timeout_s)

    def answers(self, path: str) -> bool:
        """Whether a GET succeeds just now; a probe, hence synchronous and without an error."""
        try:
            return self._request("GET", path, None, "application/json", 2.0).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def lines(self, path: str) -> Iterator[Object]:
        """The objects of a watch as they come, until the server ends it (`timeoutSeconds`).

        Synchronous, for a thread of its own, which may outlive an event loop.
        """
        with self._pool.request(
            "GET", self.url + path, headers=self._headers, preload_content=False
        ) as answer:
            if answer.status != 200:
                raise ApiError(answer.status, answer.data.decode(errors="replace"))
            rest = b""
            for chunk in answer.stream(amt=None):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from map(json.loads, filter(None, whole))
            if rest:
                yield json.loads(rest)

    async def _apply(self, item: Object) -> Object:
        version, kind, metadata = item["apiVersion"], item["kind"], item["metadata"]
        plural, namespaced = await self._plural(version, kind)
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        scope = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
        path = f"{root}{scope}/{plural}/{metadata['name']}"
        query = f"?fieldManager={_FIELD_MANAGER}&force=true"
        return await self._ask("PATCH", path + query, item, "application/apply-patch+yaml")

    async def _plural(self, version: str, kind: str) -> tuple[str, bool]:
        deadline = time.monotonic() + _KIND_TIMEOUT_S
        while (version, kind) not in self._plurals:
            root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
            try:
                for resource in (await self.get(root))["resources"]:
                    if "/" not in resource["name"]:
                        found = (resource["name"], resource["namespaced"])
                        self._plurals[version, resource["kind"]] = found
            except ApiError as error:
                if error.status != 404:
                    raise
            if time.monotonic() > deadline:
                raise Timeout(f"the API server knows no {kind} in {version}")
            if (version, kind) not in self._plurals:
                await asyncio.sleep(0.05)
        return self._plurals[version, kind]

    async def _ask(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        answer = await asyncio.to_thread(self._request, method, path, body, content_type, 30.0)
        content: Object = json.loads(answer.data) if answer.data else {}
        if answer.status >= 400:
            raise ApiError(answer.status, str(content.get("message", content)))
        return content

    def _request(
        self, method: str, path: str, body: Object | None, content_type: str, timeout_s: float
    ) -> urllib3.BaseHTTPResponse:
        return self._pool.request(
            method,
            self.url + path,
            body=None if body is None else json.dumps(body),
            headers={**self._headers, "Content-Type": content_type},
            timeout=timeout_s,
        )
