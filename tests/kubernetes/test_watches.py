"""The picture of a cluster stays right: through an agent's restart, an API server's death, 410."""

import asyncio
import contextlib
import json
import re
import time

import pytest
import urllib3

from mcs.settings import LeaseSettings
from tests.kubernetes.pictures import nodes, picture, proxy, used
from tests.kubernetes.pods import path, plain, pod
from tools.federation import Federation

pytestmark = pytest.mark.kubernetes

NAMESPACE = "default"


@pytest.fixture(scope="module")
def alone():
    """One cluster, which is its own target, whose parts may be killed."""
    federation = Federation("c1", environment={"MCS_HEARTBEAT": "1"})

    async def start():
        await federation.start()
        await federation.planes["c1"].add_nodes(2)

    asyncio.run(start())
    yield federation
    federation.close()


class Away:
    """How long an agent could not renew its Lease: too long, and it rightly begins a new epoch."""

    def __init__(self):
        self._began_s = time.monotonic()

    def end(self):
        lease = LeaseSettings()
        self.too_long = time.monotonic() - self._began_s > lease.renew_s - 2 * lease.retry_s


@contextlib.asynccontextmanager
async def changed_behind(federation, tag):
    """A cluster with a node and pods of the test's own, before; they are changed on leaving.

    One pod stays, one goes, one comes; one node stays, one goes, one comes; one proxy goes, one
    comes.
    """
    plane = federation.planes["c1"]
    old, gone = await plane.add_nodes(2, prefix=f"{tag}-old")
    await plane.apply(
        [
            plain(f"{tag}-stays", NAMESPACE, nodeName=old, cpu="1"),
            plain(f"{tag}-goes", NAMESPACE, nodeName=old, cpu="2"),
            pod(f"{tag}-leaves", namespace=NAMESPACE, schedulingGates=[{"name": "a.b/c"}]),
        ]
    )
    yield
    for name in (f"{tag}-goes", f"{tag}-leaves"):
        await plane.api.delete(path(NAMESPACE, name), {"gracePeriodSeconds": 0})
    await plane.api.delete(f"/api/v1/nodes/{gone}")
    await plane.apply([plain(f"{tag}-comes", NAMESPACE, nodeName=old, cpu="500m")])
    await plane.kubectl("label", "node", old, "seen=after")


def before(state, tag):
    there = nodes(state, "c1").keys() >= {f"{tag}-old-0", f"{tag}-old-1"}
    full = used(state, "c1", f"{tag}-old-0") == {"cpu": 3000, "pods": 2}
    return there and full and proxy(state, "c1", NAMESPACE, f"{tag}-leaves")


def after(state, tag):
    known = nodes(state, "c1")
    return (
        f"{tag}-old-1" not in known
        and known[f"{tag}-old-0"].labels.get("seen") == "after"
        and used(state, "c1", f"{tag}-old-0") == {"cpu": 1500, "pods": 2}
        and proxy(state, "c1", NAMESPACE, f"{tag}-leaves") is None
    )


async def test_an_agent_that_starts_gives_a_full_account_of_a_new_epoch(alone):
    agent = alone.agents["c1"]
    async with picture(alone) as log:
        async with changed_behind(alone, "epoch"):
            await log.until("the picture before", lambda state: before(state, "epoch"))
            epoch = log.epoch("c1")
            agent.kill()
        # a proxy that is deleted while its agent is away waits for its release
        await agent.start()
        await log.until("the picture after", lambda state: after(state, "epoch"))

        assert log.epoch("c1") > epoch
        # The account that tells all of that need not be the last to end.
        channels = await log.until("both accounts", _completed)
        assert all(channels[name].resync > log.epoch("c1") for name in ("capacity", "proxy"))
        await log.until("heartbeats name the accounts", lambda state: _named(state, channels))


def _completed(state):
    """The channels of c1, once those that this module looks at have their accounts."""
    channels = state.membership.members["c1"].channels
    whole = {name for name in channels if channels[name].completed}
    return channels if whole >= {"capacity", "proxy"} else None


def _named(state, channels):
    told = state.membership.members["c1"].heartbeat.resyncs
    return all(told.get(name) == channels[name].completed for name in ("capacity", "proxy"))


async def test_an_api_server_killed_and_started_again_costs_no_fact(alone):
    plane = alone.planes["c1"]
    async with picture(alone) as log:
        async with changed_behind(alone, "killed"):
            await log.until("the picture before", lambda state: before(state, "killed"))
            epoch = log.epoch("c1")
            away = Away()
            plane.processes["apiserver"].kill()
            await plane.processes["apiserver"].start()
        away.end()
        await log.until("the picture after", lambda state: after(state, "killed"))

        assert away.too_long or log.epoch("c1") == epoch, "the agent stayed its cluster's voice"


async def test_a_watch_that_expired_turns_into_a_new_list(alone):
    plane, agent = alone.planes["c1"], alone.agents["c1"]
    async with picture(alone) as log:
        async with changed_behind(alone, "expired"):
            await log.until("the picture before", lambda state: before(state, "expired"))
            epoch, expired = log.epoch("c1"), _expired(agent)
            away = Away()
            plane.processes["apiserver"].kill()
            agent.pause()
            await plane.processes["apiserver"].start()
        await _compact(plane)
        agent.resume()
        away.end()
        await log.until("the picture after", lambda state: after(state, "expired"))

        assert _expired(agent) > expired, "some watch was answered 410"
        assert away.too_long or log.epoch("c1") == epoch, "the agent stayed its cluster's voice"


def _expired(agent):
    """How many watches this agent found expired."""
    return len(re.findall(r"position \d+ has expired", agent.log.read_text()))


async def _compact(plane):
    """Have etcd forget all history: no watch can go on from before."""
    url = next(part for part in plane.processes["etcd"].command if "listen-client-urls" in part)
    etcd = url.partition("=")[2]
    pool = urllib3.PoolManager()

    def ask(what, body):
        answer = pool.request("POST", f"{etcd}/v3/kv/{what}", body=json.dumps(body))
        assert answer.status == 200, answer.data
        return json.loads(answer.data)

    newest = ask("range", {"key": "AA==", "limit": "1"})["header"]["revision"]
    ask("compaction", {"revision": newest, "physical": True})
