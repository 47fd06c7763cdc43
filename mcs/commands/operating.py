"""Commands of people: ``mcs cluster cordon|uncordon|remove`` and ``mcs release``.

Each is one event in the log, with who asked; the scheduler carries it out. So they are audited, and
they wait when no scheduler is active.
"""

from __future__ import annotations

import asyncio
from typing import Any

import click

from mcs.commands.options import epilog, log_source, nats_options, option

by_option = option(
    "--by", metavar="NAME", default="", help="Who asks, for the log; by default your user name."
)


@click.group()
def cluster() -> None:
    """Cordon, uncordon or remove a cluster."""


@cluster.command(epilog=epilog(("mcs cluster cordon c2", "")))
@nats_options
@by_option
@click.argument("name", metavar="NAME")
def cordon(*, name: str, by: str, **options: Any) -> None:
    """Place nothing new in a cluster. What runs there goes on."""
    _command("cordon", name, by, options)


@cluster.command(epilog=epilog(("mcs cluster uncordon c2", "")))
@nats_options
@by_option
@click.argument("name", metavar="NAME")
def uncordon(*, name: str, by: str, **options: Any) -> None:
    """Let a cordoned cluster take pods again."""
    _command("uncordon", name, by, options)


@cluster.command(
    short_help="End a dead cluster, and let go of what waits for it.",
    epilog=epilog(
        ("mcs cluster remove c2 --confirm-dead", ""),
        notes="If it returns after all, its agent carries out these decisions, then joins anew.",
    ),
)
@nats_options
@by_option
@click.option("--confirm-dead", is_flag=True, help="I know that nothing runs there any more.")
@click.argument("name", metavar="NAME")
def remove(*, name: str, by: str, confirm_dead: bool, **options: Any) -> None:
    """Take a dead cluster out of the federation, and let go of everything that waits for it.

    Every pod that was placed there is let go, as if it had failed; what its own users had placed
    elsewhere is deleted. Nobody can undo that.
    """
    if not confirm_dead:
        raise click.UsageError(
            f"if {name} still runs, its pods would run a second time elsewhere. Make sure that it "
            f"is dead, then say so: mcs cluster remove {name} --confirm-dead"
        )
    _command("remove", name, by, options)


@click.command(
    epilog=epilog(
        ("mcs release c1/default/step-3", ""),
        notes="`mcs status` names the pods for which this is the remedy.",
    )
)
@nats_options
@by_option
@click.argument("pod", metavar="CLUSTER/NS/POD")
def release(*, pod: str, by: str, **options: Any) -> None:
    """Let go of a pod that is being deleted, without waiting for its delegate's end.

    Use it when the cluster where the delegate runs does not answer, and the pod (or its namespace)
    must go. The delegate is deleted when that cluster returns.
    """
    parts = pod.split("/")
    if len(parts) != 3 or not all(parts):
        raise click.BadParameter(
            f"{pod!r} names no pod: write CLUSTER/NAMESPACE/NAME, such as c1/default/step-3"
        )
    _command("release", parts[0], by, options, namespace=parts[1], name=parts[2])


def _command(
    verb: str,
    cluster: str,
    by: str,
    options: dict[str, Any],
    *,
    namespace: str = "",
    name: str = "",
) -> None:
    from mcs.commands import ordering

    order = ordering.order(verb, cluster, namespace=namespace, name=name, by=by)
    click.echo(asyncio.run(ordering.give(log_source(options), order)))
