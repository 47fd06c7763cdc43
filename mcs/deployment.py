"""Kubernetes objects that run mcs in a cluster, as YAML for ``kubectl apply -f -``. Pure.

The rights are the least that work: what the services call, and nothing else. Where Kubernetes lets
a right be limited to names, it is; what cannot be (create) is only given where something is made
during normal work. The webhook's registration and the admission policies are therefore part of the
YAML, and the agent may only bring them up to date. A cluster with one role gets what that one
needs: a mere target has no webhook, which nobody would answer there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, cast

import msgspec
import yaml

from mcs.names import DEFAULT_DOMAIN, Keys
from mcs.objects.patching import Json
from mcs.objects.registration import (
    MANIFEST_POLICY,
    NODES_POLICY,
    WEBHOOK,
    Service,
    manifest_policy,
    nodes_policy,
    policy_binding,
    webhook_configuration,
)
from mcs.settings import SOURCE, TARGET

AGENT: Final = "mcs-agent"
SCHEDULER: Final = "mcs-scheduler"
SECRET: Final = "mcs-webhook"  # noqa: S105 (a Secret's name)
WEBHOOK_PORT: Final = 9443
METRICS_PORT: Final = 9090
NODE_LEASES: Final = "kube-node-lease"
ROLES: Final = (SOURCE, TARGET)
_RBAC: Final = "rbac.authorization.k8s.io"
_LEASES: Final = "coordination.k8s.io"


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """What both deployments have in common."""

    image: str
    namespace: str
    nats: str
    replicas: int = 2
    domain: str = DEFAULT_DOMAIN
    service_monitor: bool = False


def agent(
    settings: Deployed,
    *,
    cluster: str,
    own_certificate: bool = True,
    roles: Sequence[str] = ROLES,
) -> str:
    """Everything one cluster needs to be a member with these roles, as YAML."""
    namespace, source = settings.namespace, SOURCE in roles
    environment = {"MCS_CLUSTER": cluster, "MCS_NAMESPACE": namespace}
    if len(roles) == 1:
        environment[f"MCS_{roles[0].upper()}"] = "true"
    if source and not own_certificate:
        environment["MCS_FOREIGN_CERTIFICATE"] = "true"
    admission = [
        _service(AGENT, namespace, {"webhook": (443, WEBHOOK_PORT)}),
        *_admission(namespace, Keys(settings.domain)),
    ]
    port = WEBHOOK_PORT if source else None
    return _yaml(
        [
            *_home(namespace, AGENT),
            *agent_rights(namespace, own_certificate=own_certificate, roles=roles),
            *(admission if source else []),
            _deployment(AGENT, settings, "agent", environment, port),
            *_monitoring(AGENT, settings),
        ]
    )


def scheduler(settings: Deployed) -> str:
    """The scheduler, which needs no rights in Kubernetes, as YAML."""
    return _yaml(
        [
            *_home(settings.namespace, SCHEDULER),
            _deployment(SCHEDULER, settings, "scheduler", {}, None),
            *_monitoring(SCHEDULER, settings),
        ]
    )


def agent_rights(
    namespace: str, *, own_certificate: bool = True, roles: Sequence[str] = ROLES
) -> list[Json]:
    """Roles and bindings of the agent's service account."""
    looking = ["get", "list", "watch"]
    source, target = SOURCE in roles, TARGET in roles
    everywhere = [
        _rule("", ["pods"], [*looking, *(["create"] if target else []), "delete"]),
        _rule("", ["nodes"], [*looking, *(["create", "patch", "delete"] if source else [])]),
        _rule("", ["namespaces"], looking if target else ["get"]),
    ]
    home = [
        _rule(_LEASES, ["leases"], ["get", "patch"], names=[AGENT]),
        _rule(_LEASES, ["leases"], ["create"]),
    ]
    nodes = []
    if source:
        everywhere += _of_a_source()
        home += _of_a_webhook(own_certificate=own_certificate)
        lease = _rule(_LEASES, ["leases"], ["get", "create", "patch"])
        nodes = _granted("Role", [lease], namespace, within=NODE_LEASES)
    return [
        *_granted("ClusterRole", everywhere, namespace),
        *_granted("Role", home, namespace, within=namespace),
        *nodes,
    ]


def _of_a_source() -> list[Json]:
    """What binds proxies, shows their delegates, keeps virtual nodes and registrations."""
    return [
        _rule("", ["pods/status"], ["patch"]),
        _rule("", ["pods/binding"], ["create"]),
        _rule("", ["nodes/status"], ["patch"]),
        _rule("", ["events"], ["create"]),
        _registered("mutatingwebhookconfigurations", [WEBHOOK]),
        _registered("validatingadmissionpolicies", [NODES_POLICY, MANIFEST_POLICY]),
        _registered("validatingadmissionpolicybindings", [NODES_POLICY, MANIFEST_POLICY]),
    ]


def _of_a_webhook(*, own_certificate: bool) -> list[Json]:
    """What keeps the webhook's certificate."""
    reading = ["get", "patch"] if own_certificate else ["get"]
    rules = [_rule("", ["secrets"], reading, names=[SECRET])]
    return [*rules, _rule("", ["secrets"], ["create"])] if own_certificate else rules


def _home(namespace: str, name: str) -> list[Json]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    account = {"name": name, "namespace": namespace}
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": namespace, "labels": labels},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
    ]


def _rule(
    group: str, resources: Sequence[str], verbs: Sequence[str], *, names: Sequence[str] = ()
) -> Json:
    rule: Json = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    return rule | {"resourceNames": list(names)} if names else rule


def _registered(resource: str, names: Sequence[str]) -> Json:
    """Objects that this YAML creates, and the agent keeps up to date."""
    return _rule("admissionregistration.k8s.io", [resource], ["get", "patch"], names=names)


def _granted(kind: str, rules: list[Json], namespace: str, *, within: str = "") -> list[Json]:
    """A role, and its binding to the agent's account."""
    metadata: Json = {"name": AGENT, "namespace": within} if within else {"name": AGENT}
    account = {"kind": "ServiceAccount", "name": AGENT, "namespace": namespace}
    return [
        {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": AGENT},
            "subjects": [account],
        },
    ]


def _service(name: str, namespace: str, ports: dict[str, tuple[int, int]]) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": _labels(name)},
        "spec": {
            "selector": _labels(name),
            "ports": [
                {"name": port, "port": outer, "targetPort": inner}
                for port, (outer, inner) in ports.items()
            ],
        },
    }


def _admission(namespace: str, keys: Keys) -> list[Json]:
    """Registrations as they are before the agent adds its authority and the virtual nodes."""
    at = Service(namespace=namespace, name=AGENT)
    webhook = webhook_configuration(at, b"", keys)
    for each in cast(list[Json], webhook["webhooks"]):
        cast(Json, each["clientConfig"]).pop("caBundle")  # the agent's own: not ours to overwrite
    user = f"system:serviceaccount:{namespace}:{AGENT}"
    return [
        webhook,
        nodes_policy([], user),
        policy_binding(NODES_POLICY),
        manifest_policy(keys),
        policy_binding(MANIFEST_POLICY),
    ]


def _deployment(
    name: str,
    settings: Deployed,
    command: str,
    environment: dict[str, str],
    webhook_port: int | None,
) -> Json:
    spec: Json = {
        "serviceAccountName": name,
        "automountServiceAccountToken": command == "agent",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 30,
        "containers": [_container(settings, command, environment, webhook_port)],
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": settings.namespace,
            "labels": _labels(name),
        },
        "spec": {
            "replicas": settings.replicas,
            "selector": {"matchLabels": _labels(name)},
            "template": {"metadata": {"labels": _labels(name)}, "spec": spec},
        },
    }


def _container(
    settings: Deployed, command: str, environment: dict[str, str], webhook_port: int | None
) -> Json:
    ports: list[Json] = [{"name": "metrics", "containerPort": METRICS_PORT}]
    if webhook_port is not None:
        ports.append({"name": "webhook", "containerPort": webhook_port})
    variables = {
        **environment,
        "MCS_NATS": settings.nats,
        "MCS_METRICS_PORT": str(METRICS_PORT),
        "MCS_LOG_FORMAT": "json",
    }
    if settings.domain != DEFAULT_DOMAIN:
        variables["MCS_DOMAIN"] = settings.domain
    return {
        "name": command,
        "image": settings.image,
        "args": [command],
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "ports": ports,
        "livenessProbe": _probe("/healthz"),
        "readinessProbe": _probe("/readyz"),
        # Room for some thousand pods; no CPU limit, since a throttled webhook delays everybody.
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"memory": "512Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        # The webhook's certificate passes through files on its way into OpenSSL.
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 (a mount of its own)
    }


def _probe(path: str) -> Json:
    return {"httpGet": {"path": path, "port": "metrics"}, "periodSeconds": 5, "timeoutSeconds": 3}


def _monitoring(name: str, settings: Deployed) -> list[Json]:
    if not settings.service_monitor:
        return []
    metrics = f"{name}-metrics"
    service = _service(metrics, settings.namespace, {"metrics": (METRICS_PORT, METRICS_PORT)})
    cast(Json, service["spec"])["selector"] = _labels(name)
    monitor: Json = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": name, "namespace": settings.namespace, "labels": _labels(name)},
        "spec": {
            "selector": {"matchLabels": _labels(metrics)},
            "endpoints": [{"port": "metrics", "interval": "15s"}],
        },
    }
    return [service, monitor]


def _labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "mcs"}


class _Dumper(yaml.SafeDumper):
    """Writes shared values out in full: anchors would only puzzle a reader."""

    def ignore_aliases(self, _data: object) -> bool:
        """Always."""
        return True


def _yaml(objects: Iterable[Json]) -> str:
    return yaml.dump_all(objects, Dumper=_Dumper, explicit_start=True, sort_keys=False, width=100)
