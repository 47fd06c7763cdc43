import asyncio
import contextlib
import os
import socket
import ssl
import time

import aiohttp
import pytest

from mcs.adapters.certificates import CA_CERTIFICATE, CERTIFICATE, KEY, OwnAuthority
from mcs.adapters.webhook_server import WebhookServer
from mcs.errors import BadSettings
from mcs.names import Keys
from mcs.objects.reviewing import review


def material(hosts=("127.0.0.1", "localhost")):
    return OwnAuthority(hosts).renewed({}, time.time())


def trusting(data):
    return ssl.create_default_context(cadata=data[CA_CERTIFICATE].decode())


@contextlib.asynccontextmanager
async def serving(data, answer=lambda body: (200, body), **options):
    async with WebhookServer(answer, host="127.0.0.1", port=0, **options) as server:
        await server.use(data[CERTIFICATE], data[KEY])
        yield server, f"https://127.0.0.1:{server.url_port}"


async def post(url, body, tls):
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, ssl=tls) as answer,
    ):
        return answer.status, await answer.read()


async def test_it_answers_over_tls_that_its_authority_vouches_for():
    data = material()

    async with serving(data) as (_, url):
        assert await post(f"{url}/mutate", b"hello", trusting(data)) == (200, b"hello")
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await post(f"{url}/mutate", b"hello", trusting(material()))


async def test_it_says_that_it_lives():
    data = material()

    async with serving(data) as (_, url), aiohttp.ClientSession() as session:
        async with session.get(f"{url}/healthz", ssl=trusting(data)) as answer:
            assert answer.status == 200
        async with session.get(f"{url}/mutate", ssl=trusting(data)) as answer:
            assert answer.status == 405


async def test_a_certificate_is_exchanged_while_it_runs():
    old, new = material(), material()

    async with serving(old) as (server, url):
        port = server.url_port
        await server.use(new[CERTIFICATE], new[KEY])

        assert server.url_port == port
        assert (await post(f"{url}/mutate", b"x", trusting(new)))[0] == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await post(f"{url}/mutate", b"x", trusting(old))


@pytest.mark.parametrize("certificate", [b"", b"nonsense"])
async def test_an_unusable_certificate_leaves_the_old_one_in_use(certificate):
    data = material()

    async with serving(data) as (server, url):
        with pytest.raises(BadSettings):
            await server.use(certificate, data[KEY])
        with pytest.raises(BadSettings):
            await server.use(data[CERTIFICATE], material()[KEY])

        assert (await post(f"{url}/mutate", b"x", trusting(data)))[0] == 200


async def test_a_body_beyond_the_limit_is_refused():
    data = material()

    async with serving(data, body_max=1000) as (_, url):
        assert (await post(f"{url}/mutate", b"x" * 1000, trusting(data)))[0] == 200
        assert (await post(f"{url}/mutate", b"x" * 1001, trusting(data)))[0] == 413


async def test_bad_bytes_are_a_bad_request_and_the_next_one_is_served():
    data = material()

    async with serving(data, lambda body: review(body, Keys())) as (_, url):
        assert (await post(f"{url}/mutate", b"{", trusting(data)))[0] == 400
        good = b'{"request": {"uid": "r", "object": {}}}'
        assert (await post(f"{url}/mutate", good, trusting(data)))[0] == 200


async def test_a_bug_in_an_answer_is_an_error_and_the_next_one_is_served():
    data = material()

    def answer(body):
        if body == b"bug":
            raise RuntimeError("bug")
        return 200, body

    async with serving(data, answer) as (_, url):
        assert (await post(f"{url}/mutate", b"bug", trusting(data)))[0] == 500
        assert (await post(f"{url}/mutate", b"x", trusting(data)))[0] == 200


async def test_many_are_answered_at_once():
    data = material()

    async with serving(data) as (_, url):
        answers = await asyncio.gather(
            *(post(f"{url}/mutate", b"%d" % number, trusting(data)) for number in range(50))
        )

    assert answers == [(200, b"%d" % number) for number in range(50)]


def ask_and_stay(port, tls):
    """Ask as a client that then neither closes its connection nor listens; its bare socket."""
    with tls.wrap_socket(
        socket.create_connection(("127.0.0.1", port)), server_hostname="localhost"
    ) as made:
        made.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert made.recv(1000).startswith(b"HTTP/1.1 200")
        return socket.socket(fileno=os.dup(made.fileno()))


def listen_to_the_end(bare):
    with bare:
        bare.settimeout(10.0)
        while bare.recv(1000):
            pass


async def test_a_client_that_never_says_goodbye_is_hung_up_on():
    data = material()

    async with serving(data) as (server, _):
        bare = await asyncio.to_thread(ask_and_stay, server.url_port, trusting(data))

    await asyncio.to_thread(listen_to_the_end, bare)


async def test_clients_that_keep_their_connections_take_leave():
    data = material()

    async with aiohttp.ClientSession() as session:
        async with serving(data) as (_, url):
            for _ in range(2):
                async with session.get(f"{url}/healthz", ssl=trusting(data)) as answer:
                    assert await answer.text() == "ok"

        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{url}/healthz", ssl=trusting(data))
