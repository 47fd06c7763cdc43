"""``mcs replay`` and ``mcs history``: the past, from the log."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from mcs.commands.options import at_option, epilog, log_source, option, reading_options, typed


@click.command(
    epilog=epilog(
        ("mcs replay --at 10m", "how things stood ten minutes ago"),
        ("mcs replay --at dec:45", "just after decision 45"),
        ("mcs replay --at 2026-09-01T12:00:00Z --json", "for programs"),
        ("mcs replay --log /backup/mcs --at obs:678", "of an exported log"),
        ("mcs replay --follow --speed 10", "all of it, as it happened, faster"),
        ("mcs replay --follow --since 1h --at 30m", "half an hour of it"),
    )
)
@reading_options
@at_option
@option("--json", "as_json", is_flag=True, help="Print data instead of tables.")
@click.option(
    "--follow", "-f", is_flag=True, envvar="MCS_FOLLOW", show_envvar=True, help="Play history."
)
@option(
    "--speed",
    metavar="FACTOR",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    help="With --follow: seconds of history in a real one.",
)
@option("--since", metavar="MOMENT", default="", help="With --follow: begin there, as --at.")
@option("--plain", is_flag=True, help="With --follow: print lines instead of the live view.")
def replay(*, at: str, as_json: bool, follow: bool, **options: Any) -> None:
    """Rebuild the state at any moment, and print it as `mcs status` would have shown it then.

    At a time stands all that the logs held then; at a decision, the state that its cycle left; at
    an observation, the state just after it was folded.

    With --follow history is played as it happened, up to --at: clusters fill, proxies stand beside
    their delegates, events pass. More than two seconds without news are shortened, and said.
    Without a terminal events are printed as lines, at their times.
    """
    settings = {name: options.pop(name) for name in ("speed", "since", "plain")}
    source = log_source(options)
    if follow and as_json:
        raise click.UsageError("--json prints one state: leave out one of --follow and --json")
    if settings["since"] and not follow:
        raise click.UsageError("--since says where to begin to play: give --follow, or mean --at")
    for name in ("speed", "plain"):
        if typed(name) and not follow:
            raise click.UsageError(f"--{name} is for playing: give --follow, or leave out --{name}")
    if follow:
        from mcs.commands import playing

        asyncio.run(playing.play(source, playing.Playing(at=at, **settings)))
    else:
        from mcs.commands import reading

        asyncio.run(reading.status(source, as_json=as_json, at=at))


@click.command(
    epilog=epilog(
        ("mcs history default/step-3", ""),
        ("mcs history default/step-3 --cluster c1", "where several clusters have one"),
        ("mcs history default/step-3 --json | jq '.[].stages_s'", "how long each stage took"),
    )
)
@reading_options
@option("--cluster", metavar="NAME", default="", help="The pod's source cluster.")
@at_option
@option("--json", "as_json", is_flag=True, help="Print data instead of tables.")
@click.argument("pod", metavar="NS/NAME")
def history(*, pod: str, cluster: str, at: str, as_json: bool, **options: Any) -> None:
    """Everything that happened to a pod, from its creation to its end, with the time between steps.

    NS/NAME is the pod that its author created. Replaced pods of the same name, and attempts in
    several clusters, are told apart. At the end: how long each stage took.
    """
    from mcs.commands import telling

    asyncio.run(telling.history(log_source(options), pod, cluster, at=at, as_json=as_json))
