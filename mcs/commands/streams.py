"""``mcs streams apply``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from mcs.commands.options import epilog, log_source, nats_options, option

if TYPE_CHECKING:
    from mcs.adapters.streams import AppliedStream, AppliedStreams

DIFFERS = 6


@click.group()
def streams() -> None:
    """Make or check the two streams in NATS."""


@streams.command(
    short_help="Create what is missing, say what differs.",
    epilog=epilog(
        ("mcs streams apply", "create what is missing, say what differs"),
        ("mcs streams apply --replicas 3", "for three NATS servers"),
        ("mcs streams apply --change", "and change what loses nothing"),
        notes="Exits with 6 when a stream still differs afterwards.",
    ),
)
@nats_options
@option(
    "--replicas",
    type=click.IntRange(1, 5),
    default=1,
    help="Servers that keep a copy of each stream.",
)
@option("--change", is_flag=True, help="Change settings in place where that loses nothing.")
def apply(*, replicas: int, change: bool, **options: Any) -> None:
    """Create OBSERVATIONS, DECISIONS and the store of snapshots, or compare those that exist.
    Never deletes anything.
    """
    applied = asyncio.run(_apply(log_source(options), replicas, change=change))
    click.echo(f"nats-server {applied.server_version}")
    for stream in (*applied.streams, applied.snapshots):
        _tell(stream, change=change)
    if not applied.as_wanted:
        raise click.exceptions.Exit(DIFFERS)


async def _apply(source: Any, replicas: int, *, change: bool) -> AppliedStreams:
    from mcs.adapters.streams import apply_streams
    from mcs.app import open_nats

    async with open_nats(source, name="mcs streams") as log:
        return await apply_streams(log, replicas=replicas, change=change)


def _tell(stream: AppliedStream, *, change: bool) -> None:
    what = "created" if stream.created else "as wanted" if stream.as_wanted else "differs"
    colour = "red" if what == "differs" else "green"
    click.echo(f"{stream.stream:<13} {click.style(what, fg=colour)}  identity {stream.identity}")
    for difference in stream.differences:
        if difference.applied:
            remedy = click.style("changed", fg="green")
        elif difference.safe and not change:
            remedy = "--change sets it"
        else:
            remedy = "not changed in place: a person has to decide"
        found = "nothing" if difference.found in ("", [], None) else difference.found
        click.echo(f"    {difference.field}: wanted {difference.wanted}, found {found} ({remedy})")
