"""``mcs demo``."""

from __future__ import annotations

from pathlib import Path

import click

from mcs.commands.options import epilog, option


@click.command(
    epilog=epilog(
        ("mcs demo", "about a minute and a half"),
        ("mcs demo --speed 10", "in a hurry"),
        ("mcs demo --fresh", "forget earlier runs"),
        ("mcs log --demo-dir ./mcs-demo", "afterwards: read the log it left"),
    )
)
@option("--dir", metavar="DIR", default="mcs-demo", help="Where the runs are kept, numbered.")
@option("--fresh", is_flag=True, help="Remove the runs that are there.")
@option(
    "--speed",
    metavar="FACTOR",
    type=click.FloatRange(min=0.1, max=100),
    default=1.0,
    help="Clusters' and workloads' time against real time.",
)
@option("--plain", is_flag=True, help="Print lines instead of the live view.")
def demo(*, dir: str, fresh: bool, speed: float, plain: bool) -> None:
    """See it work: a real nats-server, the scheduler, and agents of two clusters kept in memory.

    Ten steps run in cluster1 alone, then elected over both; then a DAG with a pinned step. All of
    it is mcs itself; only Kubernetes is imitated. The log stays in DIR for other commands.
    """
    import shutil
    import sys

    from rich.console import Console

    from mcs.demo.running import DemoSettings, run_demo

    typed = "python -m mcs" if sys.argv[0].endswith(".py") else sys.argv[0]
    program = "mcs" if shutil.which("mcs") else typed
    settings = DemoSettings(
        folder=Path(dir), fresh=fresh, speed=speed, plain=plain, program=program
    )
    played = run_demo(settings, Console(highlight=False))
    if not all(each.well for each in played):
        raise click.ClickException("not every step succeeded; see the log that was left behind")
