"""An API server that answers what a test wants it to, over plain HTTP on loopback."""

import json
from contextlib import asynccontextmanager

from aiohttp import web

from mcs.adapters.kubernetes import connect


class FakeServer:
    """Hands each request to ``answer(request, body)``; keeps what was asked."""

    def __init__(self, folder, answer):
        self.folder, self.answer = folder, answer
        self.asked = []
        self.token = "first"

    @asynccontextmanager
    async def connected(self, **options):
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self.write_kubeconfig()
        cluster = await connect(str(self.kubeconfig), **options)
        try:
            yield cluster
        finally:
            await cluster.close()
            await runner.cleanup()

    @property
    def kubeconfig(self):
        return self.folder / "kubeconfig"

    def write_kubeconfig(self):
        url = f"http://127.0.0.1:{self.port}"
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {"token": self.token}}],
        }
        self.kubeconfig.write_text(json.dumps(config))

    async def _handle(self, request):
        body = await request.read()
        self.asked.append((request.method, request.path_qs, dict(request.headers), body))
        return await self.answer(request, body)


def status(code, reason, message, *, headers=None, **details):
    body = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return web.json_response({**body, "details": details}, status=code, headers=headers)


def lease(name):
    return {"metadata": {"name": name, "namespace": "n", "resourceVersion": "7"}, "spec": {}}
