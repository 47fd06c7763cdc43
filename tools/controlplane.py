"""A real Kubernetes control plane on loopback, ready in seconds.

etcd, kube-apiserver (RBAC, service-account tokens), the controller manager, the scheduler, and
KWOK in the place of kubelets. Nothing is mocked but the containers. Each process can be killed,
frozen and brought back on its port with its data, which is how outages are tested.

    async with ControlPlane("c1") as plane:
        await plane.add_nodes(3)
        await plane.apply(POD)
        await plane.api.wait_pod("a", "Running")
        plane.processes["apiserver"].kill()
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tools import commands, parts
from tools.api import Api, Object
from tools.certificates import Authority, signing_key
from tools.commands import Layout, Options
from tools.free_ports import PortLease, reserve_port
from tools.kubeconfig import write_kubeconfig
from tools.nodes import MANAGED, node
from tools.processes import Process

__all__ = ["ControlPlane", "KubectlFailed", "Options"]

_USERS = {
    "admin": ("admin", ("system:masters",)),
    "kwok": ("kwok", ("system:masters",)),
    "controller-manager": ("system:kube-controller-manager", ("system:masters",)),
    "scheduler": ("system:kube-scheduler", ()),
}
_CONCURRENT_CREATES = 16
_SILENCED = "silenced"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class KubectlFailed(RuntimeError):
    """kubectl ended with an error; the message is what it wrote to stderr."""


class ControlPlane:
    """One cluster; an async context manager that leaves nothing behind."""

    def __init__(self, name: str, options: Options | None = None) -> None:
        self.name = name
        self.options = options or Options()
        self.folder = Path(tempfile.mkdtemp(prefix=f"mcs-{name}-"))
        self.processes: dict[str, Process] = {}
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
        """Start all processes, and return when pods can be created."""
        binaries = await asyncio.to_thread(_locate)
        ports = {}
        for owner in (*commands.PROCESSES, "etcd-peer"):
            lease = reserve_port()
            self._leases.append(lease)
            ports[owner] = lease.port
        self.url = f"https://127.0.0.1:{ports['apiserver']}"
        self.etcd_url = f"http://127.0.0.1:{ports['etcd']}"
        self._prepare(ports)
        self._plan(binaries, ports)
        for together in (("etcd", "apiserver"), ("controller-manager", "scheduler", "kwok")):
            for name in together:
                self.processes[name].spawn()
            for name in together:
                await self.processes[name].wait_ready()
        await self.api.wait("/api/v1/namespaces/default/serviceaccounts/default", lambda _: True)
        self.version: str = (await self.api.get("/version"))["gitVersion"]

    def close(self) -> None:
        """Kill every process and remove every file."""
        for process in reversed(self.processes.values()):
            process.kill()
        for lease in self._leases:
            lease.release()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def kubeconfig_for(self, service_account: str) -> Path:
        """A kubeconfig with a token of the ServiceAccount `namespace/name`, which must exist."""
        namespace, _, account = service_account.partition("/")
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        answer = await self.api.create(path, {"spec": {"expirationSeconds": 86_400}})
        file = self.folder / f"{namespace}-{account}.kubeconfig"
        token = answer["status"]["token"]
        return write_kubeconfig(file, url=self.url, authority=self._authority, token=token)

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator; answers what it printed."""
        binary = parts.locate("kubernetes")["kubectl"]
        child = await asyncio.create_subprocess_exec(
            *(str(binary), f"--kubeconfig={self.kubeconfig}", *arguments),
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await child.communicate(None if stdin is None else stdin.encode())
        if child.returncode != 0:
            raise KubectlFailed(errors.decode().strip())
        return output.decode()

    async def apply(self, objects: str | Object | Iterable[Object]) -> list[Object]:
        """Server-side apply of YAML text, one object or many."""
        return await self.api.apply(objects)

    async def add_nodes(
        self,
        count: int,
        *,
        cpu: str = "4",
        memory: str = "16Gi",
        pods: int = 110,
        labels: Mapping[str, str] | None = None,
        taints: Sequence[Mapping[str, str]] = (),
        extended: Mapping[str, str] | None = None,
        prefix: str = "node",
    ) -> list[str]:
        """Create nodes `<prefix>-0` … that KWOK manages; returns their names once all are Ready."""
        names = [f"{prefix}-{number}" for number in range(count)]
        gate = asyncio.Semaphore(_CONCURRENT_CREATES)

        async def add(name: str) -> None:
            body = node(
                name,
                cpu=cpu,
                memory=memory,
                pods=pods,
                labels=labels or {},
                taints=taints,
                extended=extended or {},
                version=self.version,
            )
            async with gate:
                await self.api.create("/api/v1/nodes", body)
                await self.api.wait(f"/api/v1/nodes/{name}", _usable)

        await asyncio.gather(*map(add, names))
        return names

    async def silence(self, node_name: str) -> None:
        """Make this node look dead: its lease lapses, its pods are neither started nor ended.

        KWOK leaves nodes alone whose lease somebody else holds, so we take it and do not renew it.
        Only where another node is healthy does Kubernetes evict the pods of a silent one.
        """
        lease = {"holderIdentity": _SILENCED, "leaseDurationSeconds": 10**6}
        await self.api.merge(f"{_LEASES}/{node_name}", {"spec": lease})

    async def revive(self, node_name: str) -> None:
        """Let KWOK have the node back; it looks at every quarter of a lease."""
        await self.api.delete(f"{_LEASES}/{node_name}")

    async def _release_nodes(self) -> None:
        """Take the leases from a KWOK that died: its successor, with a new name, would wait."""
        for item in await self.api.items("/api/v1/nodes"):
            if not MANAGED.items() <= item["metadata"].get("annotations", {}).items():
                continue
            name = item["metadata"]["name"]
            lease = await self.api.get(f"{_LEASES}/{name}")
            if lease["spec"].get("holderIdentity") != _SILENCED:
                await self.revive(name)

    def _prepare(self, ports: Mapping[str, int]) -> None:
        """Write the keys, certificates and kubeconfigs."""
        authority = Authority(self.folder)
        self._authority = authority.pair.certificate
        names = ["localhost", "kubernetes", "kubernetes.default.svc"]
        clients = {file: authority.client(file, *user) for file, user in _USERS.items()}
        kubeconfigs = {
            file: write_kubeconfig(
                self.folder / f"{file}.kubeconfig",
                url=self.url,
                authority=self._authority,
                client=client,
            )
            for file, client in clients.items()
        }
        self.kubeconfig = kubeconfigs["admin"]
        self.api = Api(self.url, self._authority, clients["admin"])
        self._layout = Layout(
            folder=self.folder,
            ports=ports,
            authority=authority.pair,
            server=authority.server("server", names, ["127.0.0.1"]),
            service_accounts=signing_key(self.folder),
            kubeconfigs=kubeconfigs,
        )

    def _plan(self, binaries: Mapping[str, Path], ports: Mapping[str, int]) -> None:
        """Describe the processes, in the order in which they become ready."""
        layout, options = self._layout, self.options
        planned = {
            "etcd": commands.etcd(binaries["etcd"], layout, options),
            "apiserver": commands.apiserver(binaries["kube-apiserver"], layout, options),
            "controller-manager": commands.controller_manager(
                binaries["kube-controller-manager"], layout, options
            ),
            "scheduler": commands.scheduler(binaries["kube-scheduler"], layout, options),
            "kwok": commands.kwok(binaries["kwok"], layout, options),
        }
        for name, command in planned.items():
            self.processes[name] = Process(
                name,
                command,
                log=self.folder / f"{name}.log",
                ready=self._probe(name, ports[name]),
                before_start=self._release_nodes if name == "kwok" else None,
            )

    def _probe(self, name: str, port: int) -> Callable[[], bool]:
        scheme = "http" if name in ("etcd", "kwok") else "https"
        path = {"etcd": "/health", "apiserver": "/readyz"}.get(name, "/healthz")
        api = Api(f"{scheme}://127.0.0.1:{port}", self._authority)
        return lambda: api.answers(path)


def _locate() -> dict[str, Path]:
    return {
        program: path
        for part in ("etcd", "kubernetes", "kwok")
        for program, path in parts.locate(part).items()
    }


def _usable(item: Object) -> bool:
    ready = any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in item["status"].get("conditions", [])
    )
    return ready and not any(
        taint["key"].startswith("node.kubernetes.io/") for taint in item["spec"].get("taints", [])
    )
