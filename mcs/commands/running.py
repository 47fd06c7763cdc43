"""Commands that run until they are stopped: ``mcs scheduler`` and ``mcs agent``."""

from __future__ import annotations

from typing import Any

import click

from mcs.commands.options import epilog, log_source, nats_options, option, process_options

_STOPPING = "SIGTERM or Ctrl-C stops it in good order, a second one at once."


@click.command(
    epilog=epilog(
        ("mcs scheduler --nats nats://nats:4222", ""),
        ("mcs scheduler --metrics-port 9090", "with /metrics, /healthz and /readyz"),
        ("mcs scheduler --lost-after 120", "for clusters on shaky lines"),
        ("mcs scheduler --score prefer:onprem", "elsewhere only when that cluster is full"),
        notes=_STOPPING,
    )
)
@nats_options
@process_options
@option(
    "--score",
    metavar="POLICY",
    default="most-replicas",
    help="Which of the clusters that fit takes a pod: most-replicas, binpack, spread, "
    "prefer:CLUSTER,CLUSTER,… or a blend such as 2*most-replicas+spread (policy).",
)
@option(
    "--lost-after",
    metavar="SECONDS",
    type=click.IntRange(min=10),
    default=40,
    help="Silence that makes a cluster lost (policy).",
)
@option(
    "--unschedulable-after",
    metavar="SECONDS",
    type=click.IntRange(min=1),
    default=30,
    help="A delegate without a node so long is tried elsewhere (policy).",
)
@option(
    "--backoff",
    metavar="SECONDS",
    type=click.IntRange(min=1),
    default=10,
    help="First wait before a cluster that failed a pod is tried again (policy).",
)
@option(
    "--backoff-max",
    metavar="SECONDS",
    type=click.IntRange(min=1),
    default=300,
    help="The longest such wait (policy).",
)
@option(
    "--snapshot-every",
    metavar="SECONDS",
    type=click.IntRange(min=0),
    default=300,
    help="How often the active scheduler saves its state, to start from; 0: never.",
)
def scheduler(**options: Any) -> None:
    """Run the scheduler. Several may run: one is active, the others stand by and take over.

    Options marked (policy) are recorded in the log when this scheduler becomes active.
    """
    from mcs import app
    from mcs.decisions.policies.chosen import scoring
    from mcs.events.decisions import Policy
    from mcs.settings import SchedulerSettings

    scoring(options["score"])  # a wrong one is said now, not when this scheduler takes over
    source, process = log_source(options), _process(options)
    policy = Policy(
        score=options["score"],
        lost_after_s=options["lost_after"],
        unschedulable_after_s=options["unschedulable_after"],
        backoff_s=options["backoff"],
        backoff_max_s=options["backoff_max"],
    )
    settings = SchedulerSettings(
        domain=options["domain"], policy=policy, snapshot_every_s=options["snapshot_every"]
    )
    app.run_scheduler(source, settings, process)


@click.command(
    epilog=epilog(
        ("mcs agent --cluster c1", "inside a pod of c1, with its service account"),
        ("mcs agent --cluster c1 --context kind-c1", "from a kubeconfig"),
        ("mcs agent --cluster gpu --target", "only runs others' pods"),
        (
            "mcs agent --cluster c1 --context kind-c1 --webhook-url https://172.18.0.1:9443",
            "",
        ),
        notes=_STOPPING,
    )
)
@option("--cluster", metavar="NAME", required=True, help="This cluster's name in the federation.")
@nats_options
@option("--kubeconfig", metavar="FILE", default=None, help="As for kubectl.")
@option("--context", metavar="NAME", default=None, help="Context in it.")
@option("--source", is_flag=True, help="Serve as source only: pods are created here.")
@option("--target", is_flag=True, help="Serve as target only: pods run here. Default: both.")
@option(
    "--namespace",
    metavar="NAME",
    default="mcs-system",
    help="Where the agent keeps its Lease and certificate.",
)
@option(
    "--webhook-url",
    metavar="URL",
    default="",
    help="Where the API server reaches this agent's webhook; default: by --webhook-service.",
)
@option(
    "--webhook-service",
    metavar="NAME",
    default="mcs-agent",
    help="The Service in front of the webhook, in --namespace.",
)
@option(
    "--webhook-port",
    metavar="PORT",
    type=click.IntRange(1, 65535),
    default=9443,
    help="Where the webhook listens.",
)
@option(
    "--webhook-secret",
    metavar="NAME",
    default="mcs-webhook",
    help="The Secret that keeps the webhook's certificate.",
)
@option(
    "--foreign-certificate",
    is_flag=True,
    help="Somebody else (cert-manager) writes that Secret; only read it.",
)
@option(
    "--refuse-env",
    metavar="PATTERN",
    default="",
    help="Refuse pods that carry a literal value in a variable whose name matches: it would be "
    "readable in the log.",
)
@option(
    "--heartbeat",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    default=5.0,
    help="Time between two heartbeats; well below --lost-after of the scheduler.",
)
@process_options
def agent(**options: Any) -> None:
    """Run the agent of one cluster. Several may run: one leads, all answer the webhook."""
    from mcs import app
    from mcs.names import cluster_name
    from mcs.settings import SOURCE, TARGET, AgentSettings, LeaseSettings

    source, process = log_source(options), _process(options)
    chosen = tuple(role for role in (SOURCE, TARGET) if options[role])
    settings = AgentSettings(
        cluster=cluster_name(options["cluster"]),
        roles=chosen or (SOURCE, TARGET),
        domain=options["domain"],
        lease=LeaseSettings(namespace=options["namespace"]),
        heartbeat_s=options["heartbeat"],
    )
    webhook = app.WebhookSettings(
        url=options["webhook_url"],
        service=options["webhook_service"],
        port=options["webhook_port"],
        secret=options["webhook_secret"],
        own_certificate=not options["foreign_certificate"],
        env_refused=options["refuse_env"],
    )
    app.run_agent(
        app.AgentRun(
            source=source,
            settings=settings,
            webhook=webhook,
            process=process,
            kubeconfig=options["kubeconfig"],
            context=options["context"],
        )
    )


def _process(options: dict[str, Any]) -> Any:
    from mcs.app import ProcessSettings

    return ProcessSettings(
        metrics_port=options.pop("metrics_port"),
        log_format=options.pop("log_format"),
        log_level=options.pop("log_level"),
    )
