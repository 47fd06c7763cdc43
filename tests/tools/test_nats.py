"""A nats-server is a child process that keeps its store through kills."""

import nats
import pytest

from tools.nats import NatsServer

pytestmark = pytest.mark.live


async def publish(server, count):
    client = await nats.connect(server.url)
    stream = client.jetstream()
    await stream.add_stream(name="S", subjects=["s.>"])
    for number in range(count):
        await stream.publish("s.a", str(number).encode())
    messages = (await stream.stream_info("S")).state.messages
    await client.close()
    return messages


async def test_messages_survive_a_kill(tmp_path):
    async with NatsServer(tmp_path) as server:
        assert await publish(server, 3) == 3
        server.kill()
        await server.start()
        assert await publish(server, 2) == 5
        server.stop()
        assert not server.running
        await server.start()
        assert await publish(server, 0) == 5


async def test_two_servers_run_side_by_side(tmp_path):
    async with NatsServer(tmp_path / "a") as first, NatsServer(tmp_path / "b") as second:
        assert first.url != second.url
        assert await publish(first, 1) == 1
        assert await publish(second, 2) == 2


async def test_settings_are_merged_over_ours(tmp_path):
    wishes = {"jetstream": {"sync_interval": "always"}, "max_payload": 2_000_000}
    async with NatsServer(tmp_path, configuration=wishes) as server:
        client = await nats.connect(server.url)
        assert client.max_payload == 2_000_000
        await client.close()
    assert "always" in (tmp_path / "nats.conf").read_text()
