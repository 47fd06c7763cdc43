"""mcs on two real control planes beside the same without mcs, on the same ones in the same run.

    python -m bench.kubernetes [--short] [--only burst,delete …]

Elected pods are created in c1 and run in c1 and c2; plain ones run in c1. Both kinds take turns,
so that a busy machine slows both alike. Nodes are so many that capacity is never the limit, but
kube-scheduler's and KWOK's own request limits are (both kinds meet them).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from bench.clusters import ENABLED, Client, Watch, pod, together
from bench.costs import Meter, Requests, total, webhook_seconds, writes
from bench.reporting import Report, arguments, median, percentile, say
from bench.stages import Trace, report_stages
from mcs.demo.scenarios import floor_s, scenarios
from mcs.names import Keys
from tools.argo_example import ArgoExample
from tools.federation import Federation

NAMESPACE = "bench"
PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"
NODES = {"cpu": "32", "memory": "128Gi", "pods": 250}
REST_S = 4.0  # until kube-scheduler's request limiter (50 a second, 100 at once) is full again
CASES = ("webhook", "single", "burst", "argo")
FILES = {"alone": "single-cluster-parallel", "elected": "multi-cluster-parallel"}
ROUNDS = {100: 5, 300: 3, 1000: 1}


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
            [lambda name=name: self.clients["c1"].ask("DELETE", f"{PATH}/{name}") for name in names]
        )

    async def writes(self) -> Requests:
        """Writes that both API servers have answered."""
        return total([await writes(client) for client in self.clients.values()])


async def webhook(bench: Bench) -> None:
    """What the webhook adds to a create: dry runs, which end after admission."""
    rounds = 200 if bench.short else 600
    client, path = bench.clients["c1"], f"{PATH}?dryRun=All"
    took: dict[bool, list[float]] = {True: [], False: []}
    before = await webhook_seconds(client)
    for number in range(rounds):
        for elected in (False, True):
            begun = time.perf_counter()
            await client.ask("POST", path, pod(f"dry-{number}", elected=elected))
            took[elected].append((time.perf_counter() - begun) * 1000)
    after = await webhook_seconds(client)
    for percent in (50, 99):
        value, floor = (percentile(took[elected], percent) for elected in (True, False))
        bench.report.add(f"create, dry run, p{percent}", value, "ms", floor)
        bench.report.add(f"webhook added p{percent}", value - floor, "ms")
    mean = (after[0] - before[0]) / (after[1] - before[1]) * 1000
    bench.report.add("webhook as the API server counts it, mean", mean, "ms")


async def single(bench: Bench) -> None:
    """One pod at a time, from create to Running as its author sees it."""
    rounds = 30 if bench.short else 120
    took: dict[bool, list[float]] = {True: [], False: []}
    answered: dict[str, tuple[float, float]] = {}
    trace = await Trace.begin(bench.federation.nats.url)
    async with bench.watches() as watches:
        pods = watches["c1"].pods
        for number in range(-3, rounds):
            for elected in (False, True):
                (name,) = bench.names(1, elected=elected)
                asked, done = await bench.create(name, elected=elected)
                await watches["c1"].until(lambda n=name: n in pods and pods[n].running)
                await asyncio.sleep(0.05)
                await bench.delete([name])
                await watches["c1"].until(lambda n=name: pods[n].gone)
                if number >= 0:
                    took[elected].append((pods[name].running - asked) * 1000)
                    if elected:
                        answered[name] = asked, done
                await asyncio.sleep(0.15)  # the delegate goes, too
        await report_stages(
            bench.report,
            "single",
            trace,
            answered=answered,
            proxies=pods,
            delegates=_delegates(watches),
        )
    await trace.close()
    for percent in (50, 99):
        value, floor = (percentile(took[elected], percent) for elected in (True, False))
        bench.report.add(f"single: create to Running p{percent}", value, "ms", floor)
        bench.report.add(f"single: added p{percent}", value - floor, "ms")


async def burst(bench: Bench) -> None:
    """Bursts until all are Running, then all deleted until all are gone."""
    sizes = [100, 300] if bench.short else [100, 300, 1000]
    for size in sizes:
        started: dict[bool, list[float]] = {True: [], False: []}
        ended: dict[bool, list[float]] = {True: [], False: []}
        for number in range(1 if bench.short else ROUNDS[size]):
            for elected in (False, True):
                await asyncio.sleep(REST_S)
                first = number == 0
                up, down = await _round(bench, size, elected=elected, telling=first and elected)
                started[elected].append(up)
                ended[elected].append(down)
                say(f"{size} {'elected' if elected else 'plain'}: {up:.2f} s, {down:.2f} s")
        bench.report.add(
            f"burst {size}: until Running", median(started[True]), "s", median(started[False])
        )
        bench.report.add(
            f"delete {size}: until gone", median(ended[True]), "s", median(ended[False])
        )


async def _round(bench: Bench, size: int, *, elected: bool, telling: bool) -> tuple[float, float]:
    """Seconds until all are Running, and until all are gone."""
    names = bench.names(size, elected=elected)
    before, meter = await bench.writes(), Meter(bench.federation)
    trace = await Trace.begin(bench.federation.nats.url)
    answered: dict[str, tuple[float, float]] = {}

    async def create(name: str) -> None:
        answered[name] = await bench.create(name, elected=elected)

    async with bench.watches() as watches:
        begun = time.time()
        await together([lambda name=name: create(name) for name in names])
        await watches["c1"].until(
            lambda: all(n in watches["c1"].pods and watches["c1"].pods[n].running for n in names)
        )
        up = max(watches["c1"].pods[name].running or 0 for name in names) - begun
        if telling:
            spent, _ = meter.read()
            await asyncio.sleep(2)
            _report_writes(bench, size, await bench.writes() - before)
            for part, used in spent.items():
                bench.report.add(f"burst {size}: CPU of {part}", used.cpu_s, "s")
                bench.report.add(f"burst {size}: memory of {part}", used.rss_mib, "MiB")
            await report_stages(
                bench.report,
                f"burst {size}",
                trace,
                answered=answered,
                proxies=watches["c1"].pods,
                delegates=_delegates(watches),
            )
        await asyncio.sleep(REST_S)
        begun = time.time()
        await bench.delete(names)
        for watch in watches.values():
            await watch.until(lambda w=watch: w.count("gone") == len(w.pods))
        down = max(seen.gone or 0 for watch in watches.values() for seen in watch.pods.values())
    await trace.close()
    return up, down - begun


def _report_writes(bench: Bench, size: int, counted: Requests) -> None:
    for what, count in sorted(counted.items()):
        if count >= size / 10:
            bench.report.add(f"burst {size}: {what} per pod", count / size, "requests")


def _delegates(watches: dict[str, Watch]) -> dict[str, object]:
    prefix = f"c1-{NAMESPACE}-"
    return {
        name.removeprefix(prefix): seen
        for watch in watches.values()
        for name, seen in watch.pods.items()
        if name.startswith(prefix)
    }


async def argo(report: Report) -> None:
    """Scenario A: ten steps of ten seconds by the real Argo, in one cluster and over two.

    The floor is what the capacity allows: steps that fit at once, wave after wave.
    """
    files = {each.run: each for each in scenarios(Keys()) if each.run in FILES}
    async with ArgoExample() as example:
        for run, file in FILES.items():
            floor = floor_s(files[run], await example.capacities())
            ran = await example.run(file)
            assert ran.phase == "Succeeded", ran.workflow
            report.add(f"argo: {file}", ran.took_s, "s", floor)


async def main() -> None:
    """The cases that were asked for, on control planes of their own."""
    chosen = arguments(__doc__, only=",".join(CASES))
    cases, report = chosen.only.split(","), Report("kubernetes")
    if set(cases) - {"argo"}:
        await _pods(report, cases, short=chosen.short)
    if "argo" in cases:
        await argo(report)
    report.show()


async def _pods(report: Report, cases: list[str], *, short: bool) -> None:
    """The cases that make their own pods, on one pair of control planes."""
    async with AsyncExitStack() as stack:
        federation = await stack.enter_async_context(Federation("c1", "c2"))
        bench = Bench(federation, report, short=short)
        for name, plane in federation.planes.items():
            await plane.add_nodes(10, **NODES)
            home = {"apiVersion": "v1", "kind": "Namespace"}
            await plane.apply({**home, "metadata": {"name": NAMESPACE, "labels": ENABLED}})
            await plane.api.wait(
                f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default", lambda _: True
            )
            bench.clients[name] = await stack.enter_async_context(Client(plane))
        await asyncio.sleep(REST_S)
        for case, run in (("webhook", webhook), ("single", single), ("burst", burst)):
            if case in cases:
                await run(bench)


if __name__ == "__main__":
    asyncio.run(main())
