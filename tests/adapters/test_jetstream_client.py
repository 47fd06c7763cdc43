"""The client reads on, whatever bytes others use for subjects and headers."""

import asyncio
import socket
from urllib.parse import urlsplit

import pytest

from mcs.adapters.jetstream import connect
from mcs.adapters.nats_server import embedded_server
from mcs.adapters.streams import apply_streams
from mcs.ports import Stream

pytestmark = pytest.mark.live

LINES = {
    "subject": b"PUB mcs.obs.c1.\xff\xfe 2\r\n{}\r\n",
    "status": b"HPUB mcs.obs.c1.proxy 18 20\r\nNATS/1.0 404 \xff\r\n\r\n{}\r\n",
    "header": b"HPUB mcs.obs.c1.proxy 20 22\r\nNATS/1.0\r\nA: \xff\xff\xff\r\n\r\n{}\r\n",
    "controls": b"HPUB mcs.obs.c1.proxy 29 31\r\nNATS/1.0 409 Consumer Del\r\n\r\n{}\r\n",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
async def test_what_is_no_text_is_read_and_so_is_what_follows(tmp_path, line):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        await apply_streams(log)
        parts = urlsplit(server.url)
        with socket.create_connection((parts.hostname, parts.port)) as intruder:
            intruder.sendall(b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n')
            intruder.sendall(line)
            async with asyncio.timeout(20):
                while not (await log.info(Stream.OBSERVATIONS)).last:
                    await asyncio.sleep(0.01)
        await log.append([("mcs.obs.c1.proxy", b"after")])

        reader = await log.read(Stream.OBSERVATIONS)
        found = []
        async with asyncio.timeout(20):
            while len(found) < 2:
                found += await reader.next()
        await log.close()

    assert [stored.data for stored in found] == [b"{}", b"after"]
    assert all(stored.subject.encode() for stored in found)
