"""mcs on real parts: NATS, control planes, a scheduler, and an agent for each cluster.

Every part is a process of its own, started by the same commands that users type, so a test may
kill, freeze and restart any of them. Agents log in as the ServiceAccount that `mcs manifests agent`
creates, with exactly those rights.

    async with Federation("c1", "c2") as federation:
        await federation.planes["c2"].add_nodes(3)
        await federation.planes["c1"].apply(ELECTED_POD)
        federation.agents["c1"].kill()
"""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tools.api import Api
from tools.controlplane import ControlPlane, Options
from tools.free_ports import PortLease, reserve_port
from tools.nats import NatsServer
from tools.nats_cluster import NatsCluster
from tools.processes import Process

_ELECTION_S = 90.0  # until three fresh servers have agreed on who leads
_SERVICE_ACCOUNT = "mcs-system/mcs-agent"
_NOT_APPLIED = {"Deployment", "Service", "ServiceMonitor", "PodDisruptionBudget"}
_NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "default", "labels": {"multicluster-scheduler": "enabled"}},
}


class Federation:
    """Some clusters under one scheduler; an async context manager that leaves nothing behind."""

    def __init__(
        self,
        *clusters: str,
        options: Options | None = None,
        policy: Mapping[str, object] | None = None,
        roles: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        nats: Mapping[str, Any] | None = None,
        servers: int = 1,
    ) -> None:
        """`policy`: options of the scheduler, such as `lost-after`; `roles`: `--source` or
        `--target` for a cluster that shall have only one of them; `environment`: for every process
        of mcs; `nats`: configuration of the server, or of each of so many `servers`.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="mcs-federation-"))
        self.planes = {name: ControlPlane(name, options) for name in clusters}
        store = self.folder / "nats"
        self.nats: NatsServer | NatsCluster = (
            NatsServer(store, configuration=nats)
            if servers == 1
            else NatsCluster(store, size=servers, configuration=nats)
        )
        self._replicas = servers
        self.scheduler: Process
        self.agents: dict[str, Process] = {}
        self.webhooks: dict[str, int] = {}
        self.extra: dict[str, Process] = {}  # second schedulers and agents, by name
        self._policy, self._roles = dict(policy or {}), dict(roles or {})
        self._environment = dict(environment or {})
        self._agent_flags: dict[str, list[str]] = {}
        self._leases: list[PortLease] = []

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def start(self) -> None:
        """Start everything; returns when the agents have joined and pods can be elected."""
        await asyncio.gather(self.nats.start(), *(p.start() for p in self.planes.values()))
        await self._apply_streams()
        self.scheduler = self._process("scheduler", ["scheduler"], self._policy_flags())
        await self.scheduler.start()
        await asyncio.gather(*(self._add_agent(name) for name in self.planes))

    @property
    def schedulers(self) -> list[Process]:
        """The first scheduler, and those that were added."""
        added = [each for name, each in self.extra.items() if name.startswith("scheduler")]
        return [self.scheduler, *added]

    def close(self) -> None:
        """Kill every process and remove every file."""
        for process in (*self.agents.values(), *self.extra.values()):
            process.kill()
        if hasattr(self, "scheduler"):
            self.scheduler.kill()
        for plane in self.planes.values():
            plane.close()
        self.nats.close()
        for lease in self._leases:
            lease.release()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def add_scheduler(self) -> Process:
        """One more scheduler; it stands by as long as another one is active."""
        number = sum(name.startswith("scheduler") for name in self.extra) + 2
        extra = self._process(f"scheduler-{number}", ["scheduler"], self._policy_flags())
        self.extra[extra.name] = extra
        await extra.start()
        return extra

    async def add_agent(self, cluster: str) -> Process:
        """One more agent for a cluster; it stands by while another one leads.

        The API server knows one URL of a webhook: that of the cluster's first agent.
        """
        flags, port = list(self._agent_flags[cluster]), str(self._port())
        flags[flags.index("--webhook-port") + 1] = port
        number = sum(name.startswith(f"agent-{cluster}-") for name in self.extra) + 2
        extra = self._process(f"agent-{cluster}-{number}", ["agent"], flags)
        self.extra[extra.name] = extra
        await extra.start()
        return extra

    async def mcs(self, *arguments: str, check: bool = True) -> str:
        """Run an `mcs` command against this log, or the one that it names; what it printed."""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mcs", *arguments),
            env={**os.environ, "MCS_NATS": self.nats.url},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await child.communicate()
        if check and child.returncode != 0:
            raise RuntimeError(f"mcs {' '.join(arguments)}: {errors.decode()}{output.decode()}")
        return output.decode() + ("" if check else errors.decode())

    async def events(self, *arguments: str) -> list[dict[str, Any]]:
        """The log so far, as `mcs log --json` tells it."""
        text = await self.mcs("log", "--json", *arguments)
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    async def wait(self, what: str, condition: Callable[[], Any], timeout_s: float = 60.0) -> Any:
        """Poll until `condition()` (or what it awaits) is true; the answer, or a clear error."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {timeout_s:g} s\n{self.tails()}")
            await asyncio.sleep(0.05)

    def tails(self, parts: Iterable[str] = ()) -> str:
        """The ends of the logs of mcs's own processes."""
        processes = {**self.agents, **self.extra}
        if hasattr(self, "scheduler"):
            processes["scheduler"] = self.scheduler
        chosen = parts or processes
        return "\n".join(f"--- {name}\n{processes[name].tail()}" for name in chosen)

    async def _apply_streams(self) -> None:
        async def applied() -> str:
            try:
                return await self.mcs("streams", "apply", "--replicas", str(self._replicas))
            except RuntimeError:
                if self._replicas == 1:
                    raise
                return ""  # several servers have to elect a leader first

        await self.wait("streams", applied, _ELECTION_S)

    async def _add_agent(self, name: str) -> None:
        plane = self.planes[name]
        role = [self._roles[name]] if name in self._roles else []
        manifests = await self.mcs("manifests", "agent", "--cluster", name, *role)
        objects = [item for item in yaml.safe_load_all(manifests) if item]
        await plane.apply([item for item in objects if item["kind"] not in _NOT_APPLIED])
        await plane.apply([_NAMESPACE])
        webhook = self._port()
        self.webhooks[name] = webhook
        flags = [
            *("--cluster", name),
            *("--kubeconfig", str(await plane.kubeconfig_for(_SERVICE_ACCOUNT))),
            *("--webhook-url", f"https://127.0.0.1:{webhook}/"),
            *("--webhook-port", str(webhook)),
            *role,
        ]
        self._agent_flags[name] = flags
        self.agents[name] = self._process(f"agent-{name}", ["agent"], flags)
        await self.agents[name].start()

    def _policy_flags(self) -> list[str]:
        return [
            part for option, value in self._policy.items() for part in (f"--{option}", str(value))
        ]

    def _process(self, name: str, command: list[str], flags: list[str]) -> Process:
        port = self._port()
        health = Api(f"http://127.0.0.1:{port}", self.folder)
        return Process(
            name,
            [
                *(sys.executable, "-m", "mcs", *command, "--nats", self.nats.url),
                *("--metrics-port", str(port), *flags),
            ],
            log=self.folder / f"{name}.log",
            ready=lambda: health.answers("/readyz"),
            environment=self._environment,
        )

    def _port(self) -> int:
        lease = reserve_port()
        self._leases.append(lease)
        return lease.port


@contextlib.asynccontextmanager
async def stopped(process: Process) -> Any:
    """A part that is away for a while."""
    process.kill()
    try:
        yield process
    finally:
        await process.start()
