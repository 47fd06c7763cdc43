"""``mcs simulate``: the product against a world that tries to break it, or a workload against a
federation.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

import click

from mcs.commands.options import epilog, option, together, typed

_ABOUT_RUNS: Final = frozenset({"trace", "begin", "seeds", "jobs", "journal", "shrink"})
_ABOUT_WORKLOADS: Final = frozenset(
    {"policies", "separate", "clusters", "nodes", "pods", "load", "trials", "as_json"}
)

_workload_options = together(
    option(
        "--workload",
        metavar="WHAT",
        multiple=True,
        help="Measure placement instead, with a workload: steady, bursts, diurnal or heavy-tail; "
        "or with files of Alibaba's GPU trace of 2023, a list of nodes and a list of pods (so this "
        "option stands twice).",
    ),
    option(
        "--policy",
        "policies",
        metavar="TEXT",
        multiple=True,
        show_default="most-replicas",
        help="Workload: the placement policy; several times: one row for each.",
    ),
    option(
        "--separate/--no-separate",
        default=True,
        help="Workload: also play it in separate clusters, each with only its own pods.",
    ),
    option(
        "--clusters",
        metavar="N",
        type=click.IntRange(1, 1000),
        default=4,
        help="Workload: in so many clusters.",
    ),
    option(
        "--nodes",
        metavar="N",
        type=click.IntRange(1, 10_000),
        default=None,
        show_default="6",
        help="Workload, unless of files: nodes in each cluster, of 16 cpu and 64Gi.",
    ),
    option(
        "--pods",
        metavar="N",
        type=click.IntRange(1),
        default=None,
        show_default="2000; all of a file",
        help="Workload: so many pods.",
    ),
    option(
        "--load",
        metavar="X",
        type=click.FloatRange(0.001, 1000),
        default=1.0,
        help="Workload: pods arrive X times as fast.",
    ),
    option(
        "--trials",
        metavar="N",
        type=click.IntRange(0, 1000),
        default=5,
        help="Workload: orders in which nodes are taken away, to find how few would do; 0: do not.",
    ),
    option("--json", "as_json", is_flag=True, help="Workload: one JSON object instead of tables."),
)


@click.command(
    epilog=epilog(
        ("mcs simulate --seed 7", "one run, and whether every rule held"),
        ("mcs simulate --seed 7 --trace", "as a story"),
        ("mcs simulate --seeds 1000", "many, on all cores"),
        ("mcs simulate --from 5000 --seeds 20000 --journal sim.jsonl", "long; can be taken up"),
        ("mcs simulate --workload bursts", "is a federation worth it? waits, nodes saved"),
        ("mcs simulate --workload steady --load 1.3", "the same under pressure"),
        ("mcs simulate --workload nodes.csv --workload pods.csv", "a real cluster's trace"),
        notes="Exit code 1: a rule was broken. A seed means the same run for ever, on any machine, "
        "as long as the code is the same. What the figures of a workload mean: docs/quality.md.",
    )
)
@option("--seed", metavar="N", type=click.IntRange(0), default=None, help="Run this one seed.")
@option("--trace", is_flag=True, help="Tell the run as a story: plan, log, writes to clusters.")
@option("--from", "begin", metavar="N", type=click.IntRange(0), default=0, help="First of many.")
@option("--seeds", metavar="N", type=click.IntRange(1), default=100, help="How many.")
@option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    show_default="all cores",
    help="Processes.",
)
@option(
    "--journal",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Keep what is done there, and do only the rest next time.",
)
@option("--shrink/--no-shrink", default=True, help="Look for the smallest plan that still fails.")
@_workload_options
def simulate(
    *,
    seed: int | None,
    trace: bool,
    begin: int,
    seeds: int,
    jobs: int,
    journal: Path | None,
    shrink: bool,
    workload: tuple[str, ...],
    **measured: Any,
) -> None:
    """Run mcs itself in a simulated federation, drawn from a seed, and check every rule.

    Schedulers and agents are the real ones, unchanged; time, NATS and Kubernetes are simulated, and
    unkind: processes are killed, messages lost, clusters cut off. The rules are I1 to I10 of
    docs/architecture.md.

    With --workload: play pods that arrive, run and end through the real placement, on counted time
    and without failures, as a federation and as separate clusters. It tells how long pods waited,
    how full clusters were, how much of what was free was of no use, and how few nodes would have
    done. --seed is then the workload's.
    """
    _belong(_ABOUT_RUNS if workload else _ABOUT_WORKLOADS, workload=bool(workload))
    if workload:
        from mcs.commands import workloads

        workloads.compare(workloads.Asked(names=workload, seed=seed or 0, **measured))
        return
    from mcs.commands import simulations

    if seed is not None:
        sys.exit(simulations.one(seed, trace=trace, shrinking=shrink))
    sys.exit(simulations.many(begin, seeds, jobs=jobs, journal=journal, shrinking=shrink))


def _belong(foreign: frozenset[str], *, workload: bool) -> None:
    """Options that would do nothing are a mistake, not a wish."""
    for parameter in click.get_current_context().command.params:
        if parameter.name in foreign and typed(parameter.name):
            goes = "does not go with" if workload else "needs"
            raise click.UsageError(f"{parameter.opts[0]} {goes} --workload")
