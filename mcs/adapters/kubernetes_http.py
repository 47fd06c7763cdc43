"""HTTP to one API server: few connections, kept open; a time limit on everything.

An agent sends thousands of requests in a burst, so each is kept cheap: a fixed set of headers, no
cookies, no redirects, URLs that need no parsing. Watches have connections of their own, so they
never take the place of a request. Requests wait for a connection before their time starts to run.
"""

from __future__ import annotations

import asyncio
import io
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from multidict import CIMultiDict
from yarl import URL

import mcs
from mcs.adapters.kubernetes_access import Access
from mcs.adapters.kubernetes_errors import translated, unreachable
from mcs.adapters.kubernetes_watch import WATCH_SILENCE_S
from mcs.errors import BadSettings

CONNECTIONS: Final = 64  # concurrent requests; watches come on top
CONNECT_TIMEOUT_S: Final = 5.0
REQUEST_TIMEOUT_S: Final = 35.0  # more than the 30 s that an admission webhook may take
IDLE_S: Final = 60.0  # an API server closes idle connections after 90 s
_KEEPALIVE: Final = {  # a peer that vanished is noticed after some 15 s, not hours
    "TCP_KEEPIDLE": 6,
    "TCP_KEEPINTVL": 3,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 15_000,  # milliseconds
}
_LARGE: Final = 2**20  # aiohttp warns of larger bodies that it must send in one piece
_JSON: Final = "application/json"


class Http:
    """Connections to one API server."""

    def __init__(self, access: Access, connections: int) -> None:
        self.requests: Counter[str] = Counter()
        self._access = access
        self._gate = asyncio.Semaphore(connections)
        self._session = _session(access, connections)
        self._watches = _session(access, 0)
        self._headers: dict[str, CIMultiDict[str]] = {}
        self._authorization = ""

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self._watches.close()

    async def send(
        self, method: str, path: str, where: str, body: bytes | None = None, content: str = _JSON
    ) -> bytes:
        """The answer's body.

        Raises:
            ClusterError: whatever the answer means, or Unreachable; ``where`` is what it names.
        """
        self._count(where)
        try:
            async with self._gate:
                response = await self._open(self._session, method, path, body, content)
                data = await response.read()
                if response.status == 401:
                    await self._access.renew()
                    response = await self._open(self._session, method, path, body, content)
                    data = await response.read()
        except (aiohttp.ClientError, OSError, BadSettings) as error:  # TimeoutError is an OSError
            raise unreachable(error, where) from error
        if response.status >= 300:
            raise translated(response.status, response.headers, data, where)
        return data

    @asynccontextmanager
    async def stream(self, path: str, where: str) -> AsyncIterator[aiohttp.StreamReader]:
        """The body of a GET that goes on for minutes; leaving closes the connection.

        Raises:
            ClusterError: as ``send``, for the answer's head only.
        """
        self._count(where)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                response = await self._open(self._watches, "GET", path, None, _JSON)
                if response.status == 401:
                    _cut(response)
                    await self._access.renew()
                    response = await self._open(self._watches, "GET", path, None, _JSON)
                failed = b"" if response.status == 200 else await response.read()
        except (aiohttp.ClientError, OSError, BadSettings) as error:
            raise unreachable(error, where) from error
        try:
            if response.status != 200:
                raise translated(response.status, response.headers, failed, where)
            yield response.content
        finally:
            _cut(response)

    def _count(self, where: str) -> None:
        verb, word, _ = where.split(" ", 2)
        self.requests[f"{verb} {word}"] += 1

    async def _open(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        body: bytes | None,
        content: str,
    ) -> aiohttp.ClientResponse:
        authorization = await self._access.authorization()
        if authorization != self._authorization:
            self._headers, self._authorization = {}, authorization
        headers = self._headers.get(content) or self._headers.setdefault(
            content, _headers(authorization, content)
        )
        return await session.request(
            method,
            URL(self._access.url + path, encoded=True),
            data=io.BytesIO(body) if body is not None and len(body) > _LARGE else body,
            headers=headers,
            allow_redirects=False,
            proxy=self._access.proxy,
            server_hostname=self._access.server_name,
        )


def _cut(response: aiohttp.ClientResponse) -> None:
    """Close a stream at once, mid-sentence.

    TLS would have both sides say goodbye, and nobody waits for that: aiohttp forgets a connection
    that it hands back unread, so closing the session leaves such a socket open behind.
    """
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


def _session(access: Access, connections: int) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=connections,
        ssl=access.tls or True,
        keepalive_timeout=IDLE_S,
        socket_factory=_socket,
    )
    watching = connections == 0
    timeout = aiohttp.ClientTimeout(
        total=None if watching else REQUEST_TIMEOUT_S,
        sock_connect=CONNECT_TIMEOUT_S,
        sock_read=WATCH_SILENCE_S if watching else None,
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, type, protocol, _, _ = address
    made = socket.socket(family=family, type=type, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if option := getattr(socket, name, 0):  # not every system has all of them
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


def _headers(authorization: str, content: str) -> CIMultiDict[str]:
    headers = CIMultiDict(
        {
            "Accept": _JSON,
            "Accept-Encoding": "identity",  # compressing costs more than sending it near by
            "Content-Type": content,
            "User-Agent": f"mcs/{mcs.__version__}",
        }
    )
    if authorization:
        headers["Authorization"] = authorization
    return headers
