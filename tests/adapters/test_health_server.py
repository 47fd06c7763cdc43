"""/metrics, /healthz and /readyz."""

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from mcs.adapters.health_server import health_server
from mcs.errors import BadSettings


async def get(port, path):
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        return answer.status, await answer.text()


async def test_it_says_how_the_process_is():
    registry, reasons = CollectorRegistry(), ["not yet"]
    Counter("things", "Things", registry=registry).inc(3)
    server = health_server(
        0, registry, ready=lambda: reasons[0] if reasons else "", host="127.0.0.1"
    )
    async with server as port:
        assert await get(port, "/healthz") == (200, "ok\n")
        assert await get(port, "/readyz") == (503, "not yet\n")
        reasons.clear()
        assert await get(port, "/readyz") == (200, "ok\n")
        status, text = await get(port, "/metrics")

    assert status == 200
    assert "things_total 3.0" in text


async def test_a_taken_port_is_named():
    registry = CollectorRegistry()
    async with health_server(0, registry, ready=str, host="127.0.0.1") as port:
        with pytest.raises(BadSettings, match=f"port {port}.*--metrics-port"):
            async with health_server(port, registry, ready=str, host="127.0.0.1"):
                pass
