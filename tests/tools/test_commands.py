"""Command lines follow the options, and are Kubernetes' defaults otherwise."""

from pathlib import Path

import pytest

from tools import commands
from tools.certificates import Pair
from tools.commands import Layout, Options


@pytest.fixture
def layout():
    pair = Pair(certificate=Path("/c.crt"), key=Path("/c.key"))
    return Layout(
        folder=Path("/plane"),
        ports=dict.fromkeys((*commands.PROCESSES, "etcd-peer"), 20_000),
        authority=pair,
        server=pair,
        service_accounts=pair,
        kubeconfigs={name: Path(f"/{name}") for name in commands.PROCESSES},
    )


def test_client_limits_are_kubernetes_own_unless_asked_for(layout):
    plain = commands.scheduler(Path("s"), layout, Options())
    assert not any("kube-api-qps" in part for part in plain)
    raised = commands.controller_manager(Path("m"), layout, Options(client_qps=500))
    assert {"--kube-api-qps=500", "--kube-api-burst=1000"} <= set(raised)


def test_a_short_grace_period_shortens_what_must_be_shorter(layout):
    options = Options(node_monitor_grace_period_s=6)
    manager = commands.controller_manager(Path("m"), layout, options)
    assert {"--node-monitor-grace-period=6s", "--node-monitor-period=1s"} <= set(manager)
    assert "--node-lease-duration-seconds=4" in commands.kwok(Path("k"), layout, options)
    assert "--node-lease-duration-seconds=40" in commands.kwok(Path("k"), layout, Options())


def test_flags_of_a_test_win(layout):
    options = Options(flags={"apiserver": {"authorization-mode": "Node,RBAC", "v": "4"}})
    command = commands.apiserver(Path("a"), layout, options)
    assert {"--authorization-mode=Node,RBAC", "--v=4"} <= set(command)
    assert "--authorization-mode=RBAC" not in command


def test_kwok_manages_annotated_nodes_only(layout):
    command = commands.kwok(Path("k"), layout, Options())
    assert "--manage-all-nodes=false" in command
    assert "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake" in command
    assert sum(part.startswith("--config=") for part in command) == 2
