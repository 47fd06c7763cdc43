"""Options that several commands share. Every option is also an environment variable ``MCS_…``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

NATS: Final = "nats://127.0.0.1:4222"


class Unknown(click.ClickException):
    """A pod or cluster that the log does not know."""

    exit_code = 5


def option(name: str, *more: str, **settings: Any) -> Callable[[F], F]:
    """A click option with its environment variable, ``--metrics-port`` → ``MCS_METRICS_PORT``."""
    flag = name.partition("/")[0].removeprefix("--")
    variable = "MCS_" + flag.upper().replace("-", "_")
    settings.setdefault("show_default", settings.get("default") not in (None, "", ()))
    return click.option(name, *more, envvar=variable, show_envvar=True, **settings)


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in the order given."""

    def decorate(function: F) -> F:
        for each in reversed(options):
            function = each(function)
        return function

    return decorate


nats_options: Callable[[F], F] = together(
    option("--nats", metavar="URL", default=NATS, help="Where NATS is; several: with commas."),
    option("--nats-creds", metavar="FILE", default="", help="NATS credentials (JWT and seed)."),
    option("--nats-nkey", metavar="FILE", default="", help="NATS nkey seed."),
    option("--nats-user", metavar="NAME", default="", help="NATS user."),
    option(
        "--nats-password",
        metavar="TEXT",
        default="",
        help="Its password (better set by the environment).",
    ),
    option("--nats-ca", metavar="FILE", default="", help="CA of the NATS servers, PEM."),
    option("--nats-cert", metavar="FILE", default="", help="Client certificate, PEM."),
    option("--nats-key", metavar="FILE", default="", help="Its key, PEM."),
)

reading_options: Callable[[F], F] = together(
    nats_options,
    option(
        "--demo-dir",
        metavar="DIR",
        default="",
        help="Read the log that `mcs demo` left in DIR, instead of --nats.",
    ),
    option(
        "--log",
        "folder",
        metavar="FOLDER",
        default="",
        help="Read a log that `mcs export` wrote, instead of --nats.",
    ),
)

at_option: Callable[[F], F] = option(
    "--at",
    metavar="MOMENT",
    default="",
    help="A time (90s or 10m ago, or RFC 3339), or a place in the log: dec:45, cycle:45, obs:678.",
)

domain_option: Callable[[F], F] = option(
    "--domain",
    metavar="NAME",
    default="multicluster.admiralty.io",
    help="Domain of the annotations and labels; the same in the whole federation.",
)

process_options: Callable[[F], F] = together(
    option(
        "--metrics-port",
        metavar="PORT",
        type=click.IntRange(0, 65535),
        default=0,
        help="Serve /metrics, /healthz and /readyz there; 0: do not.",
    ),
    option(
        "--log-format",
        type=click.Choice(["plain", "json"]),
        default="plain",
        help="One line, or one JSON object, for each message on standard error.",
    ),
    option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        default="info",
        help="From which level on messages are shown.",
    ),
    domain_option,
)


def typed(name: str) -> bool:
    """Whether a parameter of the running command was given on its command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def log_source(options: dict[str, Any]) -> Any:
    """Where the log is, taken out of a command's options."""
    from mcs.app import LogSource

    names = ("creds", "nkey", "user", "password", "ca", "cert", "key")
    login = {name: options.pop(f"nats_{name}") for name in names}
    places = {"nats": "--nats", "demo_dir": "--demo-dir", "folder": "--log"}
    named = [name for name in places if typed(name)]
    if len(named) > 1:
        flags = " and ".join(places[name] for name in named)
        raise click.UsageError(f"one log at a time: leave out one of {flags}")
    if named:  # what variables say of other places does not count
        options |= {name: "" for name in ("demo_dir", "folder") if name not in named}
    return LogSource(
        url=options.pop("nats"),
        folder=options.pop("folder", ""),
        demo_dir=options.pop("demo_dir", ""),
        **login,
    )


def epilog(*examples: tuple[str, str], notes: str = "") -> str:
    """Examples at the end of a command's help: what to type, and what it does."""
    width = max((len(typed) for typed, told in examples if told), default=0) + 2
    lines = [f"  {typed:<{width}}{told}".rstrip() for typed, told in examples]
    text = "\b\nExamples:\n" + "\n".join(lines)
    return f"{text}\n\n{notes}" if notes else text
