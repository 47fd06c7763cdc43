"""mcs on two real control planes beside the same without mcs, on the same ones in the same run.

    python -m bench.kubernetes [--short] [--only burst,argo …]

Elected pods are created in c1 and run in c1 and c2; plain ones run in c1. Both kinds take turns,
so that a busy machine slows both alike. Nodes are so many that capacity is never the limit, but
the request limits of kube-scheduler and KWOK are (both kinds meet them).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial

from bench.bursts import NAMESPACE, PATH, REST_S, Bench, burst, delegates
from bench.clusters import ENABLED, Client, pod
from bench.costs import webhook_seconds
from bench.reporting import Report, arguments, percentile
from bench.stages import Trace, report_stages
from mcs.demo.scenarios import floor_s, scenarios
from mcs.names import Keys
from tools.argo_example import ArgoExample
from tools.federation import Federation

CASES = ("webhook", "single", "burst", "argo")
FILES = {"alone": "single-cluster-parallel", "elected": "multi-cluster-parallel"}


async def webhook(bench: Bench) -> None:
    """What the webhook adds to a create: dry runs, which end after admission."""
    client, path = bench.clients["c1"], f"{PATH}?dryRun=All"
    took: dict[bool, list[float]] = {True: [], False: []}
    before = await webhook_seconds(client)
    for number in range(200 if bench.short else 1000):
        for elected in (False, True):
            begun = time.perf_counter()
            await client.ask("POST", path, pod(f"dry-{number}", elected=elected))
            took[elected].append((time.perf_counter() - begun) * 1000)
    after = await webhook_seconds(client)
    _report(bench.report, "webhook: create, dry run", took)
    mean = (after[0] - before[0]) / (after[1] - before[1]) * 1000
    bench.report.add("webhook: as the API server counts it, mean", mean, "ms")


async def single(bench: Bench) -> None:
    """One pod at a time, from create to Running as its author sees it."""
    took: dict[bool, list[float]] = {True: [], False: []}
    answered: dict[str, tuple[float, float]] = {}
    trace = await Trace.begin(bench.federation.nats.url)
    async with bench.watches() as watches:
        pods = watches["c1"].pods
        for number in range(-3, 30 if bench.short else 150):  # three to warm up
            for elected in (False, True):
                (name,) = bench.names(1, elected=elected)
                asked, done = await bench.create(name, elected=elected)
                await watches["c1"].until(partial(watches["c1"].runs, name))
                await asyncio.sleep(0.05)
                await bench.delete([name])
                for watch in watches.values():
                    await watch.until(watch.emptied)
                if number >= 0:
                    took[elected].append(((pods[name].running or 0) - asked) * 1000)
                    if elected:
                        answered[name] = asked, done
        _report(bench.report, "single: create to Running", took)
        await report_stages(
            bench.report,
            "single",
            trace,
            answered=answered,
            proxies=pods,
            delegates=delegates(watches),
        )
    await trace.close()


def _report(report: Report, case: str, took: dict[bool, list[float]]) -> None:
    """Milliseconds of elected pods beside those of plain ones, and what mcs adds."""
    for percent in (50, 99):
        value, floor = (percentile(took[elected], percent) for elected in (True, False))
        report.add(f"{case}, p{percent}", value, "ms", floor)
        report.add(f"{case}, added at p{percent}", value - floor, "ms")


async def argo(report: Report) -> None:
    """Scenario A: ten steps of ten seconds by the real Argo, in one cluster and over two.

    The floor is what the capacity allows: steps that fit at once, wave after wave.
    """
    known = {each.run: each for each in scenarios(Keys())}
    async with ArgoExample() as example:
        for run, file in FILES.items():
            floor = floor_s(known[run], await example.capacities())
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
            await plane.add_nodes(10, cpu="32", memory="128Gi", pods=250)
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
