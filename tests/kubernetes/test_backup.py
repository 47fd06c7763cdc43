"""docs/backup.md, done: NATS backed up by its own tool, lost with its disk, and brought back.

Two stories over one federation. A backup to which nothing was added since is the log: everything
goes on as if nothing had been. One that is older has lost its end: agents refuse it and say so,
nothing running is touched, and a person who follows the page gets a working federation again.
"""

import asyncio
import json
import shutil

import pytest

from tests.kubernetes.conftest import opt_in
from tests.kubernetes.invariants import check_log
from tests.kubernetes.pods import path, pod
from tools import parts
from tools.federation import Federation

pytestmark = pytest.mark.kubernetes

NAMESPACE = "backups"
STREAMS = ("DECISIONS", "OBSERVATIONS")
LEASE = "/apis/coordination.k8s.io/v1/namespaces/mcs-system/leases/mcs-agent"
REFUSED = 4


@pytest.fixture(scope="module")
def federation():
    federation = Federation("c1", "c2")

    async def start():
        await federation.start()
        await federation.planes["c2"].add_nodes(2)
        await opt_in(federation, NAMESPACE)

    asyncio.run(start())
    yield federation
    federation.close()


async def nats(federation, *arguments):
    """The official `nats` command."""
    child = await asyncio.create_subprocess_exec(
        *(parts.locate("natscli")["nats"], "--server", federation.nats.url, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await child.communicate()
    assert child.returncode == 0, output.decode()


async def back_up(federation, folder):
    for stream in STREAMS:
        await nats(federation, "backup", "stream", stream, folder / stream, "--no-progress")


async def lose_and_restore(federation, folder):
    """The server loses its disk, comes back empty, and is given the backup."""
    federation.nats.kill()
    shutil.rmtree(federation.nats.store / "jetstream")
    await federation.nats.start()
    assert "mcs streams apply" in await federation.mcs("status", check=False)
    for stream in STREAMS:
        await nats(federation, "backup", "restore", "stream", folder / stream, "--no-progress")


def stop(federation):
    """All of mcs, in good order."""
    for process in (*federation.agents.values(), federation.scheduler):
        process.stop()


async def start(federation):
    await asyncio.gather(
        federation.scheduler.start(), *(agent.start() for agent in federation.agents.values())
    )


async def running(federation, name, cpu="100m"):
    """Create an elected pod and wait until it runs; its delegate."""
    await federation.planes["c1"].apply([pod(name, namespace=NAMESPACE, cpu=cpu)])
    await federation.planes["c1"].api.wait_pod(name, "Running", namespace=NAMESPACE, timeout_s=60)
    return await delegate(federation, name)


async def delegate(federation, name):
    return await federation.planes["c2"].api.get(path(NAMESPACE, f"c1-{NAMESPACE}-{name}"))


def identity(item):
    """Which pod it is, and whether it is the same as before."""
    states = item["status"]["containerStatuses"]
    return (
        item["metadata"]["uid"],
        item["metadata"].get("deletionTimestamp"),
        item["status"]["phase"],
        [state["containerID"] for state in states],
    )


async def status(federation):
    return json.loads(await federation.mcs("status", "--json"))


async def test_a_whole_backup_is_the_log_and_everything_goes_on(federation, tmp_path):
    before = identity(await running(federation, "early"))
    stop(federation)
    await back_up(federation, tmp_path)
    await federation.mcs("export", str(tmp_path / "export"))
    known = await status(federation)
    told = await federation.events()

    await lose_and_restore(federation, tmp_path)

    again = await status(federation)
    for word in ("digest", "decision", "observation", "running", "waiting", "parked"):
        assert again[word] == known[word]
    assert await federation.events() == told
    # Byte for byte, time for time: an export of before goes on from here.
    assert "0 new" in await federation.mcs("export", str(tmp_path / "export"))
    token = json.loads((tmp_path / "export" / "manifest.json").read_text())["token"]
    await federation.mcs("verify", "--expect", token)
    await federation.mcs("verify", "--expect", token, "--log", str(tmp_path / "export"))
    await start(federation)
    await running(federation, "next")
    assert identity(await delegate(federation, "early")) == before
    await federation.mcs("verify", "--expect", token)
    await check_log(federation)


async def test_an_older_backup_is_refused_and_a_person_may_accept_it(federation, tmp_path):
    before = identity(await running(federation, "known"))
    stop(federation)
    await back_up(federation, tmp_path)
    await start(federation)
    lost = identity(await running(federation, "lost"))
    await federation.mcs("export", str(tmp_path / "export"))
    stop(federation)

    await lose_and_restore(federation, tmp_path)

    assert "are lost in NATS" in await federation.mcs(
        "export", str(tmp_path / "export"), check=False
    )
    token = json.loads((tmp_path / "export" / "manifest.json").read_text())["token"]
    with pytest.raises(RuntimeError, match="mcs verify"):
        await federation.mcs("verify", "--expect", token)
    for agent in federation.agents.values():
        agent.spawn()  # it may serve its webhook for a moment before it has led
    for agent in federation.agents.values():
        await federation.wait("refusal", lambda agent=agent: not agent.running, timeout_s=120)
        assert agent.exit_code == REFUSED
        assert "acknowledged events are lost" in agent.tail()
    assert identity(await delegate(federation, "known")) == before
    assert identity(await delegate(federation, "lost")) == lost

    # What the log does not know any more is ended by hand; then the Leases forget.
    await federation.planes["c1"].kubectl(
        *("delete", "pod", "lost", "--namespace", NAMESPACE, "--wait=false")
    )
    await federation.planes["c2"].kubectl(
        *("delete", "pod", f"c1-{NAMESPACE}-lost", "--namespace", NAMESPACE)
    )
    for plane in federation.planes.values():
        await plane.api.delete(LEASE)
    await start(federation)

    await federation.planes["c1"].api.wait_gone(path(NAMESPACE, "lost"), timeout_s=60)
    await running(federation, "after")
    assert identity(await delegate(federation, "known")) == before
    await federation.mcs("verify")
    await check_log(federation)
