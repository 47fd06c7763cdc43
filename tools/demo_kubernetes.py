"""`make demo-kubernetes`: the demo between two real control planes, with the real Argo controller.

Three workflows (`examples/argo`) are submitted in cluster1 as any user would, one after the other.
The log stays behind in a folder, and `mcs` reads it.

    python -m tools.demo_kubernetes [--dir mcs-demo-kubernetes] [--fresh]
"""

import argparse
import asyncio
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from mcs.demo.folder import new_run
from mcs.demo.scenarios import Scenario, floor_s, scenarios
from mcs.demo.screen import heading
from mcs.demo.summary import Played, chart, summary, what_next
from mcs.demo.watching import Work
from mcs.errors import BadSettings
from mcs.names import Keys
from mcs.simulation.workloads import Outcome
from tools import parts
from tools.argo_example import CLUSTERS, NAMESPACE, ArgoExample, Ran, StepPod

FILES = {
    "alone": "single-cluster-parallel",
    "elected": "multi-cluster-parallel",
    "dag": "multi-cluster-dag",
}
_COLUMNS = "NAME:.metadata.name,STATUS:.status.phase,NODE:.spec.nodeName,STARTED:.status.startTime"


async def demo(folder: Path, console: Console, *, fresh: bool) -> list[Played]:
    """All three workflows; returns how each went."""
    run = new_run(folder, fresh=fresh)
    console.print("starting NATS, two control planes, the scheduler, two agents, Argo …")
    async with ArgoExample() as example:
        console.print(
            f"Argo looks at a workflow every {example.argo.requeue_s:g} s (default: 10 s)"
        )
        played = [await _play(example, each, console) for each in scenarios(Keys())]
        for cluster in CLUSTERS:
            await _show_pods(example, cluster, console)
        nats = example.federation.nats
        nats.stop()
        shutil.copytree(nats.store / "jetstream", run / "nats" / "jetstream")
    console.print(summary(played, charts=False))
    console.print(what_next(played, folder, _program()), soft_wrap=True)
    return played


async def _play(example: ArgoExample, scenario: Scenario, console: Console) -> Played:
    capacities = await example.capacities()
    floor = floor_s(scenario, capacities)
    file = FILES[scenario.run]
    console.print(Text(f"\n{scenario.title} (examples/argo/{file}.yaml)", "bold"))
    console.print(heading(scenario, floor, capacities), soft_wrap=True)
    ran = await example.run(file, _Progress(console))
    played = Played(
        scenario=scenario,
        floor_s=floor,
        capacities=capacities,
        outcomes=(Outcome(step=ran.name, phase=ran.phase, ended_s=ran.took_s),),
        works=tuple(_work(ran, step, step.name) for step in ran.steps),
    )
    labelled = tuple(_work(ran, step, step.label) for step in ran.steps)
    took = f"workflow {ran.name}: {ran.phase} after {ran.took_s:.1f} s, floor {floor:.0f} s"
    console.print(Text(took, "green" if played.well else "red"))
    console.print(chart(msgspec.structs.replace(played, works=labelled)))
    return played


class _Progress:
    """One line whenever a step has come further."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ""

    def __call__(self, passed_s: float, steps: list[StepPod]) -> None:
        phases: dict[str, Counter[str]] = {}
        for step in steps:
            where = step.cluster if step.node else "waiting"
            phase = step.worker.get("status", {}).get("phase", "Pending")
            phases.setdefault(where, Counter())[phase] += 1
        told = "   ".join(
            f"{where}: " + ", ".join(f"{count} {phase}" for phase, count in sorted(found.items()))
            for where, found in sorted(phases.items())
        )
        if told != self._last:
            self._console.print(f"{passed_s:5.1f} s  {told}", soft_wrap=True)
            self._last = told


def _work(ran: Ran, step: StepPod, name: str) -> Work:
    started, ended = step.times
    return Work(
        run=ran.name,
        name=name,
        created_s=step.created_s,
        phase=step.pod["status"]["phase"],
        ran=step.worker.get("status", {}).get("phase", ""),
        place=(step.cluster, step.node),
        started_s=started,
        ended_s=ended,
        elected=step.elected,
    )


async def _show_pods(example: ArgoExample, cluster: str, console: Console) -> None:
    command = ("get", "pods", "-n", NAMESPACE, "--sort-by=.metadata.creationTimestamp")
    table = await example.federation.planes[cluster].kubectl(
        *command, "-o", f"custom-columns={_COLUMNS}"
    )
    console.print(Text(f"\n{cluster}: kubectl get pods", "bold"))
    console.print(Text(table.rstrip()), soft_wrap=True)


def _program() -> str:
    """How who reads this can call mcs."""
    return "mcs" if shutil.which("mcs") else os.path.relpath(Path(sys.executable).with_name("mcs"))


def main() -> int:
    """0 when every workflow succeeded, 2 for a folder that cannot be used, 130 interrupted."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--dir", type=Path, default=Path("mcs-demo-kubernetes"))
    parser.add_argument("--fresh", action="store_true", help="remove earlier runs first")
    chosen = parser.parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    for part in ("etcd", "kubernetes", "kwok", "argo"):
        parts.locate(part)  # builds what is missing, and says so
    try:
        played = asyncio.run(demo(chosen.dir, console, fresh=chosen.fresh))
    except KeyboardInterrupt:
        console.print("interrupted; a log is kept of a demo that reaches its end")
        return 130
    except BadSettings as error:
        console.print(Text(str(error), "red"), soft_wrap=True)
        return 2
    return 0 if all(each.well for each in played) else 1


if __name__ == "__main__":
    sys.exit(main())
