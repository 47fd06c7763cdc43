"""Three real schedulers on a real nats-server: killed, paused beyond their reign, woken."""

import asyncio
import re
import signal
import sys
import time

import pytest

from mcs.adapters.jetstream import connect
from mcs.adapters.jetstream_snapshots import JetStreamSnapshots
from mcs.adapters.streams import apply_streams
from mcs.events import codec
from mcs.events.decisions import PodPlaced, SchedulerClaimed
from mcs.ports import Stream
from mcs.services.reading import Ends, Witness, fold
from mcs.services.snapshots import unpack
from tests.building import World, node, proxy
from tools.nats import NatsServer
from tools.processes import Process

pytestmark = pytest.mark.live


class Live(World):
    """An agent's hand on a real log."""

    def __init__(self, log):
        self.log = log
        self.number = 0
        self.queued = []
        super().__init__()

    def _append(self, events):
        pass  # the schedulers decide

    def store(self, subject, data):
        self.queued.append((subject, data))
        self.number += 1
        return self.number

    async def send(self):
        """Append what was made; nobody else but the clock writes, so sequences are looked up."""
        for message in self.queued:
            await self.log.append([message])
        self.queued.clear()

    async def joins(self, cluster, *nodes):
        """As ``join``, with the sequences that the log gave."""
        self.number = (await self.log.info(Stream.OBSERVATIONS)).last
        self.join(cluster, *nodes)
        await self.send()
        assert (await self.log.info(Stream.OBSERVATIONS)).last == self.number


class Schedulers:
    """`mcs scheduler`, several times."""

    def __init__(self, folder, url, *flags):
        self.folder, self.url, self.flags = folder, url, flags
        self.processes = {}

    def spawn(self, name):
        log = self.folder / f"{name}.log"
        command = [sys.executable, "-m", "mcs", "scheduler", "--nats", self.url, *self.flags]
        process = Process(name, command, log=log, ready=lambda: "folded " in log.read_text())
        process.spawn()
        self.processes[name] = process
        return process

    async def active(self):
        """The one that is active; None while one takes over from another."""
        found = [process for process in self.processes.values() if is_active(process)]
        return found[0] if len(found) == 1 else None

    def close(self):
        for process in self.processes.values():
            process.kill()


async def decided(log, kind):
    last = (await log.info(Stream.DECISIONS)).last
    reader = await log.read(Stream.DECISIONS)
    found, at = [], 0
    while at < last:
        for m in await reader.next():
            at = m.sequence
            frame, _ = codec.decode_decision(m.subject, m.data)
            found += [(m, event) for event in frame.events if isinstance(event, kind)]
    await reader.close()
    return found


async def until(condition, *, seconds=60):
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found


async def verified(log):
    """Fold the whole log: each cycle was decided in the state that it says (I3), once (I1)."""
    cycles = []

    def before_cycle(state, frame):
        assert (frame.state, frame.observed) == (state.digest(), state.observed.digest)
        cycles.append(frame.cycle)

    state = Witness(before_cycle)
    await fold(log, state, await Ends.of(log))
    placements = [event.placement for _, event in await decided(log, PodPlaced)]
    assert len(placements) == len(set(placements))
    assert len(cycles) > 3
    return state


async def test_the_killed_one_is_followed_and_the_paused_one_steps_down(tmp_path, capsys):
    server = NatsServer(tmp_path / "nats")
    schedulers = Schedulers(tmp_path, server.url, "--snapshot-every", "1")
    try:
        await server.start()
        log = await connect(server.url)
        await apply_streams(log)
        agents = Live(log)
        await agents.joins("c1", node(cpu=1_000_000))
        first = schedulers.spawn("s1")

        async def reigns():
            return [event.reign for _, event in await decided(log, SchedulerClaimed)]

        async def placed(count):
            names = [event.name for _, event in await decided(log, PodPlaced)]
            return len(names) == count

        await until(reigns)
        for name in ("s2", "s3"):
            process = schedulers.spawn(name)
            await process.wait_ready()
        agents.proxies("c1", proxy("u1"))
        await agents.send()
        await until(lambda: placed(1))

        began = time.monotonic()
        first.kill()
        agents.proxies("c1", proxy("u2"))
        await agents.send()
        await until(lambda: placed(2))
        took_s = time.monotonic() - began
        claims = await decided(log, SchedulerClaimed)
        gap_s = await silence(log, claims[1][0].sequence)
        with capsys.disabled():
            sys.stdout.write(
                f"\n  kill -9 to the next decision: {took_s:.2f} s ({gap_s:.2f} s of silence)\n"
            )
        # A busy machine may pause an active one for two seconds all by itself.
        assert one_after_the_other(await reigns(), at_least=2)

        second = await until(schedulers.active)
        second.pause()
        agents.proxies("c1", proxy("u3"))
        await agents.send()
        await until(lambda: placed(3))
        second.resume()
        await until(lambda: deposed(second))
        third = await until(schedulers.active)
        assert one_after_the_other(await reigns(), at_least=3)

        third.kill()  # and the one that stepped down has rebuilt, and takes over again
        agents.proxies("c1", proxy("u4"))
        await agents.send()
        await until(lambda: placed(4))

        assert one_after_the_other(await reigns(), at_least=4)
        assert second.log.read_text().count("active: reign") >= 2
        state = await verified(log)
        assert len(state.ledger.placements) == 4
        await last_snapshot_fits(log)
        await log.close()
    finally:
        for process in schedulers.processes.values():
            if process.running:
                process._child.send_signal(signal.SIGCONT)
        schedulers.close()
        server.close()


def one_after_the_other(reigns, *, at_least):
    return reigns == list(range(1, len(reigns) + 1)) and len(reigns) >= at_least


async def silence(log, sequence):
    """Seconds between a decision and the one before it, by the server's clock."""
    after, before = [await log.get(Stream.DECISIONS, sequence - back) for back in (0, 1)]
    return (after.time_ns - before.time_ns) / 1e9


def is_active(process):
    """Whether a scheduler says that it became active and not that it was deposed since."""
    said = re.findall(r"active: reign|deposed:", process.log.read_text())
    return bool(said) and process.running and said[-1] != "deposed:"


async def deposed(process):
    text = process.log.read_text()
    return "deposed:" in text and "folded" in text.rpartition("deposed:")[2]


async def last_snapshot_fits(log):
    store = JetStreamSnapshots(log.connection)
    names = await until(store.names)
    head, state = unpack(await store.load(names[0]))
    stored = await log.get(Stream.DECISIONS, head.decided.sequence + 1)
    frame, _ = codec.decode_decision(stored.subject, stored.data)
    assert (frame.state, frame.observed) == (state.digest(), state.observed.digest)
