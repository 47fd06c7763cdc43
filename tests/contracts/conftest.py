"""The worlds that each contract of the log, and of a cluster, is checked in."""

import asyncio
import gc
import os
import warnings
from contextlib import closing

import pytest

from mcs.adapters.jetstream import connect
from mcs.adapters.nats_server import NatsServer
from tests.contracts.clusters import KubernetesApi, MemoryApi
from tests.contracts.logs import FolderWorld, MemoryWorld, NatsWorld, WireWorld
from tools.controlplane import ControlPlane
from tools.free_ports import reserve_port

IMAGE = "nats:2.15.1"
START_S = 60.0


@pytest.fixture(scope="module")
def nats_url(tmp_path_factory):
    """An embedded nats-server for the tests of one module."""
    lease = reserve_port()
    server = NatsServer(store=tmp_path_factory.mktemp("nats"), port=lease.port)
    asyncio.run(server.start())
    yield server.url
    asyncio.run(server.stop())
    lease.release()


def why_no_engine():
    """Empty when a Docker engine answers."""
    docker = pytest.importorskip("docker")
    reason = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # docker forgets a socket that failed
        try:
            with closing(docker.from_env()) as engine:
                engine.ping()
        except docker.errors.DockerException as error:
            reason = str(error)
        gc.collect()
    return reason


@pytest.fixture(scope="module")
def container_url():
    """The official image, in a container; host networking, since some engines have no bridge."""
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # it would need an image more
    if reason := why_no_engine():
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse(f"no Docker engine answers: {reason}")
    from testcontainers.core.container import DockerContainer

    lease = reserve_port()
    arguments = ["-js", "-a", "127.0.0.1", "-p", str(lease.port)]
    container = DockerContainer(IMAGE, network_mode="host").with_command(arguments)
    url = f"nats://127.0.0.1:{lease.port}"
    with container:
        asyncio.run(answers(url))
        yield url
    lease.release()


async def answers(url):
    """Wait for a server: a container has begun before what runs in it listens."""
    log = await connect(url, timeout_s=START_S)
    await log.close()


LOGS = [
    "memory",
    "wire",
    pytest.param("nats", marks=pytest.mark.live),
    pytest.param("container", marks=[pytest.mark.live, pytest.mark.docker]),
]


@pytest.fixture(params=LOGS)
def world(request):
    """A log that lives."""
    return world_of(request)


@pytest.fixture(params=[*LOGS, "folder"])
def stored_world(request):
    """A log of which only what is stored is looked at: an exported one, too."""
    return world_of(request)


def world_of(request):
    match request.param:
        case "memory":
            return MemoryWorld()
        case "wire":
            return WireWorld()
        case "folder":
            return FolderWorld(request.getfixturevalue("tmp_path"))
        case "nats":
            return NatsWorld(request.getfixturevalue("nats_url"))
        case other:
            assert other == "container"
            return NatsWorld(request.getfixturevalue("container_url"))


@pytest.fixture(scope="session")
def control_plane():
    """A real control plane for all contracts of a cluster."""
    plane = ControlPlane("contract")
    try:
        asyncio.run(plane.start())
        yield plane
    finally:
        plane.close()


@pytest.fixture(params=["memory", pytest.param("kubernetes", marks=pytest.mark.kubernetes)])
def api(request):
    """A cluster and its API server's fate; to be entered by ``async with``."""
    if request.param == "memory":
        return MemoryApi()
    return KubernetesApi(request.getfixturevalue("control_plane"))
