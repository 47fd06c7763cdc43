"""The event log on a real server that is killed, paused and restarted, and who may connect."""

import asyncio
import base64
import socket

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mcs.adapters.jetstream import connect
from mcs.adapters.jetstream_login import Login, login_options
from mcs.adapters.nats_server import embedded_server
from mcs.adapters.streams import apply_streams
from mcs.errors import BadSettings, LogError, Refused, Unavailable, Uncertain
from mcs.ports import Stream
from tools.free_ports import reserve_port

pytestmark = pytest.mark.live

OBS, DEC = Stream.OBSERVATIONS, Stream.DECISIONS
SOON_S = 60.0


async def connected(server, **options):
    log = await connect(server.url, **options)
    await apply_streams(log)
    return log


async def impatient(server, answer_timeout_s):
    """Gives up on answers soon, but only from now on: to make the streams may take its time."""
    log = await connected(server)
    log.connection.answer_timeout_s = answer_timeout_s
    return log


async def when_up(log):
    async with asyncio.timeout(SOON_S):
        await log.connection.up.wait()


async def settled_append(log, data, last):
    """Append under the fence until it is known to be stored exactly once."""
    while True:
        try:
            return await log.append([("mcs.dec.a.b", data)], expected_last=last)
        except Refused:  # by our own message, whose answer was lost
            stored = await log.get(DEC, last + 1)
            assert stored is not None
            assert stored.data == data
            return last + 1
        except (Uncertain, Unavailable):
            await when_up(log)


async def test_an_appender_survives_kills_and_stores_each_message_once(tmp_path):
    async with embedded_server(tmp_path, port=reserve_port().port) as server:
        log = await connected(server)
        halves = asyncio.Event()

        async def append_all():
            last = 0
            for number in range(1, 601):
                last = await settled_append(log, str(number).encode(), last)
                assert last == number
                if number % 200 == 100:
                    halves.set()

        appending = asyncio.create_task(append_all())
        for _ in range(3):
            async with asyncio.timeout(SOON_S):
                await halves.wait()
            halves.clear()
            await server.kill()
            await server.start()
        async with asyncio.timeout(SOON_S):
            await appending
        reader = await log.read(DEC)
        found = []
        while len(found) < 600:
            found += await reader.next(timeout_s=SOON_S)
        assert [int(m.data) for m in found] == list(range(1, 601))
        await log.close()


async def test_an_append_without_an_answer_is_uncertain_and_may_be_stored(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await impatient(server, 0.3)
        server.pause()
        for messages in ([("mcs.dec.a.b", b"1")], [("mcs.dec.a.b", b"2"), ("mcs.dec.a.b", b"3")]):
            with pytest.raises(Uncertain):
                await log.append(messages)
        server.resume()
        log.connection.answer_timeout_s = SOON_S
        reader = await log.read(DEC)
        found = []
        while len(found) < 3:
            found += await reader.next(timeout_s=SOON_S)
        assert [m.data for m in found] == [b"1", b"2", b"3"]
        with pytest.raises(Refused) as refused:  # the retry under the fence cannot repeat it
            await log.append([("mcs.dec.a.b", b"1")], expected_last=0)
        assert refused.value.actual == 3
        await log.close()


async def test_a_lost_connection_ends_an_append_at_once(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connected(server, answer_timeout_s=100 * SOON_S)
        server.pause()
        appending = asyncio.create_task(log.append([("mcs.dec.a.b", b"1")]))
        await asyncio.sleep(0)
        await server.kill()
        async with asyncio.timeout(SOON_S):
            with pytest.raises((Uncertain, Unavailable)):
                await appending
            with pytest.raises(Unavailable):
                await log.append([("mcs.dec.a.b", b"1")])
        await log.close()


async def test_nothing_unsent_is_sent_after_a_reconnect(tmp_path):
    async with embedded_server(tmp_path, port=reserve_port().port) as server:
        log = await connected(server)
        late = b"PUB mcs.dec.a.b 4\r\nlate\r\n"
        log.connection.client._pending.append(late)  # as a publish in the moment of the break
        log.connection.client._pending_data_size += len(late)
        await server.kill()
        while log.connection.up.is_set():  # bounded by pytest's own time limit
            await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await log.append([("mcs.dec.a.b", b"refused")])
        await server.start()
        await when_up(log)
        assert await log.append([("mcs.dec.a.b", b"now")]) == 1
        stored = await log.get(DEC, 1)
        assert stored is not None
        assert stored.data == b"now"
        await log.close()


async def test_a_stream_without_batches_says_what_to_do(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connected(server)
        manager = log.connection.client.jsm()
        await manager.delete_stream("DECISIONS")
        await manager.add_stream(name="DECISIONS", subjects=["mcs.dec.>"])
        with pytest.raises(Unavailable, match="mcs streams apply"):
            await log.append([("mcs.dec.a.b", b"1"), ("mcs.dec.a.b", b"2")], expected_last=0)
        await log.close()


async def test_a_server_that_is_not_there_is_named():
    url = f"nats://user:secret@127.0.0.1:{reserve_port().port}"
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1.*running") as failure:
        await connect(url, timeout_s=0.2)
    assert "secret" not in str(failure.value)


async def test_a_server_that_never_speaks_is_given_up():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(Unavailable):
            await connect(f"nats://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)


@pytest.mark.parametrize("url", ["nats://:4222", "nats://host:notaport", "ws://a:1,nats://b:2"])
async def test_what_is_no_url_is_refused_by_name(url):
    with pytest.raises(BadSettings):
        await connect(url, timeout_s=SOON_S)


def nkey():
    """The seed of a new user's nkey; its checksum is not looked at."""
    user = 20 << 3
    body = bytes([18 << 3 | user >> 5, (user & 31) << 3])
    body += Ed25519PrivateKey.generate().private_bytes_raw()
    return base64.b32encode(body + b"\0\0").decode().rstrip("=")


async def test_an_nkey_or_a_password_opens_the_server(tmp_path):
    seed_file = tmp_path / "user.nk"
    seed_file.write_text(nkey() + "\n")
    _, public = login_options(Login(nkey_file=str(seed_file)))
    assert public.startswith("U")
    conf = tmp_path / "nats.conf"
    users = f"[{{nkey: {public}}}, {{user: ann, password: secret}}]"
    conf.write_text(f"authorization {{ users: {users} }}\n")
    async with embedded_server(tmp_path / "store", extra=["-c", str(conf)]) as server:
        for login in (Login(nkey_file=str(seed_file)), Login(user="ann", password="secret")):
            log = await connect(server.url, login=login)
            assert not (await apply_streams(log)).streams[0].differences
            await log.close()
        for login in (Login(), Login(user="ann", password="wrong")):
            with pytest.raises(BadSettings, match="credentials") as failure:
                await connect(server.url, login=login)
            assert "wrong" not in str(failure.value)


async def test_errors_are_all_of_our_own_tree(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await impatient(server, 0.2)
        server.pause()
        for call in (log.info(OBS), log.get(OBS, 1), log.last(OBS, "mcs.obs.>"), log.ask("mcs.x")):
            with pytest.raises(LogError):
                await call
        server.resume()
        await log.close()
