"""An agent of a large cluster: memory, CPU at rest and while pods change, time to a full account.

    python -m bench.agent [--short] [--nodes 5000] [--pods 20000] [--seconds 60]

One real control plane whose nodes KWOK keeps, a real nats-server, a scheduler that reads along, and
the agent by its own command. Pods are created with their ``nodeName``, so that the cluster's own
scheduler is not what is measured. At rest each node says every five minutes that it is well, as
kubelets do. The floor is a process with the same libraries that only lists and watches
(``_bare_watcher``); it runs beside the agent, so both read the same changes.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.clusters import Client
from bench.large_cluster import Etcd, LargeCluster
from bench.reporting import Report, arguments, say
from mcs.adapters.jetstream import JetStream, connect
from mcs.events import codec, subjects
from mcs.events.observations import ResyncCompleted, ResyncStarted
from mcs.ports import Stream
from tools.controlplane import Options
from tools.federation import Federation
from tools.processes import Process

BEAT_EVERY_S = 300  # a kubelet's nodeStatusReportFrequency
CHANGES_PER_S = 100
CHANGES_PER_LIFE = 5  # created, running, deletion asked, ended, gone
SETTLE_S = 10.0
_QUIET = Options(node_lease_s=1200, node_monitor_grace_period_s=3600)
_CAPACITY = subjects.observation("c1", subjects.CAPACITY)


class Account(NamedTuple):
    """A full account of channel capacity in the log: when it ended (Unix seconds), and its size."""

    ended: float
    frames: int
    events: int
    bytes: int


async def account(log: JetStream, after: int, timeout_s: float = 600.0) -> Account:
    """The first full account that begins after a sequence of OBSERVATIONS."""
    reader = await log.read(Stream.OBSERVATIONS, after=after, subject=_CAPACITY)
    frames = events = size = 0
    async with asyncio.timeout(timeout_s):
        while True:
            for stored in await reader.next(limit=1000):
                frame, _ = codec.decode_observation(stored.subject, stored.data)
                if frames == 0 and not isinstance(frame.events[0], ResyncStarted):
                    continue
                frames, size = frames + 1, size + len(stored.data)
                events += len(frame.events)
                if isinstance(frame.events[-1], ResyncCompleted):
                    await reader.close()
                    return Account(stored.time_ns / 1e9, frames, events, size)


def mib(process: Process, field: str = "VmRSS") -> float:
    """Resident memory in MiB: now, or at most so far (``VmHWM``)."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (found,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(found.split()[1]) / 1024


class Bench:
    """What is measured with."""

    def __init__(
        self, report: Report, federation: Federation, log: JetStream, cluster: LargeCluster
    ) -> None:
        self.report, self.federation, self.log, self.cluster = report, federation, log, cluster
        self.agent = federation.agents["c1"]
        self.floor: Process
        self.size = f"{cluster.nodes} nodes, {cluster.pods} pods"

    async def started(self) -> None:
        """Start the agent, until its first full account is in the log."""
        after = (await self.log.info(Stream.OBSERVATIONS)).last
        begun = time.time()
        self.agent.spawn()
        found = await account(self.log, after)
        floor = msgspec.json.decode(self.floor.log.read_bytes().splitlines()[-1])["took_s"]
        self.report.add("start to full account", found.ended - begun, "s", floor)
        self.report.add("CPU until then", self.agent.cpu_seconds(), "s")
        self.report.add("full account: frames", found.frames, "frames")
        self.report.add("full account: events", found.events, "events")
        self.report.add("full account: size", found.bytes / 2**20, "MiB")
        await self.agent.wait_ready()

    async def asked(self) -> None:
        """A full account on request, while all is known already."""
        await asyncio.sleep(SETTLE_S)  # no two accounts in a row on demand
        after = (await self.log.info(Stream.OBSERVATIONS)).last
        begun, used = time.time(), self.agent.cpu_seconds()
        subject = subjects.control("c1", "_scheduler", "resync")
        answer = await self.log.ask(subject, subjects.CAPACITY.encode(), timeout_s=5)
        assert answer == b"accepted", answer
        found = await account(self.log, after)
        self.report.add("full account on request", found.ended - begun, "s")
        self.report.add("full account on request: CPU", self.agent.cpu_seconds() - used, "s")
        self.memory("after it")

    def memory(self, when: str) -> None:
        """Resident memory now, and the most so far."""
        self.report.add(f"memory {when}", mib(self.agent), "MiB", mib(self.floor))
        self.report.add(f"memory {when}: peak", mib(self.agent, "VmHWM"), "MiB")

    async def spent(self, when: str, seconds: float, work: Callable[[], Awaitable[float]]) -> None:
        """CPU of the agent and of the floor over some seconds, in thousandths of a core."""
        before = {each: each.cpu_seconds() for each in (self.agent, self.floor)}
        first = (await self.log.info(Stream.OBSERVATIONS)).last
        begun = time.monotonic()
        changes = await work()
        took = time.monotonic() - begun
        ours, floor = (
            1000 * (each.cpu_seconds() - before[each]) / took for each in (self.agent, self.floor)
        )
        last = (await self.log.info(Stream.OBSERVATIONS)).last
        say(f"{when}: {seconds:g} s asked, {took:.0f} s taken, {last - first} frames")
        self.report.add(f"CPU {when}", ours, "mCPU", floor)
        if changes:
            self.report.add(f"pod changes {when}", changes / took, "1/s")


async def paced(per_s: float, seconds: float, act: Callable[[int], Awaitable[object]]) -> int:
    """Do something so often in a second; how often it was done."""
    begun, tasks = time.monotonic(), set[asyncio.Task[object]]()
    for number in itertools.count():
        due = begun + number / per_s
        if due > begun + seconds:
            break
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.ensure_future(act(number))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return number


async def measure(bench: Bench, seconds: float) -> None:
    """All figures of a running cluster."""
    cluster = bench.cluster

    async def rest() -> float:
        await paced(cluster.nodes / BEAT_EVERY_S, seconds, cluster.beat)
        return 0.0

    async def touches() -> float:
        return await paced(CHANGES_PER_S, seconds, cluster.touch)

    async def lives() -> float:
        rate = CHANGES_PER_S / CHANGES_PER_LIFE
        return CHANGES_PER_LIFE * await paced(rate, seconds, cluster.live)

    await bench.started()
    await asyncio.sleep(SETTLE_S)
    bench.memory("after the full account")
    await bench.spent("at rest", seconds, rest)
    await bench.spent("while pods change that say nothing new", seconds, touches)
    await bench.spent("while pods come and go", seconds, lives)
    bench.memory("after changes")
    await bench.asked()


@asynccontextmanager
async def prepared(report: Report, nodes: int, pods: int) -> AsyncIterator[Bench]:
    """A federation of one large cluster, whose agent is away; and the floor, listing."""
    async with AsyncExitStack() as stack:
        federation = await stack.enter_async_context(Federation("c1", options=_QUIET))
        plane, agent = federation.planes["c1"], federation.agents["c1"]
        log = await connect(federation.nats.url)
        stack.push_async_callback(log.close)
        client = await stack.enter_async_context(Client(plane))
        await asyncio.sleep(SETTLE_S)
        report.add("memory in an empty cluster", mib(agent), "MiB")
        agent.stop()
        etcd = await stack.enter_async_context(Etcd(plane.etcd_url))
        cluster = LargeCluster(plane, client, etcd, nodes=nodes, pods=pods)
        begun = time.monotonic()
        await cluster.fill()
        say(f"{nodes} nodes and {pods} pods made in {time.monotonic() - begun:.0f} s")
        bench = Bench(report, federation, log, cluster)
        file = federation.folder / "floor.log"
        bench.floor = Process(
            "floor",
            [sys.executable, "-m", "bench._bare_watcher", plane.url, plane.folder],
            log=file,
            ready=lambda: file.exists() and b"took_s" in file.read_bytes(),
            ready_timeout_s=600,
        )
        await bench.floor.start()
        stack.callback(bench.floor.kill)
        yield bench


async def main() -> None:
    """Measure, print."""
    options = arguments(__doc__, nodes=5_000, pods=20_000, seconds=60)
    part = 10 if options.short else 1
    nodes, pods = options.nodes // part, options.pods // part
    seconds = options.seconds / (3 if options.short else 1)
    report = Report("agent")
    async with prepared(report, nodes, pods) as bench:
        try:
            await measure(bench, seconds)
        except BaseException:
            say(bench.federation.tails())
            raise
    report.show()


if __name__ == "__main__":
    asyncio.run(main())
