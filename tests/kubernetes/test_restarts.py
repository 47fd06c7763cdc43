"""Each process killed (kill -9) and started again, at any point of a pod's life, under a stream of
pods: nothing runs twice, nothing is forgotten, nothing that should live is deleted.

A killed agent's Lease runs out first; the tests shorten that (``expire``), since only one test has
to see that a standby waits it out.
"""

import asyncio
import contextlib
import itertools
import os
from random import Random

import pytest

from tests.kubernetes.conftest import opt_in
from tests.kubernetes.invariants import check_lives, check_log, unfinished
from tests.kubernetes.pods import path, pod
from tests.kubernetes.sightings import Sightings
from tools.federation import Federation

pytestmark = [
    pytest.mark.kubernetes,
    # When a server dies between a connection and its handshake, Python's ssl drops the socket.
    pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning"),
]

SEED = int(os.environ.get("MCS_TEST_SEED", "1"))
LEASE = "/apis/coordination.k8s.io/v1/namespaces/mcs-system/leases/mcs-agent"
SETTLED_S = 120.0  # a create of a dead agent's that may still be on its way is waited for 65 s


@pytest.fixture(scope="module")
def federation():
    federation = Federation("c1", "c2", environment={"MCS_HEARTBEAT": "1"})

    async def start():
        await federation.start()
        for plane in federation.planes.values():
            await plane.add_nodes(2, cpu="2")  # scarce: some pods wait

    asyncio.run(start())
    yield federation
    federation.close()


@pytest.fixture
def sightings(federation):
    sightings = Sightings(federation.planes)
    sightings.begin()
    yield sightings
    sightings.end()


class Stream:
    """A stream of elected pods of c1, and what of them was seen and deleted."""

    def __init__(self, federation, sightings, namespace, chance):
        self.deleted = set()
        self.created = []
        self._federation, self._sightings = federation, sightings
        self._namespace, self._chance = namespace, chance
        self._numbers = itertools.count(1)

    @property
    def source(self):
        return self._federation.planes["c1"]

    async def add(self, *, cluster="", run_for="", **fields):
        """Create a pod, however long its API server or its webhook is away; its uid."""
        name = f"p{next(self._numbers)}"
        body = pod(
            name, namespace=self._namespace, cluster=cluster, run_for=run_for, cpu="300m", **fields
        )

        async def create():
            with contextlib.suppress(Exception):  # away, in many ways; told by the time-out
                await self.source.api.create(path(self._namespace), body)
            found = [life for life in self.lives() if life.name == name]
            return found[0].uid if found else ""

        uid = await self._federation.wait(f"{name} created", create, 90)
        self.created.append(uid)
        return uid

    async def some(self, count):
        """A few pods of many kinds."""
        for _ in range(count):
            lasts = self._chance.choice(["", "1s", "3s"])
            await self.add(cluster=self._chance.choice(["", "c1", "c2"]), run_for=lasts)

    async def delete(self, uid):
        """Ask for a proxy's deletion."""
        self.deleted.add(uid)
        name = self._sightings.lives[uid].name

        async def ask():
            with contextlib.suppress(Exception):
                await self.source.api.delete(path(self._namespace, name))
            return self._sightings.lives[uid].deleting or self._sightings.lives[uid].gone

        await self._federation.wait(f"{name} asked to go", ask, 90)

    async def thin(self, *, leave):
        """Delete running pods, so that ``leave`` of them and room for others are left."""
        running = [life for life in self.lives() if life.phase == "Running" and not life.deleting]
        self._chance.shuffle(running)
        await asyncio.gather(*(self.delete(life.uid) for life in running[leave:]))

    def lives(self):
        return self._sightings.proxies(self._namespace)

    async def until(self, what, condition, timeout_s=90.0):
        """Wait, looking often: what is waited for is a moment at which to kill."""
        await self._federation.wait(what, condition, timeout_s)

    async def settle(self):
        """Wait until I2 is true of every pod; then check the other invariants."""
        try:
            await self._federation.wait("settled", lambda: not self.problems(), SETTLED_S)
        except TimeoutError as error:
            error.add_note("\n".join(self.problems()))
            error.add_note(await self._federation.mcs("log", "--since", "10m"))
            error.add_note(await self._federation.mcs("status", "--json"))
            for plane in self._federation.planes.values():
                error.add_note(await plane.kubectl("get", "pods", "-n", self._namespace, "-o=yaml"))
            raise
        state = await check_log(self._federation)
        check_lives(self._sightings, state, namespace=self._namespace, deleted=self.deleted)
        return state

    def problems(self):
        seen = {life.uid for life in self.lives()}
        missing = [f"{uid} is not seen" for uid in self.created if uid not in seen]
        return missing + unfinished(self._sightings, self._namespace)


MOMENTS = ("created", "placed", "delegate", "bound", "running", "ending", "deleting")
PARTS = ("scheduler", "source agent", "target agent", "nats", "source API", "target API")


def process_of(federation, part):
    return {
        "scheduler": federation.scheduler,
        "source agent": federation.agents["c1"],
        "target agent": federation.agents["c2"],
        "nats": federation.nats,
        "source API": federation.planes["c1"].processes["apiserver"],
        "target API": federation.planes["c2"].processes["apiserver"],
    }[part]


async def reach(moment, federation, sightings, stream):
    """Bring a new pod of the stream to a moment of its life, and leave it there."""
    if moment == "placed":
        return await reach_placed(federation, stream)
    lasts = {"ending": "1s", "deleting": ""}.get(moment, "2s")
    stop = {"kwok.mcs/stop-after": "2s"} if moment == "deleting" else {}
    uid = await stream.add(cluster="c2", run_for=lasts, annotations=stop)

    def delegates():
        return sightings.delegates(uid)

    match moment:
        case "created":
            return None
        case "delegate":
            await stream.until("a delegate", delegates)
        case "bound":
            await stream.until("a bound delegate", lambda: any(each.node for each in delegates()))
        case "running":
            # On a busy machine it may have run and ended between two looks.
            started = ("Running", "Succeeded")
            await stream.until("a running proxy", lambda: sightings.lives[uid].phase in started)
        case "ending":
            await stream.until("an ended delegate", lambda: any(each.ended for each in delegates()))
        case "deleting":
            await stream.until("a running proxy", lambda: sightings.lives[uid].phase == "Running")
            await stream.delete(uid)
            await stream.until(
                "a delegate being deleted", lambda: any(each.deleting for each in delegates())
            )
    return None


async def reach_placed(federation, stream):
    """Placed but not created: the target's agent is frozen, until something was killed."""
    federation.agents["c2"].pause()
    uid = await stream.add(cluster="c2", run_for="2s")

    async def decided():
        found = await federation.events("--since", "2m")
        return any(
            each["event"]["type"] == "pod.placed" and each["event"]["uid"] == uid for each in found
        )

    await stream.until("placed", decided)


async def expire(federation, cluster):
    """Let the Lease of a dead agent run out at once."""
    await federation.planes[cluster].api.merge(LEASE, {"spec": {"leaseDurationSeconds": 1}})


async def wake_kube_scheduler(federation, cluster):
    """Kubernetes' own scheduler looks for a server that died often only every half minute."""
    process = federation.planes[cluster].processes["scheduler"]
    process.kill()
    await process.start()


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_killed_at_any_point_of_a_pods_life(federation, sightings, part):
    chance = Random(f"{SEED} {part}")
    namespace = "killed-" + part.replace(" ", "-").lower()
    await opt_in(federation, namespace)
    stream = Stream(federation, sightings, namespace, chance)
    process, target_agent = process_of(federation, part), federation.agents["c2"]

    for moment in chance.sample(MOMENTS, len(MOMENTS)):
        await stream.some(2)
        await reach(moment, federation, sightings, stream)
        process.kill()
        if target_agent.running:
            target_agent.resume()
        created_meanwhile = asyncio.create_task(stream.some(2))
        if part in {"source agent", "target agent"}:
            await expire(federation, "c1" if part == "source agent" else "c2")
        await process.start()
        if part.endswith("API"):
            await wake_kube_scheduler(federation, "c1" if part == "source API" else "c2")
        await created_meanwhile
        await stream.thin(leave=3)

    await stream.settle()
    for cluster in "c1", "c2":
        await federation.planes[cluster].kubectl("delete", "namespace", namespace, "--wait=false")


async def test_of_two_schedulers_the_other_takes_over_and_none_doubles(federation, sightings):
    namespace = "two-schedulers"
    await opt_in(federation, namespace)
    stream = Stream(federation, sightings, namespace, Random(SEED))
    await stream.some(3)
    before = (await stream.settle()).reigns
    await federation.add_scheduler()

    creating = asyncio.create_task(stream.some(8))
    federation.scheduler.kill()
    await creating
    assert (await stream.settle()).reigns == before + 1

    await federation.scheduler.start()  # it stands by
    await stream.some(3)
    assert (await stream.settle()).reigns == before + 1
    await asyncio.gather(*(stream.delete(life.uid) for life in stream.lives() if not life.ended))
    await stream.settle()


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_of_two_agents_of_a_cluster_the_other_takes_over(federation, sightings, how):
    """A frozen leader comes back after its Lease ran out, and must not act on what it knew."""
    namespace = f"two-agents-{how}"
    await opt_in(federation, namespace)
    stream = Stream(federation, sightings, namespace, Random(SEED))
    await stream.some(3)
    first = federation.agents["c2"]
    epoch = await leader(federation)
    second = await federation.add_agent("c2")
    try:
        if how == "killed":
            first.kill()
        else:
            first.pause()
        await stream.some(4)
        await federation.wait("a successor", lambda: changed(federation, epoch), 60)
        if how == "frozen":
            first.resume()
        await stream.some(4)
        await stream.thin(leave=0)
        await stream.settle()
        await first.start()
    finally:
        second.stop()  # in good order: nobody waits for its Lease
    await stream.add(cluster="c2", run_for="1s")
    await stream.settle()


async def leader(federation):
    """Who holds the Lease of c2."""
    return (await federation.planes["c2"].api.get(LEASE))["spec"].get("holderIdentity", "")


async def changed(federation, before):
    return await leader(federation) not in {"", before}
