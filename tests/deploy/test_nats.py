"""The NATS set-ups in deploy/nats run, and keep the streams as mcs needs them."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml

from mcs.adapters.jetstream import connect
from mcs.adapters.nats_server import NatsServer, embedded_server
from mcs.adapters.streams import apply_streams
from mcs.errors import BadSettings, LogError, Refused
from mcs.ports import Stream
from tools.free_ports import reserve_port

pytestmark = pytest.mark.live

FOLDER = Path(__file__).parents[2] / "deploy" / "nats"
DEC = Stream.DECISIONS
SOON_S = 60.0


def values():
    return yaml.safe_load((FOLDER / "production-values.yaml").read_text())


def jetstream_config(monitor_port):
    """What the server itself says."""
    with urlopen(f"http://127.0.0.1:{monitor_port}/jsz?config=1") as answer:
        return json.load(answer)["config"]


async def takes_the_streams(log):
    await apply_streams(log)
    assert await log.append([("mcs.dec.a.b", b"1")], expected_last=0) == 1
    with pytest.raises(Refused):
        await log.append([("mcs.dec.a.b", b"1"), ("mcs.dec.a.b", b"2")], expected_last=0)


async def test_the_development_server_takes_the_streams(tmp_path):
    port = reserve_port().port
    conf = FOLDER / "dev.conf"
    async with embedded_server(tmp_path, config=conf, extra=["-m", str(port)]) as server:
        log = await connect(server.url)
        await takes_the_streams(log)
        assert (await asyncio.to_thread(jetstream_config, port))["sync_always"] is True
        await log.close()
    assert list((tmp_path / "nats-data").rglob("*.blk"))


async def test_the_manifest_for_kubernetes_holds_the_same_configuration(tmp_path):
    documents = list(yaml.safe_load_all((FOLDER / "dev.yaml").read_text()))
    text = next(d for d in documents if d["kind"] == "ConfigMap")["data"]["nats.conf"]
    settings = {line.strip() for line in text.splitlines() if "_" in line and "dir" not in line}
    assert settings <= {line.strip() for line in (FOLDER / "dev.conf").read_text().splitlines()}
    assert "sync_interval: always" in settings
    conf = tmp_path / "nats.conf"
    conf.write_text(text.replace('"/data"', '"./data"'))
    monitor = ["-m", str(reserve_port().port)]
    async with embedded_server(tmp_path / "store", config=conf, extra=monitor) as server:
        log = await connect(server.url)
        await takes_the_streams(log)
        await log.close()


def test_production_is_three_servers_apart_that_sync_always():
    config, pods = values()["config"], values()["podTemplate"]
    assert config["cluster"]["replicas"] == 3
    assert config["jetstream"]["merge"]["sync_interval"] == "always"
    assert config["merge"]["feature_flags"] == {"js_ack_fc_v2": False}
    rule = pods["merge"]["spec"]["affinity"]["podAntiAffinity"]
    terms = rule["requiredDuringSchedulingIgnoredDuringExecution"]
    assert [term["topologyKey"] for term in terms] == ["kubernetes.io/hostname"]


def cluster_of_three(folder):
    """Three servers on loopback with the configuration that the production values give them."""
    merge, jetstream = values()["config"]["merge"], values()["config"]["jetstream"]["merge"]
    routes = [reserve_port() for _ in range(3)]
    servers = []
    for number, route in enumerate(routes):
        config = {
            "server_name": f"nats-{number}",
            "cluster": {
                "name": "nats",
                "listen": f"127.0.0.1:{route.port}",
                "routes": [f"nats://127.0.0.1:{other.port}" for other in routes],
            },
            "jetstream": jetstream,
            "feature_flags": merge["feature_flags"],
            "max_payload": 1024 * 1024,
        }
        conf = folder / f"nats-{number}.conf"
        conf.write_text(json.dumps(config))
        store = folder / f"store-{number}"
        port = reserve_port().port
        servers.append(NatsServer(store=store, port=port, extra=["-c", str(conf)]))
    return servers


async def eventually(call):
    """A cluster needs a moment to elect; until then it says that it is not ready."""
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                return await call()
            except (LogError, BadSettings):
                await asyncio.sleep(0.1)


async def test_three_servers_keep_the_fence_and_the_log_when_one_dies(tmp_path):
    async with AsyncExitStack() as stack:
        servers = cluster_of_three(tmp_path)
        for server in servers:
            await server.start()
            stack.push_async_callback(server.stop)
        log = await connect(",".join(server.url for server in servers))
        stack.push_async_callback(log.close)
        applied = await eventually(lambda: apply_streams(log, replicas=3))
        assert all(not stream.differences for stream in applied.streams)
        reader = await log.read(DEC)
        part = await log.read(DEC, subject="mcs.dec.b.*")
        last = 0
        for round in range(30):
            if round == 15:
                await servers[0].kill()
            last = await fenced(log, last, round)
        found = await everything(reader, last)
        assert [m.sequence for m in found] == list(range(1, last + 1))
        of_part = [m for m in found if m.subject == "mcs.dec.b.s"]
        assert await everything(part, of_part[-1].sequence) == of_part
        await servers[0].start()
        with pytest.raises(Refused):
            await eventually_refused(log, last - 1)


async def fenced(log, last, round):
    """One decision or a batch of two, settled: stored once, whatever the answer was."""
    messages = [("mcs.dec.a.s", b"%d" % round), ("mcs.dec.b.s", b"%d" % round)][: 1 + round % 2]
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                return await log.append(messages, expected_last=last)
            except Refused:  # by our own append, whose answer was lost
                if (await eventually(lambda: log.info(DEC))).last == last + len(messages):
                    return last + len(messages)
            except LogError:
                await asyncio.sleep(0.05)


async def eventually_refused(log, expected):
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                return await log.append([("mcs.dec.a.s", b"")], expected_last=expected)
            except Refused:
                raise
            except LogError:
                await asyncio.sleep(0.05)


async def everything(reader, last):
    found = []
    while not found or found[-1].sequence < last:
        some = await reader.next(timeout_s=SOON_S)
        assert some
        found += some
    return found
