"""Readers of a server that is killed, paused, cut off, trimmed under them: no skip, no repeat."""

import asyncio

import pytest

from mcs.adapters.jetstream import connect
from mcs.adapters.jetstream_api import Answer, ask
from mcs.adapters.jetstream_delivery import WINDOW, Delivery
from mcs.adapters.nats_server import embedded_server
from mcs.adapters.streams import apply_streams
from mcs.errors import LogError, LogLost
from mcs.ports import Stream
from tools.free_ports import reserve_port

pytestmark = pytest.mark.live

OBS, DEC = Stream.OBSERVATIONS, Stream.DECISIONS
SOON_S = 30.0


async def connected(server):
    log = await connect(server.url)
    await apply_streams(log)
    return log


def batch(start, count=1000):
    return [(f"mcs.dec.c{n % 4}.s", b"%d" % n) for n in range(start, start + count)]


async def fill(log, total):
    for start in range(1, total + 1, 1000):
        await log.append(batch(start, min(1000, total + 1 - start)))


async def read_to(reader, last, *, limit=1000):
    found = []
    while not found or found[-1].sequence < last:
        some = await reader.next(limit=limit, timeout_s=SOON_S)
        assert some, f"nothing after {found[-1].sequence if found else 'the beginning'}"
        found += some
    return found


async def until(condition):
    """Wait for something that nobody announces."""
    async with asyncio.timeout(SOON_S):
        while not condition():
            await asyncio.sleep(0.005)


async def test_fifty_thousand_messages_come_once_and_in_order(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connected(server)
        await fill(log, 50_000)
        found = await read_to(await log.read(DEC), 50_000)
        assert [m.sequence for m in found] == list(range(1, 50_001))
        assert all(int(m.data) == m.sequence for m in found)
        reader = await log.read(DEC, subject="mcs.dec.c1.*")
        part = await read_to(reader, 49_997)
        assert [m.sequence for m in part] == list(range(1, 50_001, 4))
        await log.close()


@pytest.mark.parametrize("subject", ["", "mcs.dec.*.s"])
async def test_a_reader_survives_kills_of_the_server(tmp_path, subject):
    async with embedded_server(tmp_path, port=reserve_port().port) as server:
        log = await connected(server)
        reader = await log.read(DEC, subject=subject)
        found = []
        for start in range(1, 10_001, 2_500):
            await fill_up(log, start, 2_500)
            found += await reader.next(limit=700, timeout_s=SOON_S)
            await server.kill()
            await server.start()
        found += await read_to(reader, 10_000)
        assert [m.sequence for m in found] == list(range(1, 10_001))
        await log.close()


async def fill_up(log, start, count):
    for first in range(start, start + count, 500):
        while (await info(log)).last < first + 499:
            try:
                await log.append(batch(first, 500), expected_last=first - 1)
            except LogError:
                await log.connection.up.wait()


async def info(log):
    async with asyncio.timeout(SOON_S):
        while True:
            await log.connection.up.wait()
            try:
                return await log.info(DEC)
            except LogError:
                await asyncio.sleep(0)


async def test_a_reader_survives_a_server_that_stands_still(tmp_path, monkeypatch):
    monkeypatch.setattr("mcs.adapters.jetstream_reader.HEARTBEAT_S", 0.05)
    async with embedded_server(tmp_path) as server:
        log = await connected(server)
        reader = await log.read(DEC)
        await fill(log, 1)
        await read_to(reader, 1)
        first = reader._delivery
        server.pause()
        await until(lambda: reader._delivery is not first)  # silence, so another is tried
        server.resume()
        await log.append(batch(2, 3))
        assert [m.sequence for m in await read_to(reader, 4)] == [2, 3, 4]
        await log.close()


@pytest.mark.parametrize("subject", ["", "mcs.dec.>"])
async def test_a_deleted_consumer_is_replaced(tmp_path, subject):
    async with embedded_server(tmp_path) as server:
        log = await connected(server)
        reader = await log.read(DEC, subject=subject)
        await fill(log, 10)
        await read_to(reader, 10)
        await ask(log.connection, f"CONSUMER.DELETE.DECISIONS.{reader._delivery._name}", Answer)
        await log.append(batch(11, 5))
        assert [m.sequence for m in await read_to(reader, 15)] == [11, 12, 13, 14, 15]
        await log.close()


@pytest.mark.parametrize("subject", ["", "mcs.dec.>"])
@pytest.mark.parametrize("lost", [4, 8])
async def test_a_message_lost_on_the_way_is_fetched_again(tmp_path, monkeypatch, subject, lost):
    arrived, dropped = Delivery._arrived, []

    async def lossy(self, message):
        if message.data == b"%d" % lost and not dropped:
            dropped.append(message)
            return
        await arrived(self, message)

    monkeypatch.setattr(Delivery, "_arrived", lossy)
    async with embedded_server(tmp_path) as server:
        log = await connected(server)
        reader = await log.read(DEC, subject=subject)
        await fill(log, 8)  # the last one is missed by a heartbeat only
        assert [m.sequence for m in await read_to(reader, 8)] == list(range(1, 9))
        assert dropped
        await log.close()


async def test_a_hole_in_the_stream_is_a_lost_log(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        manager = log.connection.client.jsm()
        await manager.add_stream(name="DECISIONS", subjects=["mcs.dec.>"])
        for number in range(1, 6):
            await log.append([("mcs.dec.a.b", b"%d" % number)])
        await manager.delete_msg("DECISIONS", 3)
        reader = await log.read(DEC)
        assert [m.sequence for m in await read_to(reader, 2)] == [1, 2]
        with pytest.raises(LogLost, match="hole after 2"):
            await reader.next(timeout_s=SOON_S)
        await log.close()


async def test_a_filtered_reader_that_was_behind_a_trim_is_told(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connected(server)
        reader = await log.read(OBS, subject="mcs.obs.c1.>")
        total = WINDOW + 200
        for start in range(0, total, 100):
            frames = [[("mcs.obs.c1.cluster", b"%d" % n)] for n in range(start, start + 100)]
            await asyncio.gather(*map(log.append, frames))
        await until(lambda: len(reader._held) == WINDOW)  # it takes no more until somebody does
        request = {"seq": WINDOW + 150}
        assert (
            await ask(log.connection, "STREAM.PURGE.OBSERVATIONS", Answer, request)
        ).error is None
        with pytest.raises(LogLost):
            await read_to(reader, total)
        await log.close()


async def test_a_filtered_reader_moves_on_over_what_is_not_its_own(tmp_path):
    async with embedded_server(tmp_path, port=reserve_port().port) as server:
        log = await connected(server)
        reader = await log.read(OBS, subject="mcs.obs.c1.>")
        await log.append([("mcs.obs.c1.cluster", b"1")])
        await read_to(reader, 1)
        for _ in range(5):
            await log.append([("mcs.obs.c2.cluster", b"")])
        await until(lambda: reader._delivery is not None and reader._delivery.position == 6)
        await ask(log.connection, "STREAM.PURGE.OBSERVATIONS", Answer, {"seq": 6})
        await server.kill()
        await server.start()
        async with asyncio.timeout(SOON_S):
            await until(lambda: not log.connection.up.is_set() or reader._delivery is not None)
            await log.connection.up.wait()
        await log.append([("mcs.obs.c1.cluster", b"7")])
        assert [m.sequence for m in await read_to(reader, 7)] == [7]
        await log.close()


async def test_what_nobody_takes_does_not_pile_up(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connected(server)
        reader = await log.read(DEC)
        await fill(log, WINDOW + 2_000)
        await until(lambda: len(reader._held) == WINDOW)
        assert reader._delivery is not None
        assert reader._delivery.pulls.open == 0
        assert len(await read_to(reader, WINDOW + 2_000)) == WINDOW + 2_000
        await log.close()


async def test_large_messages_are_held_by_bytes(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connected(server)
        for _ in range(60):
            await log.append([("mcs.dec.a.b", b"x" * 900_000)])
        reader = await log.read(DEC)
        await until(lambda: reader._held)
        await until(lambda: reader._delivery.pulls.open == 0)  # it asks for no more
        assert 8 * 2**20 < reader._held_bytes < 21 * 2**20
        assert [m.sequence for m in await read_to(reader, 60)] == list(range(1, 61))
        await log.close()
