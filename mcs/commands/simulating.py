"""``mcs simulate``: the product against a world that tries to break it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from mcs.commands.options import epilog, option


@click.command(
    epilog=epilog(
        ("mcs simulate --seed 7", "one run, and whether every rule held"),
        ("mcs simulate --seed 7 --trace", "as a story"),
        ("mcs simulate --seeds 1000", "many, on all cores"),
        ("mcs simulate --from 5000 --seeds 20000 --journal sim.jsonl", "long; can be taken up"),
        notes="Exit code 1: a rule was broken. A seed means the same run for ever, on any machine, "
        "as long as the code is the same.",
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
def simulate(
    *,
    seed: int | None,
    trace: bool,
    begin: int,
    seeds: int,
    jobs: int,
    journal: Path | None,
    shrink: bool,
) -> None:
    """Run mcs itself in a simulated federation, drawn from a seed, and check every rule.

    Schedulers and agents are the real ones, unchanged; time, NATS and Kubernetes are simulated, and
    unkind: processes are killed, messages lost, clusters cut off. The rules are I1 to I10 of
    docs/architecture.md.
    """
    from mcs.commands import simulations

    if seed is not None:
        sys.exit(simulations.one(seed, trace=trace, shrinking=shrink))
    sys.exit(simulations.many(begin, seeds, jobs=jobs, journal=journal, shrinking=shrink))
