"""Bursts of pods: until all are Running, and then until all are gone; and what that cost.

Plain and elected bursts take turns. Before each, a rest, until the request limiter of
kube-scheduler (50 a second, 100 at once) is full again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import msgspec

from bench.clusters import Client, Seen, Watch, pod, together
from bench.costs import Meter, Requests, Use, total, writes
from bench.reporting import Report, median, say
from bench.stages import Trace, report_stages
from tools.federation import Federation

NAMESPACE = "bench"
PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"
REST_S = 4.0
SETTLE_S = 2.0  # Events and leases follow a little later
ROUNDS = {100: 5, 300: 3, 1000: 1}
WARM_UP = 50
SHORT = {100: 1, 300: 1}


class Bench:
    """Two clusters, a client for each, and the figures."""

    def __init__(self, federation: Federation, report: Report, *, short: bool) -> None:
        self.federation, self.report, self.short = federation, report, short
        self.clients: dict[str, Client] = {}
        self._serial = 0

    def names(self, count: int, *, elected: bool) -> list[str]:
        """New names for pods."""
        self._serial += 1
        kind = "elected" if elected else "plain"
        return [f"{kind}-{self._serial}-{number}" for number in range(count)]

    @asynccontextmanager
    async def watches(self) -> AsyncIterator[dict[str, Watch]]:
        """Watches of both clusters."""
        async with AsyncExitStack() as stack:
            yield {
                name: await stack.enter_async_context(Watch(client, NAMESPACE))
                for name, client in self.clients.items()
            }

    async def create(self, name: str, *, elected: bool) -> tuple[float, float]:
        """Create a pod in c1; when it was asked for, and when answered."""
        asked = time.time()
        await self.clients["c1"].ask("POST", PATH, pod(name, elected=elected))
        return asked, time.time()

    async def delete(self, names: list[str]) -> None:
        """Delete pods of c1, as fast as they can be sent."""
        await together(
            [partial(self.clients["c1"].ask, "DELETE", f"{PATH}/{name}") for name in names]
        )

    async def writes(self) -> Requests:
        """Writes that both API servers have answered."""
        return total([await writes(client) for client in self.clients.values()])


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One burst: seconds until all were Running and gone, and what it cost until then."""

    up_s: float
    down_s: float
    creating: Requests
    deleting: Requests
    used: dict[str, Use]


async def burst(bench: Bench) -> None:
    """All sizes, both kinds."""
    for elected in (False, True):  # connections, caches, compiled policies
        await _round(bench, WARM_UP, elected=elected, staged=False)
    sizes = SHORT if bench.short else ROUNDS
    for size, count in sizes.items():
        rounds: dict[bool, list[Round]] = {True: [], False: []}
        for number in range(count):
            for elected in (False, True):
                await asyncio.sleep(REST_S)
                done = await _round(bench, size, elected=elected, staged=elected and number == 0)
                rounds[elected].append(done)
                kind = "elected" if elected else "plain"
                say(f"{size} {kind}: Running {done.up_s:.2f} s, gone {done.down_s:.2f} s")
        _report(bench.report, size, rounds[True], rounds[False])
        if size == max(sizes):
            _report_use(bench.report, size, rounds[True][-1], rounds[False][-1])


async def _round(bench: Bench, size: int, *, elected: bool, staged: bool) -> Round:
    names = bench.names(size, elected=elected)
    answered: dict[str, tuple[float, float]] = {}

    async def create(name: str) -> None:
        answered[name] = await bench.create(name, elected=elected)

    trace = await Trace.begin(bench.federation.nats.url)
    before, meter = await bench.writes(), Meter(bench.federation)
    async with bench.watches() as watches:
        pods = watches["c1"].pods
        begun = time.time()
        await together([partial(create, name) for name in names])
        await watches["c1"].until(lambda: all(n in pods and pods[n].running for n in names))
        up_s = max(pods[name].running or 0 for name in names) - begun
        used = meter.read()
        await asyncio.sleep(SETTLE_S)
        created = await bench.writes()
        if staged:
            await report_stages(
                bench.report,
                f"burst {size}",
                trace,
                answered=answered,
                proxies=pods,
                delegates=delegates(watches),
            )
        await asyncio.sleep(REST_S)
        begun = time.time()
        await bench.delete(names)
        for watch in watches.values():
            await watch.until(watch.emptied)
        ends = [seen.gone or 0 for watch in watches.values() for seen in watch.pods.values()]
        await asyncio.sleep(SETTLE_S)
    await trace.close()
    return Round(
        up_s=up_s,
        down_s=max(ends) - begun,
        creating=created - before,
        deleting=await bench.writes() - created,
        used=used,
    )


def delegates(watches: dict[str, Watch]) -> dict[str, Seen]:
    """Delegates of both clusters, by their proxies' names."""
    prefix = f"c1-{NAMESPACE}-"
    return {
        name.removeprefix(prefix): seen
        for watch in watches.values()
        for name, seen in watch.pods.items()
        if name.startswith(prefix)
    }


def _report(report: Report, size: int, ours: list[Round], plain: list[Round]) -> None:
    """Medians of times; of one round the rest, where plain pods' figures are the floor."""
    for case, ended in ((f"burst {size}: until Running", "up_s"), (f"delete {size}", "down_s")):
        value, floor = (
            median([getattr(each, ended) for each in rounds]) for rounds in (ours, plain)
        )
        report.add(case, value, "s", floor)
    mine, theirs = ours[-1], plain[-1]
    for verb, kind in (("create", "creating"), ("delete", "deleting")):
        counted, floors = getattr(mine, kind), getattr(theirs, kind)
        for what in sorted(counted):
            if counted[what] > size / 10 and not what.endswith("leases"):
                case = f"{verb} {size}: {what} per pod"
                report.add(case, counted[what] / size, "requests", floors[what] / size)
    spent, floor = (sum(use.cpu_s for use in each.used.values()) for each in (mine, theirs))
    report.add(f"burst {size}: CPU of all", spent, "s", floor)


def _report_use(report: Report, size: int, mine: Round, theirs: Round) -> None:
    """CPU and memory of each process; plain pods leave some idle, so floors are small there."""
    for part, use in mine.used.items():
        floor = theirs.used[part]
        report.add(f"burst {size}: CPU of {part}", use.cpu_s, "s", floor.cpu_s)
        report.add(f"burst {size}: memory of {part}", use.rss_mib, "MiB", floor.rss_mib)
