"""``mcs verify``: the log held against itself, and against what is known of it outside."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from mcs.commands.options import domain_option, epilog, log_source, option, reading_options


@click.command(
    epilog=epilog(
        ("mcs verify", "the live log"),
        ("mcs verify --log /backup/mcs", "an exported one"),
        ("mcs verify --expect $(mcs status --json | jq -r .token)", "is it still that log?"),
        ("mcs verify --json | jq .verdict", "for programs"),
        notes="Exit codes: 0 clean; 7 a difference; 8 nothing is wrong, but not every cycle can be "
        "derived here (rules of another version, or trimmed observations); 3 and 4 the log cannot "
        "be read, or has a hole.",
    )
)
@reading_options
@domain_option
@option(
    "--expect",
    metavar="DIGEST",
    default="",
    help="A digest of this log known outside it: `mcs status` and an export's manifest have it.",
)
@option("--json", "as_json", is_flag=True, help="Print data instead of tables.")
def verify(*, expect: str, domain: str, as_json: bool, **options: Any) -> None:
    """Walk the whole log: is every frame there, unchanged and in its place, and does every decision
    follow?

    Each cycle is decided again in the state that it was based on, under its policy, and compared
    byte for byte, with the digest of its scheduler's state. For a difference it prints the first
    frame, both versions, and the events that led to it.
    """
    from mcs.commands import verdicts

    source = log_source(options)
    verified = verdicts.verified(source, domain=domain, expect=expect, as_json=as_json)
    sys.exit(asyncio.run(verified))
