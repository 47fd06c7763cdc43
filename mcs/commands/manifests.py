"""``mcs manifests agent|scheduler``: plain YAML for ``kubectl apply -f -``."""

from __future__ import annotations

from typing import Any

import click

from mcs.commands.options import NATS, epilog, option, together

IMAGE = "mcs:latest"

_shared = together(
    option("--nats", metavar="URL", default=NATS, help="Where its pods find NATS."),
    option("--image", metavar="IMAGE", default=IMAGE, help="The image (see Dockerfile)."),
    option("--namespace", metavar="NAME", default="mcs-system", help="Where it runs."),
    option("--replicas", type=click.IntRange(1, 9), default=2, help="One leads, others stand by."),
    option("--service-monitor", is_flag=True, help="A ServiceMonitor for Prometheus Operator."),
    option(
        "--domain",
        metavar="NAME",
        default="multicluster.admiralty.io",
        help="Domain of the annotations and labels.",
    ),
)


@click.group()
def manifests() -> None:
    """Print YAML for `kubectl apply -f -`: deployment, least rights, service, policies."""


@manifests.command(
    epilog=epilog(
        ("mcs manifests agent --cluster c1 --nats nats://nats:4222 | kubectl apply -f -", ""),
        ("mcs manifests agent --cluster gpu --target", "without webhook, and with fewer rights"),
        notes="Other options of `mcs agent`, NATS credentials among them, are MCS_… variables of "
        "the Deployment; mount files from a Secret.",
    )
)
@option("--cluster", metavar="NAME", required=True, help="The cluster's name in the federation.")
@option("--source", is_flag=True, help="A source only: pods are created here.")
@option("--target", is_flag=True, help="A target only: pods run here. Default: both.")
@option(
    "--foreign-certificate",
    is_flag=True,
    help="cert-manager (or you) writes Secret mcs-webhook; the agent only reads it.",
)
@_shared
def agent(**options: Any) -> None:
    """What one cluster needs to be a member."""
    from mcs import deployment
    from mcs.names import cluster_name

    cluster_name(options["cluster"])
    chosen = tuple(role for role in deployment.ROLES if options[role])
    click.echo(
        deployment.agent(
            _settings(options),
            cluster=options["cluster"],
            own_certificate=not options["foreign_certificate"],
            roles=chosen or deployment.ROLES,
        ),
        nl=False,
    )


@manifests.command(
    epilog=epilog(
        ("mcs manifests scheduler --nats nats://nats.mcs-nats:4222 | kubectl apply -f -", ""),
        notes="It needs no rights in Kubernetes at all: it only talks to NATS.",
    )
)
@_shared
def scheduler(**options: Any) -> None:
    """The scheduler, wherever NATS can be reached."""
    from mcs import deployment

    click.echo(deployment.scheduler(_settings(options)), nl=False)


def _settings(options: dict[str, Any]) -> Any:
    from mcs.deployment import Deployed

    return Deployed(
        image=options["image"],
        namespace=options["namespace"],
        nats=options["nats"],
        replicas=options["replicas"],
        domain=options["domain"],
        service_monitor=options["service_monitor"],
    )
