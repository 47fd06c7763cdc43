"""The webhook's HTTPS server: aiohttp around a function from bytes to an answer.

A certificate is exchanged while it runs: loading a chain into the live TLS context holds for every
handshake from then on, and open connections keep theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from mcs.errors import BadSettings
from mcs.objects.registration import PATH

BODY_MAX: Final = 8 * 1024 * 1024  # an API server takes objects of 3 MB at most
HEALTH: Final = "/healthz"
_SHUTDOWN_S: Final = 2.0  # for answers under way; the API server asks again elsewhere
_GOODBYE_S: Final = 1.0  # for clients to take their answers and to close
Answer = Callable[[bytes], tuple[int, bytes]]


class WebhookServer:
    """Serves ``answer`` at ``/mutate`` over TLS; an async context manager.

    ``port`` 0 means any; ``url_port`` says which it became. It starts to listen with the first
    certificate (``use``), so nobody is answered with none.
    """

    def __init__(
        self, answer: Answer, *, host: str = "0.0.0.0", port: int = 9443, body_max: int = BODY_MAX
    ) -> None:
        self._answer = answer
        self._host, self.url_port = host, port
        self._tls: ssl.SSLContext | None = None
        self._app = web.Application(client_max_size=body_max)
        self._app.router.add_post(PATH, self._review)
        self._app.router.add_get(HEALTH, self._health)
        self._runner = web.AppRunner(
            self._app, access_log=None, shutdown_timeout=_SHUTDOWN_S, handle_signals=False
        )

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        server = self._runner.server
        opened = [] if server is None else [each.transport for each in server.connections]
        await self._runner.cleanup()
        await _hang_up([each for each in opened if each is not None])

    async def use(self, certificate: bytes, key: bytes) -> None:
        """Serve with this PEM chain and key from now on.

        Raises:
            BadSettings: they are unusable, or do not belong together; the old ones stay in use.
        """
        await asyncio.to_thread(_load, _context(), certificate, key)  # a trial, off the live one
        if self._tls is not None:
            await asyncio.to_thread(_load, self._tls, certificate, key)
            return
        tls = _context()
        await asyncio.to_thread(_load, tls, certificate, key)
        site = web.TCPSite(self._runner, self._host, self.url_port, ssl_context=tls)
        await site.start()
        self._tls = tls
        self.url_port = self._runner.addresses[0][1]

    async def _review(self, request: web.Request) -> web.Response:
        status, body = self._answer(await request.read())
        return web.Response(status=status, body=body, content_type="application/json")

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok")


async def _hang_up(closing: Sequence[asyncio.Transport]) -> None:
    """Let closing connections end, and end what is left: by TLS each waits for its client's word
    (close_notify), which asyncio would give half a minute, and which some never say.
    """

    def left() -> list[asyncio.Transport]:
        return [each for each in closing if each.get_extra_info("socket") is not None]

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GOODBYE_S):
            while left():  # noqa: ASYNC110 (a transport tells its protocol only)
                await asyncio.sleep(0.01)
    for each in left():
        each.abort()
    await asyncio.sleep(0)  # what was aborted is closed in the loop's next round


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Python reads chains from files only; these are the owner's alone and gone at once."""
    with tempfile.TemporaryDirectory(prefix="mcs-") as folder:
        chain, private = Path(folder, "tls.crt"), Path(folder, "tls.key")
        private.touch(mode=0o600)
        chain.write_bytes(certificate)
        private.write_bytes(key)
        try:
            context.load_cert_chain(chain, private)
        except (ssl.SSLError, ValueError) as error:
            raise BadSettings(f"the webhook's certificate is unusable: {error}") from error
