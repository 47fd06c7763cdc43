"""One of three nats-servers comes back from an orderly stop with a tail cut off.

The others do not heal it: by its own index it is up to date. Once it leads, it serves a stream with
a hole. So the hole must be said as loss; with that server's store emptied, it gets all from the
others.
"""

import asyncio
import contextlib
import json
import shutil

import pytest

from mcs.adapters.jetstream import connect
from mcs.adapters.streams import apply_streams
from mcs.errors import BadSettings, LogError, LogLost, Refused
from mcs.ports import Stream
from tests.chaos.conftest import ALWAYS
from tests.chaos.damage import cut
from tools.nats_cluster import NatsCluster

pytestmark = [
    pytest.mark.live,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

DEC = Stream.DECISIONS
COUNT = 30
SOON_S = 90.0


async def test_a_member_that_misses_its_tail_is_found_out_and_healed_by_the_others(tmp_path):
    async with NatsCluster(tmp_path, configuration=ALWAYS) as cluster:
        log = await connect(cluster.url)
        await eventually(lambda: apply_streams(log, replicas=3))
        for number in range(COUNT):
            await eventually(lambda after=number: append(log, after))
        last = range(COUNT - 4, COUNT + 1)
        tail = [await eventually(lambda each=each: log.get(DEC, each)) for each in last]
        first = await elected(log)
        victim = next(server for server in cluster.servers if server.name != first)

        victim.stop()
        cut(victim, DEC, tail)
        await victim.start()
        await lead(log, victim)
        with pytest.raises(LogLost, match=r"counts from 1 to 30, but \d of these messages"):
            await eventually(lambda: log.info(DEC))

        victim.kill()
        shutil.rmtree(victim.store / "jetstream")
        await victim.start()
        await lead(log, victim)
        assert (await eventually(lambda: log.info(DEC))).last == COUNT
        found = [await eventually(lambda each=each: log.get(DEC, each)) for each in last]
        assert found == tail
        await log.close()


async def eventually(call):
    """A cluster needs a moment to elect; until then it says that it is not ready."""
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                return await call()
            except LogLost:
                raise
            except (LogError, BadSettings):
                await asyncio.sleep(0.1)


async def append(log, after):
    """The message after so many, once: if an answer gets lost, the fence refuses a second one."""
    try:
        await log.append([("mcs.dec.a.b", b"%d" % after * 50)], expected_last=after)
    except Refused:
        if (await log.info(DEC)).last != after + 1:
            raise


async def elected(log):
    """Which server leads DECISIONS, once there is one."""
    async with asyncio.timeout(SOON_S):
        while not (found := await leader(log)):
            await asyncio.sleep(0.1)
    return found


async def leader(log):
    """Which server leads DECISIONS; none while it is being elected."""
    with contextlib.suppress(LogError):
        answer = await log.connection.call("$JS.API.STREAM.INFO.DECISIONS", b"")
        return json.loads(answer.data).get("cluster", {}).get("leader", "")
    return ""


async def lead(log, server):
    """Have this server lead DECISIONS, as an election might; it can once it has caught up."""
    wish = json.dumps({"placement": {"preferred": server.name}}).encode()
    async with asyncio.timeout(SOON_S):
        while await leader(log) != server.name:
            with contextlib.suppress(LogError):
                await log.connection.call("$JS.API.STREAM.LEADER.STEPDOWN.DECISIONS", wish)
            await asyncio.sleep(0.5)
