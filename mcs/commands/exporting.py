"""``mcs export``: the log, copied to a folder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from mcs.commands.options import epilog, log_source, reading_options


@click.command(
    epilog=epilog(
        ("mcs export /backup/mcs", "all there is; later, what is new"),
        ("mcs status --log /backup/mcs", "read it, without NATS"),
        ("zcat /backup/mcs/decisions-*.gz | jq .frame.events", "read it, without mcs"),
    )
)
@reading_options
@click.argument("target", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path))
def export(*, target: Path, **options: Any) -> None:
    """Copy the log to FOLDER: both streams, with their sequences and times, as compressed JSON
    lines, and a manifest of digests.

    Run it again to add what is new. It may be interrupted at any moment: the next run goes on.
    FOLDER is refused when it holds another log, or more of this one than NATS has now.
    """
    asyncio.run(_export(log_source(options), target))


async def _export(source: Any, folder: Path) -> None:
    from mcs.adapters.clock import SystemClock
    from mcs.adapters.files_archive import open_archive
    from mcs.app import open_log
    from mcs.commands.progress import Shown
    from mcs.services.exporting import Copied, export

    with open_archive(folder, SystemClock()) as archive, Shown("messages") as shown:

        def progress(copied: Copied) -> None:
            shown.show(copied.stream, copied.messages, copied.total)

        async with open_log(source, name="mcs export") as log:
            copied = await export(log, archive, progress)
        manifest = archive.manifest
    segments = [each for kept in manifest.streams.values() for each in kept.segments]
    for each in copied:
        kept = manifest.streams[each.stream]
        held = f"{kept.first} to {kept.last}" if kept.segments else "nothing"
        click.echo(f"{each.stream:<13} {held}, {each.messages} new")
    size = sum(each.size for each in segments) / 2**20
    click.echo(f"{folder}: {size:.1f} MiB in {len(segments)} segments")
    click.echo(f"Digest {manifest.token}")
