"""Commands that only read: ``mcs status``, ``mcs log``, ``mcs why``."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from mcs.commands.options import at_option, epilog, log_source, option, reading_options


@click.command(
    epilog=epilog(
        ("mcs status", ""),
        ("mcs status --json | jq .waiting", "for programs"),
        ("mcs status --demo-dir ./mcs-demo", "of what the demo left behind"),
    )
)
@reading_options
@option("--json", "as_json", is_flag=True, help="Print data instead of tables.")
def status(*, as_json: bool, **options: Any) -> None:
    """Clusters and their free capacity, who waits and why, what runs where, what is stuck.

    It folds the log as a scheduler does; nothing else is asked.
    """
    from mcs.commands import reading

    asyncio.run(reading.status(log_source(options), as_json=as_json))


@click.command(
    epilog=epilog(
        ("mcs log", "everything there is"),
        ("mcs log --follow", "and everything to come"),
        ("mcs log --pod default/step-3", "the story of one pod"),
        ("mcs log --cluster c2 --since 10m", "what concerned c2 lately"),
        ("mcs log --json | jq .event", "whole events, manifests too"),
    )
)
@reading_options
@click.option("--follow", "-f", is_flag=True, envvar="MCS_FOLLOW", show_envvar=True, help="Go on.")
@option("--cluster", metavar="NAME", default="", help="Only what concerns this cluster.")
@option("--pod", metavar="NS/NAME", default="", help="Only what concerns this pod, or its proxy.")
@option("--since", metavar="TIME", default="", help="90s, 10m, 2h30m, 1d, or RFC 3339.")
@option("--all", "everything", is_flag=True, help="Heartbeats, ticks and the like, too.")
@option(
    "--json", "as_json", is_flag=True, help="One JSON object for each event, with all it holds."
)
def log(**options: Any) -> None:
    """The events of both streams, one line each, in the order in which NATS stored them.

    A line tells the time (UTC), the place in its stream (obs or dec), whom it concerns (for
    decisions source → target), and what happened.
    """
    from mcs.commands import reading

    source = log_source(options)
    names = ("follow", "cluster", "pod", "since", "everything", "as_json")
    chosen = {name: options[name] for name in names}
    asyncio.run(reading.log(source, reading.Selection.of(**chosen)))


@click.command(
    epilog=epilog(
        ("mcs why default/step-3", ""),
        ("mcs why default/step-3 --cluster c1", "where several clusters have one"),
        ("mcs why default/step-3 --at 10m", "as it was ten minutes ago"),
        ("mcs why default/step-3 --at dec:45", "and just after decision 45"),
        ("mcs why --demo-dir ./mcs-demo default/step-3", "of what the demo left behind"),
    )
)
@reading_options
@option("--cluster", metavar="NAME", default="", help="The pod's source cluster.")
@at_option
@option("--json", "as_json", is_flag=True, help="Print data instead of tables.")
@click.argument("pod", metavar="NS/NAME")
def why(*, pod: str, cluster: str, at: str, as_json: bool, **options: Any) -> None:
    """Why a pod waits, or runs where it runs: its story, and each cluster's verdict with numbers.

    NS/NAME is the pod that its author created. Numbers are those of the moment of the last
    decision, and of the moment that is asked about: now, or --at. Each verdict names the events
    that it rests on, and the bookings that counted.
    """
    from mcs.commands import telling

    asyncio.run(telling.why(log_source(options), pod, cluster, at=at, as_json=as_json))
