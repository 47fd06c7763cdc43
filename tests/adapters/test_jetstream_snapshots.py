"""The object store: what NATS' own client sees of it, damage, missing places, leftovers."""

import pytest

from mcs.adapters import jetstream_snapshots
from mcs.adapters.jetstream import connect
from mcs.adapters.jetstream_snapshots import BUCKET, CHUNKS, STREAM, JetStreamSnapshots
from mcs.adapters.nats_server import embedded_server
from mcs.adapters.streams import apply_streams
from mcs.errors import BadSnapshot, Unavailable

pytestmark = pytest.mark.live


async def test_nats_own_client_reads_our_objects(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        await apply_streams(log)
        subject = JetStreamSnapshots(log.connection)
        await subject.save("a", b"state")
        store = await log.connection.client.jetstream().object_store(BUCKET)
        info = await store.get_info("a")
        stored = (await store.get("a")).data

        assert (info.name, info.size) == ("a", len(stored))
        await log.close()


async def test_without_a_store_the_remedy_is_named(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        subject = JetStreamSnapshots(log.connection)
        with pytest.raises(Unavailable, match="mcs streams apply"):
            await subject.names()
        with pytest.raises(Unavailable):
            await subject.save("a", b"")
        await log.close()


async def test_a_changed_chunk_is_found(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        await apply_streams(log)
        subject = JetStreamSnapshots(log.connection)
        await subject.save("a", b"state")
        (chunks,) = await chunk_subjects(log)
        await log.connection.client.jsm().purge_stream(STREAM, subject=chunks)
        await log.connection.client.jetstream().publish(chunks, b"other")

        with pytest.raises(BadSnapshot, match="not those that were saved"):
            await subject.load("a")
        await log.close()


async def test_old_chunks_that_nothing_names_are_dropped_by_the_next_save(tmp_path, monkeypatch):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        await apply_streams(log)
        subject = JetStreamSnapshots(log.connection)
        await log.connection.client.jetstream().publish(CHUNKS + "dead", b"x")
        await subject.save("a", b"1")
        assert CHUNKS + "dead" in await chunk_subjects(log), "perhaps somebody's who is slow"
        monkeypatch.setattr(jetstream_snapshots, "_ABANDONED_NS", 0)
        await subject.save("a", b"2")

        assert len(await chunk_subjects(log)) == 1
        assert await subject.load("a") == b"2"
        await log.close()


async def chunk_subjects(log):
    info = await log.connection.client.jsm().stream_info(STREAM, subjects_filter=CHUNKS + ">")
    return sorted(info.state.subjects or {})
