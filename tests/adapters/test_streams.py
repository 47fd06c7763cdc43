"""The streams are made as wanted, compared when there, changed only where nothing is lost."""

import asyncio

import pytest

from mcs.adapters.jetstream import connect
from mcs.adapters.nats_server import embedded_server
from mcs.adapters.streams import (
    AppliedStream,
    AppliedStreams,
    apply_streams,
    differences,
    wanted_config,
)
from mcs.errors import BadSettings, LogError
from mcs.ports import Stream
from tools.free_ports import reserve_port

pytestmark = pytest.mark.live

OBS, DEC = Stream.OBSERVATIONS, Stream.DECISIONS


async def test_missing_streams_are_made_and_found_as_wanted_afterwards(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        made = await apply_streams(log)
        found = await apply_streams(log, change=True)
        assert [s.created for s in made.streams] == [True, True]
        assert [s.created for s in found.streams] == [False, False]
        assert made.as_wanted
        assert found.as_wanted
        assert [s.identity for s in made.streams] == [s.identity for s in found.streams]
        assert len({s.identity for s in made.streams}) == 2
        assert (await log.info(OBS)).identity == made.streams[0].identity
        assert found.server_version == "2.15.1"
        await log.close()


async def test_the_store_of_snapshots_is_made_compared_and_mended(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        made = (await apply_streams(log)).snapshots
        config = (await log.connection.client.jsm().stream_info("OBJ_mcs-snapshots")).config
        await log.connection.client.jsm().update_stream(config.evolve(max_age=3600))
        found = (await apply_streams(log)).snapshots
        mended = await apply_streams(log, change=True)
        again = (await apply_streams(log)).snapshots

        assert (made.stream, made.created) == ("mcs-snapshots", True)
        assert [(d.field, d.safe) for d in found.differences] == [("max_age", True)]
        assert mended.as_wanted
        assert (again.created, again.differences) == (False, ())
        await log.close()


async def test_what_two_make_at_once_is_made_once(tmp_path):
    async with embedded_server(tmp_path) as server:
        logs = [await connect(server.url) for _ in range(4)]
        results = await asyncio.gather(*map(apply_streams, logs))
        for stream in range(2):
            assert len({result.streams[stream].identity for result in results}) == 1
        for log in logs:
            await log.close()


async def test_deletes_are_denied_and_decisions_cannot_be_purged(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        await apply_streams(log)
        manager = log.connection.client.jsm()
        for number in range(3):
            await log.append([("mcs.dec.a.b", b"%d" % number)])
            await log.append([("mcs.obs.c1.cluster", b"%d" % number)])
        for stream in ("OBSERVATIONS", "DECISIONS"):
            with pytest.raises(Exception, match="message delete not permitted"):
                await manager.delete_msg(stream, 1)
        with pytest.raises(Exception, match="purge not permitted"):
            await manager.purge_stream("DECISIONS", seq=2)
        rollup = {"Nats-Rollup": "all"}
        for subject in ("mcs.obs.c1.cluster", "mcs.dec.a.b"):
            with pytest.raises(Exception, match="rollup"):
                await log.connection.client.jetstream().publish(subject, b"", headers=rollup)
        assert (await log.info(OBS)).first == (await log.info(DEC)).first == 1
        await log.close()


async def foreign_stream(log):
    """A stream somebody else made, with settings of their own."""
    await log.connection.client.jsm().add_stream(
        name="DECISIONS",
        subjects=["mcs.dec.>"],
        max_age=3600,
        description="ours",
        metadata={"owner": "ann"},
        storage="memory",
    )


async def test_differences_are_told_and_nothing_is_changed_unasked(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        await foreign_stream(log)
        before = (await log.connection.client.jsm().stream_info("DECISIONS")).config
        decisions = (await apply_streams(log)).streams[1]
        told = {d.field: (d.wanted, d.found, d.safe, d.applied) for d in decisions.differences}
        assert told["storage"] == ("file", "memory", False, False)
        assert told["deny_delete"] == (True, False, True, False)
        assert told["max_age"] == (0, 3600 * 10**9, True, False)
        assert told["metadata.mcs.identity"][1:] == ("", True, False)
        assert "subjects" not in told
        assert not decisions.as_wanted
        assert (await log.connection.client.jsm().stream_info("DECISIONS")).config == before
        await log.close()


async def test_safe_differences_are_applied_when_asked_and_the_rest_stays(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        await foreign_stream(log)
        await log.append([("mcs.dec.a.b", b"kept")])
        decisions = (await apply_streams(log, change=True)).streams[1]
        assert {d.field for d in decisions.differences if not d.applied} == {"storage"}
        assert decisions.identity == (await log.info(DEC)).identity != ""
        again = (await apply_streams(log, change=True)).streams[1]
        assert {d.field for d in again.differences} == {"storage"}
        assert again.identity == decisions.identity
        config = (await log.connection.client.jsm().stream_info("DECISIONS")).config
        assert config.description == "ours"
        assert config.metadata["owner"] == "ann"
        assert (await log.get(DEC, 1)).data == b"kept"
        assert await log.append([("mcs.dec.a.b", b"1"), ("mcs.dec.a.b", b"2")]) == 3
        await log.close()


async def test_more_replicas_than_servers_are_refused(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        with pytest.raises(BadSettings, match="replicas"):
            await apply_streams(log, replicas=3)
        await log.close()


async def test_a_server_without_jetstream_is_told_with_the_remedy(tmp_path):
    conf = tmp_path / "plain.conf"
    conf.write_text("max_payload: 1MB\n")
    async with embedded_server(tmp_path, config=conf) as server:
        log = await connect(server.url)
        with pytest.raises(BadSettings, match="JetStream is not enabled at nats://"):
            await apply_streams(log)
        await log.close()


async def old_server(reader, writer):
    """Speaks as much NATS as a connection needs, and says that it is 2.11."""
    writer.write(b'INFO {"version":"2.11.9","max_payload":1048576,"headers":true}\r\n')
    while line := await reader.readline():
        if line.startswith(b"PING"):
            writer.write(b"PONG\r\n")
    writer.close()


async def test_an_old_server_is_told_to_be_upgraded():
    port = reserve_port().port
    async with await asyncio.start_server(old_server, "127.0.0.1", port):
        log = await connect(f"nats://127.0.0.1:{port}")
        with pytest.raises(BadSettings, match=r"2\.11\.9; mcs needs 2\.12"):
            await apply_streams(log)
        await log.close()


async def test_a_silent_server_is_unavailable(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url, answer_timeout_s=0.2)
        server.pause()
        with pytest.raises(LogError):
            await apply_streams(log)
        server.resume()
        await log.close()


@pytest.mark.parametrize(("found", "safe"), [(1, True), (5, False)])
def test_replicas_may_grow_but_not_shrink(found, safe):
    config = wanted_config(DEC, 3) | {"metadata": {"mcs.identity": "x"}}
    (difference,) = differences(config, config | {"num_replicas": found})
    assert (difference.field, difference.safe) == ("num_replicas", safe)


def test_a_field_the_server_leaves_out_is_off():
    config = wanted_config(OBS, 1) | {"metadata": {"mcs.identity": "x"}}
    without = {field: value for field, value in config.items() if field != "allow_atomic"}
    assert differences(config, without) == ()
    store = AppliedStream(stream="mcs-snapshots", identity="y")
    assert AppliedStreams(server_version="", streams=(), snapshots=store).as_wanted
