"""Processes as they are started: in any order, and stopped while they wait."""

import asyncio
import re
import sys

import pytest

from mcs.adapters.jetstream import connect
from mcs.adapters.streams import apply_streams
from tools.free_ports import reserve_port
from tools.nats import NatsServer
from tools.processes import Process

pytestmark = pytest.mark.live


def program(tmp_path, name, *arguments, said):
    """An `mcs` process; it is ready when its log holds ``said``."""
    log = tmp_path / f"{name}.log"
    return Process(
        name,
        [sys.executable, "-m", "mcs", *arguments],
        log=log,
        ready=lambda: log.exists() and re.search(said, log.read_text()) is not None,
    )


async def says(process, text):
    async with asyncio.timeout(60):
        while text not in process.tail():
            assert process.running, process.tail()
            await asyncio.sleep(0.02)


async def test_a_scheduler_waits_for_nats_and_its_streams_and_then_begins(tmp_path):
    server = NatsServer(tmp_path / "nats")
    process = program(tmp_path, "scheduler", "scheduler", "--nats", server.url, said="waiting for")
    try:
        await process.start()
        await server.start()
        await says(process, "there is no stream")
        log = await connect(server.url)
        await apply_streams(log)
        await log.close()
        await says(process, "active: reign 1")
    finally:
        process.kill()
        server.close()


KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


@pytest.mark.parametrize("command", ["scheduler", "agent"])
async def test_one_that_waits_for_nats_can_be_stopped(tmp_path, command):
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    cluster = ["--cluster", "c1", "--kubeconfig", str(tmp_path / "kubeconfig")]
    lease = reserve_port()
    process = program(
        tmp_path,
        command,
        command,
        *("--nats", f"nats://127.0.0.1:{lease.port}"),
        *(cluster if command == "agent" else ()),
        said="waiting for NATS: no NATS server answers",
    )
    try:
        await process.start()
        process.stop(timeout_s=60.0)

        assert process._child.returncode == 0
        assert "Traceback" not in process.tail()
    finally:
        process.kill()
        lease.release()


async def test_what_no_waiting_mends_is_said_at_once(tmp_path):
    process = program(tmp_path, "scheduler", "scheduler", "--nats", "nats://[", said="URL")
    try:
        process.spawn()
        process._child.wait(timeout=60)

        assert process._child.returncode == 2
        assert "as a NATS URL" in process.tail()
    finally:
        process.kill()
