"""The tail of a stopped nats-server's files is cut off: everybody says so, stops, touches nothing.

Nobody papers over it: no scheduler appends in the place of a lost decision, no agent deletes what
the log no longer speaks of. Once NATS has its files back (the remedy that each message names), all
go on as if nothing had been.
"""

import itertools
import os

import nats
import pytest

from mcs.adapters.jetstream import connect
from mcs.ports import Stream
from tests.chaos.damage import backup, cut, restore
from tests.chaos.schedulers import crashed
from tests.chaos.supervision import LEASE
from tests.kubernetes.conftest import opt_in
from tests.kubernetes.invariants import check_lives, check_log, unfinished
from tests.kubernetes.pods import path, pod

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.live,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

LOST = 8  # messages: some seconds of an idle federation
LOG_LOST = 4  # the exit code
ALL = list(itertools.product(Stream, ["killed", "stopped"], ["anew", "running"]))
SHORT = [(Stream.DECISIONS, "killed", "anew"), (Stream.OBSERVATIONS, "stopped", "running")]
CASES = ALL if os.environ.get("MCS_CHAOS_SECONDS") else SHORT


@pytest.mark.parametrize(("stream", "server", "others"), CASES, ids=str)
async def test_a_tail_that_was_cut_off_is_found_and_said(
    federation, sightings, stream, server, others
):
    """``server``: how it ended; ``others``: schedulers and agents start anew, or run throughout."""
    namespace = f"cut-{stream}-{server}-{others}".lower()
    await opt_in(federation, namespace)
    api, broker = federation.planes["c1"].api, federation.nats
    for cluster in "c1", "c2":
        body = pod(f"in-{cluster}", namespace=namespace, cluster=cluster)
        await api.create(path(namespace), body)
        await api.wait_pod(f"in-{cluster}", "Running", namespace=namespace, timeout_s=60)
    await federation.wait("settled", lambda: not unfinished(sightings, namespace), 60)
    processes = [*federation.schedulers, *federation.agents.values()]
    said = {each.name: each.log.stat().st_size for each in processes}
    tail = await last_messages(federation, stream, LOST)
    if others == "anew":
        for process in processes:
            process.kill()
    if server == "killed":
        broker.kill()
    else:
        broker.stop()
    copy = backup(broker)
    try:
        cut(broker, stream, tail)
        await broker.start()
        end = await decisions_counted(broker)
        if others == "anew":
            for process in processes:
                process.spawn()
        for process in processes:
            await federation.wait(
                f"{process.name} to stop", lambda each=process: not each.running, 60
            )
            words = process.log.read_bytes()[said[process.name] :].decode()
            assert process.exit_code == LOG_LOST, words
            last = [line for line in words.splitlines() if line][-1]
            assert last.startswith("mcs: "), words
            assert "DECISIONS" in last or "OBSERVATIONS" in last, words
            assert "restore NATS from its backup" in last, words
        if others == "anew":
            assert await decisions_counted(broker) == end, "somebody wrote over what was lost"
    finally:
        broker.kill()
        restore(broker, copy)
        await broker.start()
        for process in processes:
            process.kill()
        for plane in federation.planes.values():
            await plane.api.merge(LEASE, {"spec": {"leaseDurationSeconds": 1}})  # of dead agents
        for process in processes:
            process.spawn()
        for process in processes:
            await process.wait_ready()
    await after(federation, sightings, namespace)


async def after(federation, sightings, namespace):
    """With its files back everything goes on, and nothing happened to what ran."""
    api = federation.planes["c1"].api
    await api.create(path(namespace), pod("after", namespace=namespace, run_for="1s"))
    await api.wait_pod("after", "Succeeded", namespace=namespace, timeout_s=90)

    def lives():
        return [life for life in list(sightings.lives.values()) if life.namespace == namespace]

    # What was not seen yet is not unfinished: three proxies, and a delegate of each.
    await federation.wait("lives seen", lambda: len(lives()) >= 6, 90)
    await federation.wait("settled", lambda: not unfinished(sightings, namespace), 90)
    check_lives(sightings, await check_log(federation), namespace=namespace)
    assert len(lives()) == 6
    assert not [str(life) for life in lives() if life.deleting or life.gone]
    assert not crashed([*federation.schedulers, *federation.agents.values()])
    await federation.mcs("verify")


async def decisions_counted(server):
    """The end of DECISIONS, as the server counts."""
    client = await nats.connect(server.url)
    try:
        return (await client.jetstream().stream_info("DECISIONS")).state.last_seq
    finally:
        await client.close()


async def last_messages(federation, stream, count):
    """The last messages of a stream, once so many have come while nothing else happens: Leases and
    heartbeats, which name a message some seconds after it came, then know of some that are cut off.
    """
    log = await connect(federation.nats.url, name="a test")
    before = (await log.info(stream)).last

    async def end():
        last = (await log.info(stream)).last
        return last if last >= before + count else 0

    try:
        last = await federation.wait(f"{stream} to grow by what is cut off", end)
        return [await log.get(stream, each) for each in range(last - count + 1, last + 1)]
    finally:
        await log.close()
