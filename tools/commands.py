"""The command lines of one control plane: what is decided about each program, in one place.

Whatever is not named here is Kubernetes' default, the client limits of the controller manager and
the scheduler among them, since benchmarks compare with a plain cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.certificates import Pair
from tools.nodes import MANAGED

_KWOK_FOLDER = Path(__file__).parent / "kwok"
PROCESSES = ("etcd", "apiserver", "controller-manager", "scheduler", "kwok")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What may differ between control planes.

    Flags are given without dashes, per process: `{"apiserver": {"v": "4"}}`; they win over ours.
    """

    node_monitor_grace_period_s: int | None = None  # else Kubernetes' default, 50 s
    default_not_ready_toleration_s: int | None = None  # else 300 s
    default_unreachable_toleration_s: int | None = None  # else 300 s
    node_lease_s: int | None = None  # else 40 s, or a third less than a shorter grace period
    client_qps: int | None = None  # of controller manager and scheduler, else their defaults
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    flags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things are: files, and a port for each process."""

    folder: Path
    ports: Mapping[str, int]
    authority: Pair
    server: Pair
    service_accounts: Pair
    kubeconfigs: Mapping[str, Path]  # by process


def etcd(binary: Path, layout: Layout, options: Options) -> list[str]:
    """Etcd without fsync: a kill loses nothing, and a test machine's power is not at stake."""
    client = f"http://127.0.0.1:{layout.ports['etcd']}"
    peer = f"http://127.0.0.1:{layout.ports['etcd-peer']}"
    flags = {
        "name": "default",
        "data-dir": str(layout.folder / "etcd"),
        "unsafe-no-fsync": "true",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "log-level": "warn",
    }
    return _command(binary, flags, options.flags.get("etcd", {}))


def apiserver(binary: Path, layout: Layout, options: Options) -> list[str]:
    """The API server, with RBAC, on loopback only."""
    flags = {
        "etcd-servers": f"http://127.0.0.1:{layout.ports['etcd']}",
        "bind-address": "127.0.0.1",
        "advertise-address": "127.0.0.1",
        "secure-port": str(layout.ports["apiserver"]),
        "endpoint-reconciler-type": "none",  # a loopback address is refused as an endpoint
        "authorization-mode": "RBAC",
        "client-ca-file": str(layout.authority.certificate),
        "tls-cert-file": str(layout.server.certificate),
        "tls-private-key-file": str(layout.server.key),
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": str(layout.service_accounts.certificate),
        "service-account-signing-key-file": str(layout.service_accounts.key),
        "service-cluster-ip-range": options.service_cidr,
        "allow-privileged": "true",
    }
    for name, seconds in (
        ("default-not-ready-toleration-seconds", options.default_not_ready_toleration_s),
        ("default-unreachable-toleration-seconds", options.default_unreachable_toleration_s),
    ):
        if seconds is not None:
            flags[name] = str(seconds)
    return _command(binary, flags, options.flags.get("apiserver", {}))


def controller_manager(binary: Path, layout: Layout, options: Options) -> list[str]:
    """The controller manager, with one identity: a service account each costs it four seconds."""
    flags = {
        **_component(layout, "controller-manager"),
        "service-account-private-key-file": str(layout.service_accounts.key),
        "root-ca-file": str(layout.authority.certificate),
        "cluster-signing-cert-file": str(layout.authority.certificate),
        "cluster-signing-key-file": str(layout.authority.key),
        **_client_limits(options),
    }
    grace = options.node_monitor_grace_period_s
    if grace is not None:
        flags["node-monitor-grace-period"] = f"{grace}s"
        flags["node-monitor-period"] = "1s" if grace < 20 else "5s"
    return _command(binary, flags, options.flags.get("controller-manager", {}))


def scheduler(binary: Path, layout: Layout, options: Options) -> list[str]:
    """The scheduler."""
    flags = {**_component(layout, "scheduler"), **_client_limits(options)}
    return _command(binary, flags, options.flags.get("scheduler", {}))


def kwok(binary: Path, layout: Layout, options: Options) -> list[str]:
    """KWOK as the kubelet of the nodes annotated for it, and of nothing else."""
    grace = options.node_monitor_grace_period_s
    lease_s = options.node_lease_s or (40 if grace is None else max(1, min(40, grace * 2 // 3)))
    flags = {
        "kubeconfig": str(layout.kubeconfigs["kwok"]),
        "manage-all-nodes": "false",
        "manage-nodes-with-annotation-selector": ",".join(f"{k}={v}" for k, v in MANAGED.items()),
        "node-lease-duration-seconds": str(lease_s),
        "cidr": options.pod_cidr,
        "node-ip": "127.0.0.1",
        "server-address": f"127.0.0.1:{layout.ports['kwok']}",
    }
    command = _command(binary, flags, options.flags.get("kwok", {}))
    return [*command, *(f"--config={path}" for path in sorted(_KWOK_FOLDER.glob("*.yaml")))]


def _component(layout: Layout, process: str) -> dict[str, str]:
    kubeconfig = str(layout.kubeconfigs[process])
    return {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authentication-skip-lookup": "true",
        "client-ca-file": str(layout.authority.certificate),
        "authorization-kubeconfig": kubeconfig,
        "bind-address": "127.0.0.1",
        "secure-port": str(layout.ports[process]),
        "tls-cert-file": str(layout.server.certificate),
        "tls-private-key-file": str(layout.server.key),
        "leader-elect": "false",  # there is one of each, and a lease would delay its return
    }


def _client_limits(options: Options) -> dict[str, str]:
    if options.client_qps is None:
        return {}
    return {
        "kube-api-qps": str(options.client_qps),
        "kube-api-burst": str(options.client_qps * 2),
    }


def _command(binary: Path, ours: Mapping[str, str], extra: Mapping[str, str]) -> list[str]:
    return [str(binary), *(f"--{name}={value}" for name, value in {**ours, **extra}.items())]
