"""From ``ProxyObserved`` stored to ``PodPlaced`` stored, through a real nats-server on disk.

    python -m bench.pipeline [--short] [--pods 100000] [--seconds 20] [--clusters 20] [--nodes 50]

Three processes: the server, ``mcs scheduler`` as users start it, and this one, which publishes
frames as agents do and reads DECISIONS. Both times of a pod are the server's, so nobody's clock and
no delay on the way to us is in them. First pods come one to a frame at a steady pace; then as many
as fit at once, eight agents having one append of 64 pods under way each.

The floor is an echo in the scheduler's place: it appends each frame that it reads to DECISIONS,
under the same fence and through the same adapter, and folds and decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.load import Load
from bench.reporting import Report, arguments, percentile, say
from mcs.adapters.jetstream import JetStream, connect
from mcs.adapters.streams import apply_streams
from mcs.events import subjects
from mcs.events.decisions import PodPlaced
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.events.observations import ProxyObserved
from mcs.ports import Stream
from tools.api import Api
from tools.free_ports import reserve_port
from tools.nats import NatsServer
from tools.processes import Process

_WARM_UP: Final = 512
_MARKS: Final = {"mcs": b'"type":"pod.placed"', "echo": b'"type":"proxy.observed"'}
_SYNC: Final[dict[str, dict[str, Any]]] = {
    "": {},
    ", sync always": {"jetstream": {"sync_interval": "always"}},
}
_observations = msgspec.json.Decoder(ObservationFrame)
_decisions = msgspec.json.Decoder(DecisionFrame)


class Outcome(msgspec.Struct):
    """What one run gave: seconds of latency by pace, pods a second, processor seconds by part."""

    latencies: dict[int, list[float]] = {}
    pods_per_s: float = 0.0
    cpu_s: dict[str, float] = {}


async def latencies(log: JetStream, load: Load, uids: set[str]) -> list[float]:
    """Seconds from stored to stored, of these pods."""
    arrived: dict[str, int] = {}
    reader, last = await log.read(Stream.OBSERVATIONS), (await log.info(Stream.OBSERVATIONS)).last
    sequence = 0
    while sequence < last:
        for stored in await reader.next():
            sequence = stored.sequence
            if stored.subject.endswith(f".{subjects.PROXY}"):
                frame = _observations.decode(stored.data)
                arrived |= {uid: stored.time_ns for uid in _uids(frame) if uid in uids}
    await reader.close()
    found: list[float] = []
    for stored in load.decided:
        echoed = _MARKS["echo"] in stored.data
        decode = _observations.decode if echoed else _decisions.decode
        told = _uids(decode(stored.data))
        found += [(stored.time_ns - arrived[uid]) / 1e9 for uid in told if uid in uids]
    assert len(found) == len(uids), "each pod is placed once"
    return found


def _uids(frame: ObservationFrame | DecisionFrame) -> list[str]:
    events = (event for event in frame.events if isinstance(event, ProxyObserved | PodPlaced))
    return [event.uid for event in events]


@contextlib.asynccontextmanager
async def worker(folder: Path, url: str, *, echo: bool) -> AsyncIterator[Process]:
    """A scheduler that is active, or the echo."""
    with contextlib.ExitStack() as stack:
        port = reserve_port()
        stack.callback(port.release)
        health, log = Api(f"http://127.0.0.1:{port.port}", folder), folder / "worker.log"
        command = [sys.executable, "-m", "bench.pipeline", "--echo", url]
        if not echo:
            command = [sys.executable, "-m", "mcs", "scheduler", "--nats", url]
            command += ["--metrics-port", str(port.port)]

        def ready() -> bool:
            if echo:
                return log.exists() and "ready" in log.read_text()
            return health.answers("/readyz")

        process = Process("worker", command, log=log, ready=ready)
        await process.start()
        try:
            yield process
        finally:
            process.kill()


async def echo(url: str) -> None:
    """Append what is observed to DECISIONS, as it is; for ever."""
    log = await connect(url)
    last = (await log.info(Stream.DECISIONS)).last
    reader = await log.read(Stream.OBSERVATIONS, after=(await log.info(Stream.OBSERVATIONS)).last)
    print("ready", flush=True)
    while True:
        arrived = [
            (subjects.decision("c0001", stored.subject.split(".")[2]), stored.data)
            for stored in await reader.next(limit=256)
            if stored.subject.endswith(f".{subjects.PROXY}")
        ]
        if arrived:
            last = await log.append(arrived, expected_last=last)


async def run(options: Any, sync: str, *, echoes: bool, answers: bool) -> Outcome:
    """One server, one worker, all loads one after the other."""
    outcome, folder = Outcome(), Path(tempfile.mkdtemp(prefix="mcs-pipeline-"))
    mark = _MARKS["echo" if echoes else "mcs"]
    async with NatsServer(folder / "nats", configuration=_SYNC[sync]) as server:
        log = await connect(server.url)
        await apply_streams(log)
        load = Load(log, options.clusters, mark=mark, answers=answers)
        await load.set_up(options.nodes)
        async with worker(folder, server.url, echo=echoes) as process:
            tasks = [asyncio.create_task(load.read()), asyncio.create_task(load.heartbeats())]
            await load.burst(_WARM_UP)
            paces = {} if answers else {100: options.seconds, 1000: options.seconds / 2}
            for per_s, seconds in paces.items():
                uids = await load.pace(per_s, seconds)
                outcome.latencies[per_s] = await latencies(log, load, uids)
            parts = {"scheduler": process, "nats-server": server}
            before = {part: each.cpu_seconds() for part, each in parts.items()}
            outcome.pods_per_s = await load.burst(options.pods)
            for part, each in parts.items():
                outcome.cpu_s[part] = each.cpu_seconds() - before[part]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await log.close()
    shutil.rmtree(folder)
    return outcome


async def main() -> None:
    """All runs, each with its floor."""
    options = arguments(__doc__, pods=100_000, seconds=20.0, clusters=20, nodes=50, echo="")
    if options.echo:
        await echo(options.echo)
        return
    if options.short:
        options.pods, options.seconds, options.clusters, options.nodes = 4000, 4.0, 8, 20
    report = Report("pipeline")
    for sync in _SYNC:
        floor = await run(options, sync, echoes=True, answers=False)
        ours = await run(options, sync, echoes=False, answers=False)
        for per_s, values in ours.latencies.items():
            for percent in (50, 99):
                value, least = (
                    1000 * percentile(each, percent) for each in (values, floor.latencies[per_s])
                )
                report.add(f"{per_s} pods/s: p{percent}{sync}", value, "ms", least)
        report.add(f"saturation{sync}", ours.pods_per_s, "pods/s", floor.pods_per_s)
        for part, seconds in ours.cpu_s.items():
            value, least = (1e6 * each / options.pods for each in (seconds, floor.cpu_s[part]))
            report.add(f"saturation: processor of {part}, per pod{sync}", value, "us", least)
        say(f"sync{sync or ' as by default'}: done")
    bound = await run(options, "", echoes=False, answers=True)
    report.add("saturation, targets answer", bound.pods_per_s, "pods/s")
    report.show()


if __name__ == "__main__":
    asyncio.run(main())
