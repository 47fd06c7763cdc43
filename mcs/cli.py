"""The command line: parses, then calls. Each command lives in ``mcs.commands`` and is imported only
when it is asked for, so that ``mcs --help`` is there at once.

Exit codes: 0 done · 1 a cluster refused or failed · 2 wrong usage or settings · 3 NATS cannot be
reached · 4 the log is not there, or not whole · 5 no such pod, cluster or moment · 6 the streams
differ from what mcs wants · 7 the log is not what was written (``verify``) · 8 nothing wrong with
it, but not all of it can be derived here (``verify``) · 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Final

import click

import mcs
from mcs.errors import (
    BadManifest,
    BadName,
    BadQuantity,
    BadSettings,
    LogError,
    LogLost,
    McsError,
    NoSuchMoment,
    Unavailable,
    Uncertain,
)

CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_COMMANDS: Final = {
    "demo": ("mcs.commands.showing:demo", "See it work: two clusters and a log, here and now."),
    "scheduler": ("mcs.commands.running:scheduler", "Run the scheduler (several may stand by)."),
    "agent": ("mcs.commands.running:agent", "Run the agent of one cluster."),
    "streams": ("mcs.commands.streams:streams", "Make or check the two streams in NATS."),
    "manifests": ("mcs.commands.manifests:manifests", "Print YAML for `kubectl apply -f -`."),
    "status": ("mcs.commands.looking:status", "Clusters, who waits and why, what is stuck."),
    "log": ("mcs.commands.looking:log", "The events, told in sentences."),
    "why": ("mcs.commands.looking:why", "Why a pod waits, or runs where it runs."),
    "history": (
        "mcs.commands.replaying:history",
        "Everything that happened to a pod, and how long it took.",
    ),
    "replay": ("mcs.commands.replaying:replay", "The state at any moment of the past."),
    "export": ("mcs.commands.exporting:export", "Copy the log to a folder, to keep and to read."),
    "verify": ("mcs.commands.verifying:verify", "Is the log whole, and does each decision follow?"),
    "cluster": ("mcs.commands.operating:cluster", "Cordon, uncordon or remove a cluster."),
    "release": ("mcs.commands.operating:release", "Let go of a pod whose cluster does not answer."),
    "simulate": ("mcs.commands.simulating:simulate", "Try to break mcs itself, from a seed."),
}

_EPILOG: Final = """\b
Examples:
  mcs demo                                       see it work, with nothing installed
  mcs streams apply --nats nats://nats:4222      once, before anything else
  mcs scheduler --nats nats://nats:4222
  mcs agent --cluster c1 --nats nats://nats:4222 --context kind-c1
  mcs status                                     clusters, who waits and why
  mcs log --follow --pod default/step-3          what happens to one pod
  mcs why default/step-3                         and why

\b
Every option is also an environment variable, such as MCS_NATS for --nats.
Exit codes: 0 done, 1 a cluster failed or a rule was broken, 2 wrong usage, 3 NATS unreachable,
  4 log missing or not whole, 5 no such pod, cluster or moment, 6 streams differ,
  7 log is not what was written, 8 not all of it derivable here."""


class LazyGroup(click.Group):
    """A group whose commands are imported when used; their summaries stand in the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """In the order of the table: first things first."""
        return list(_COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 (click's signature)
        cmd_name: str,
    ) -> click.Command | None:
        """Import one command."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        found = getattr(importlib.import_module(module), name)
        assert isinstance(found, click.Command)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and take it well when whoever reads has enough (`mcs log | head`)."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # caught before click does, which would exit with 1
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 (click's signature)
        formatter: click.HelpFormatter,
    ) -> None:
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings=CONTEXT, epilog=_EPILOG)
@click.version_option(mcs.__version__, prog_name="mcs")
def mcs_group() -> None:
    """Run annotated pods in whichever Kubernetes cluster has room for them, and remember why.

    Every fact and every decision is an event in a NATS JetStream log.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run a command line; every expected error ends in one clear sentence and an exit code."""
    try:
        # Without click's own handling of errors, an exit code is what comes back.
        sys.exit(mcs_group.main(args=arguments, prog_name="mcs", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except McsError as error:
        _complain(error)
    except ExceptionGroup as group:
        expected, rest = group.split(McsError)
        if expected is None or rest is not None:
            raise
        _complain(_first(expected))


def exit_code(error: McsError) -> int:
    """The code that tells a script what went wrong."""
    match error:
        case BadSettings() | BadName() | BadQuantity() | BadManifest():
            return 2
        case Unavailable() | Uncertain():
            return 3
        case LogLost() | LogError():
            return 4
        case NoSuchMoment():
            return 5
        case _:
            return 1


def _complain(error: McsError) -> None:
    click.secho("mcs: ", err=True, fg="red", bold=True, nl=False)
    click.echo(str(error), err=True)
    sys.exit(exit_code(error))


def _first(group: ExceptionGroup[McsError]) -> McsError:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, McsError)
    return first
