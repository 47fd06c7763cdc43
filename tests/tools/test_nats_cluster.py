"""Several nats-servers are one JetStream, which a minority's death does not stop."""

import asyncio

import nats
import pytest

from tools.nats_cluster import NatsCluster

pytestmark = pytest.mark.live

ALWAYS = {"jetstream": {"sync_interval": "always"}}


async def eventually(call):
    """A cluster needs a moment to elect; until then it says so, or says nothing."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await call()
            except nats.errors.Error:
                await asyncio.sleep(0.1)


async def test_a_message_survives_the_death_of_one_server_of_three(tmp_path):
    async with NatsCluster(tmp_path, configuration=ALWAYS) as cluster:
        assert all(
            "always" in file.read_text()
            for server in cluster.servers
            for file in server.store.glob("*.conf")
        )
        client = await nats.connect(cluster.url.split(","), max_reconnect_attempts=-1)
        stream = client.jetstream()
        await eventually(lambda: stream.add_stream(name="S", subjects=["s.>"], num_replicas=3))
        await eventually(lambda: stream.publish("s.a", b"1"))
        for server in cluster.servers:
            server.kill()
            assert (await eventually(lambda: stream.get_msg("S", 1))).data == b"1"
            await server.start()
        await client.close()
