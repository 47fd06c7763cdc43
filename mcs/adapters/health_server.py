"""/metrics, /healthz and /readyz of a process, on a port of their own without TLS."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from mcs.errors import BadSettings


@contextlib.asynccontextmanager
async def health_server(
    port: int, registry: CollectorRegistry, *, ready: Callable[[], str], host: str = "0.0.0.0"
) -> AsyncGenerator[int, None]:
    """Serve; yields the port (0 takes a free one).

    ``ready`` says why the process is not ready, or nothing. It is healthy as long as it answers: a
    process that waits for NATS or its API server gets no better by being restarted.

    Raises:
        BadSettings: the port cannot be used.
    """

    async def metrics(_request: web.Request) -> web.Response:
        body = generate_latest(registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        reason = ready()
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ok'}\n")

    app = web.Application()
    for path, handler in (("/metrics", metrics), ("/healthz", healthz), ("/readyz", readyz)):
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise BadSettings(
                f"cannot serve metrics on port {port}: {error.strerror}; give another by "
                "--metrics-port"
            ) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
