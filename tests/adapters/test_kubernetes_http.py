"""The transport: refused credentials, broken connections, time limits, few connections."""

import asyncio

import pytest
from aiohttp import web

from mcs.adapters import kubernetes_http
from mcs.adapters.kubernetes import connect
from mcs.errors import Unreachable
from mcs.objects.kinds import LEASES
from tests.adapters.api_servers import FakeServer, lease, status


async def test_refused_credentials_are_read_again(tmp_path):
    async def answer(request, body):
        if request.headers["Authorization"] != "Bearer second":
            return status(401, "Unauthorized", "Unauthorized")
        return web.json_response(lease("a"))

    server = FakeServer(tmp_path, answer)
    async with server.connected() as cluster:
        server.token = "second"
        server.write_kubeconfig()
        assert (await cluster.get(LEASES, "a", namespace="n")).metadata.name == "a"
        await cluster.get(LEASES, "a", namespace="n")

    sent = [headers["Authorization"] for _, _, headers, _ in server.asked]
    assert sent == ["Bearer first", "Bearer second", "Bearer second"]


async def test_credentials_that_stay_refused_say_so(tmp_path):
    async def answer(request, body):
        return status(401, "Unauthorized", "Unauthorized")

    server = FakeServer(tmp_path, answer)
    async with server.connected() as cluster:
        with pytest.raises(Unreachable, match="credentials are not accepted") as caught:
            await cluster.get(LEASES, "a", namespace="n")
        with pytest.raises(Unreachable, match="credentials are not accepted"):
            async with cluster.watch(LEASES, since="1"):
                pass

    assert caught.value.code == 401
    assert len(server.asked) == 4


async def test_a_kubeconfig_that_vanished_is_no_crash(tmp_path):
    async def answer(request, body):
        return status(401, "Unauthorized", "Unauthorized")

    server = FakeServer(tmp_path, answer)
    async with server.connected() as cluster:
        server.kubeconfig.unlink()
        with pytest.raises(Unreachable, match="kubeconfig"):
            await cluster.get(LEASES, "a", namespace="n")


async def test_a_connection_that_breaks_is_unreachable(tmp_path):
    async def answer(request, body):
        request.transport.abort()
        return web.Response()

    async with FakeServer(tmp_path, answer).connected() as cluster:
        with pytest.raises(Unreachable, match=r"^create leases n/a at http://127"):
            await cluster.create(LEASES, lease("a"), namespace="n")


async def test_nobody_there_is_unreachable(tmp_path):
    server = FakeServer(tmp_path, None)
    server.port = 1
    server.write_kubeconfig()
    cluster = await connect(str(server.kubeconfig))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        await cluster.version()
    await cluster.close()


async def test_a_silent_server_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(kubernetes_http, "REQUEST_TIMEOUT_S", 0.2)
    forever = asyncio.Event()

    async def answer(request, body):
        await forever.wait()

    async with FakeServer(tmp_path, answer).connected() as cluster:
        with pytest.raises(Unreachable, match="no answer in time"):
            await cluster.get(LEASES, "a", namespace="n")
        with pytest.raises(Unreachable, match="no answer in time"):
            async with cluster.watch(LEASES, since="1"):
                pass
        forever.set()


async def test_waiting_for_a_connection_costs_no_time_and_watches_none(tmp_path):
    together, most = 0, 0

    async def answer(request, body):
        nonlocal together, most
        if "watch" in request.query:
            response = web.StreamResponse()
            await response.prepare(request)
            return response
        together += 1
        most = max(most, together)
        await asyncio.sleep(0.01)
        together -= 1
        return web.json_response(lease("a"))

    async with FakeServer(tmp_path, answer).connected(connections=3) as cluster:
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(cluster.get(LEASES, "a", namespace="n"))
        watches = [cluster.watch(LEASES, since="1") for _ in range(4)]
        for watch in watches:
            await watch.__aenter__()
        await cluster.get(LEASES, "a", namespace="n")
        for watch in watches:
            await watch.__aexit__(None, None, None)

    assert most == 3


async def test_redirects_are_not_followed(tmp_path):
    async def answer(request, body):
        raise web.HTTPFound("http://127.0.0.1:1/elsewhere")

    server = FakeServer(tmp_path, answer)
    async with server.connected() as cluster:
        with pytest.raises(Exception, match="302"):
            await cluster.get(LEASES, "a", namespace="n")

    assert len(server.asked) == 1
