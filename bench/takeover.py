"""How soon another scheduler decides, after ``kill -9`` of the active one.

    python -m bench.takeover [--short] [--rounds 20]

Real NATS, two real control planes, two schedulers. Each round kills the active one, creates a pod
at the same moment, and reads in DECISIONS when the successor claimed and when it placed the pod. A
standby claims after two silent seconds, so that is the floor.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from bench.reporting import Report, arguments, median, percentile
from mcs.adapters.jetstream import connect
from mcs.events import codec
from mcs.events.decisions import PodPlaced, SchedulerClaimed
from mcs.ports import Stream
from mcs.settings import SchedulerSettings
from tools.federation import Federation
from tools.processes import Process

_NS = 1_000_000_000
_ACTIVE = re.compile(r"active: reign (\d+)")
_FOLDED = re.compile(r"folded .* messages in")
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "annotations": {"multicluster.admiralty.io/elect": "", "kwok.mcs/run-for": "1s"},
    },
    "spec": {
        "containers": [
            {"name": "main", "image": "busybox", "resources": {"requests": {"cpu": "100m"}}}
        ]
    },
}


class Taken(NamedTuple):
    """Seconds from the kill to the successor's claim, and to its decision about a new pod."""

    claimed_s: float
    placed_s: float


class Decisions:
    """What is decided from now on, with the server's times."""

    def __init__(self, log: Any, reader: Any) -> None:
        self._log, self._reader = log, reader

    @classmethod
    async def begin(cls, url: str) -> Self:
        """Connect, and read from the end."""
        log = await connect(url, name="bench takeover")
        last = (await log.info(Stream.DECISIONS)).last
        return cls(log, await log.read(Stream.DECISIONS, after=last))

    async def until(self, wanted: Callable[[Any], bool]) -> float:
        """Unix time at which the next wanted event was stored."""
        async with asyncio.timeout(120):
            while True:
                for stored in await self._reader.next(limit=1):
                    frame, _ = codec.decode_decision(stored.subject, stored.data)
                    if any(map(wanted, frame.events)):
                        return float(stored.time_ns) / _NS

    async def close(self) -> None:
        """Disconnect."""
        await self._log.close()


def active(schedulers: list[Process]) -> Process:
    """The one that took over last, by the logs."""

    def reign(scheduler: Process) -> int:
        return max(map(int, _ACTIVE.findall(scheduler.log.read_text())), default=0)

    return max((each for each in schedulers if each.running), key=reign)


async def take_over(federation: Federation, name: str) -> Taken:
    """Kill the active scheduler, see another one take over, and start the killed one again."""
    victim, api = active(federation.schedulers), federation.planes["c1"].api
    body = {**POD, "metadata": {**POD["metadata"], "name": name}}  # type: ignore[dict-item]
    decisions = await Decisions.begin(federation.nats.url)
    try:
        killed_s = time.time()
        victim.kill()
        made = await api.create("/api/v1/namespaces/default/pods", body)
        uid = made["metadata"]["uid"]
        claimed_s = await decisions.until(lambda event: isinstance(event, SchedulerClaimed))
        placed_s = await decisions.until(
            lambda event: isinstance(event, PodPlaced) and event.uid == uid
        )
    finally:
        await decisions.close()
    before = len(_FOLDED.findall(victim.log.read_text()))
    await victim.start()
    await federation.wait(
        "a standby", lambda: len(_FOLDED.findall(victim.log.read_text())) > before
    )
    await api.wait_pod(name, "Succeeded", timeout_s=90)
    return Taken(claimed_s - killed_s, placed_s - killed_s)


async def main() -> None:
    """Some rounds, one after the other, between the same two schedulers."""
    chosen = arguments(__doc__, rounds=20)
    rounds = 10 if chosen.short else chosen.rounds
    sync = {"jetstream": {"sync_interval": "always"}}
    async with Federation("c1", "c2", nats=sync) as federation:
        for plane in federation.planes.values():
            await plane.add_nodes(2)
        await federation.add_scheduler()
        taken = [await take_over(federation, f"round-{number}") for number in range(rounds)]
    report, floor = Report("takeover"), SchedulerSettings().silence_s
    for what, values in (
        ("kill -9 to the claim", [each.claimed_s for each in taken]),
        ("kill -9 to a new pod placed", [each.placed_s for each in taken]),
    ):
        report.add(f"{what}, median of {rounds}", median(values), "s", floor)
        report.add(f"{what}, p90", percentile(values, 90), "s", floor)
        report.add(f"{what}, worst", max(values), "s", floor)
    report.show()


if __name__ == "__main__":
    asyncio.run(main())
