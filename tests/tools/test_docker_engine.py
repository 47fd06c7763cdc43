"""The official NATS image runs by its name, through testcontainers."""

import asyncio
import os

import nats
import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from tools import docker_engine
from tools.free_ports import reserve_port

pytestmark = pytest.mark.docker


@pytest.fixture
def image(monkeypatch):
    host = os.environ.get("DOCKER_HOST", docker_engine.DEFAULT_HOST)
    if not docker_engine.answers(host):
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse("no Docker engine: python -m tools.docker_engine up")
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
    assert docker_engine.up() == host
    return docker_engine.image_name()


async def test_the_official_image_runs_with_the_hosts_network(image):
    lease = reserve_port()
    container = DockerContainer(image, network_mode="host")
    container.with_command(f"-a 127.0.0.1 -p {lease.port} -js")
    with container:
        client = await connect(f"nats://127.0.0.1:{lease.port}")
        await client.jetstream().add_stream(name="S", subjects=["s.>"])
        assert client.connected_server_version.major == 2
        await client.close()
    lease.release()


async def connect(url):
    async with asyncio.timeout(60):
        while True:
            try:
                return await nats.connect(url, allow_reconnect=False, max_reconnect_attempts=0)
            except (OSError, nats.errors.NoServersError):
                await asyncio.sleep(0.05)
