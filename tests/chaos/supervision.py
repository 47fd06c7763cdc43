"""Carries out the faults of a plan, and starts again what ended, as a kubelet or systemd would.

A process that ends by itself is noted with its exit code. To end because NATS or an API server
cannot be reached is allowed (1 and 3, see ``mcs.cli``); to claim that the log is lost (4) when it
is not, or to crash, is a finding.
"""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass

from tools.processes import StartFailed

ALLOWED = {1, 3}
AGAIN_S = 0.5
LOOK_S = 0.1
LEASE = "/apis/coordination.k8s.io/v1/namespaces/mcs-system/leases/mcs-agent"
TRACEBACK = re.compile(
    r"^Traceback \(most recent call last\)|never retrieved|^panic:", re.MULTILINE
)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A process ended by itself."""

    part: str
    code: int
    tail: str

    def __str__(self):
        return f"{self.part} ended with {self.code}:\n{self.tail}"


def parts_of(federation):
    """Every process that a run may hit, by name; ``all nats`` is the whole cluster of servers."""
    nats = federation.nats
    servers = getattr(nats, "servers", None)
    parts = {server.name: server for server in servers} if servers else {"nats": nats}
    if servers:
        parts["all nats"] = nats
    for number, scheduler in enumerate(federation.schedulers, start=1):
        parts[f"scheduler-{number}"] = scheduler
    for name, agent in federation.agents.items():
        parts[f"agent-{name}-1"] = agent
    extra = {name: each for name, each in federation.extra.items() if name.startswith("agent")}
    parts |= extra
    for name, plane in federation.planes.items():
        parts[f"api-{name}"] = plane.processes["apiserver"]
    return parts


class Supervisor:
    """Keeps the parts running, but for those that a fault keeps away."""

    def __init__(self, federation, parts):
        self.endings = []
        self.committed = 0
        self._federation = federation
        self._parts = {name: part for name, part in parts.items() if name != "all nats"}
        self._away = set()
        self._tasks = set()

    async def run(self, faults, clock):
        """Carry out the faults; returns when the last one is over."""
        looking = asyncio.create_task(self._look_after())
        try:
            async with asyncio.TaskGroup() as tasks:
                for fault in faults:
                    await asyncio.sleep(max(0.0, fault.at_s - clock()))
                    tasks.create_task(self._commit(fault))
            await self.heal()
        finally:
            looking.cancel()
            await asyncio.gather(looking, *self._tasks, return_exceptions=True)

    async def heal(self):
        """Wait until every part runs and is ready."""
        for name, part in self._parts.items():
            deadline = time.monotonic() + 120
            while True:
                try:
                    await part.wait_ready()
                    break
                except StartFailed:
                    if time.monotonic() > deadline:
                        raise
                    await asyncio.sleep(AGAIN_S)
            if name.startswith("api-"):
                await self._wake_kube_scheduler(name.removeprefix("api-"))

    def findings(self):
        """What processes did that they must not do, in words."""
        found = [str(ending) for ending in self.endings if ending.code not in ALLOWED]
        for name, part in self._parts.items():
            if name.startswith("api-"):
                continue
            text = part.log.read_text(errors="replace")
            starts = [max(0, match.start() - 500) for match in TRACEBACK.finditer(text)]
            found += [f"{name} wrote:\n{text[start:][:3000]}" for start in starts]
        return found

    async def _commit(self, fault):
        hit = [fault.part] if fault.part in self._parts else self._all_nats()
        hit = [name for name in hit if self._parts[name].running]
        self.committed += bool(hit)
        if fault.how == "paused":
            for name in hit:
                self._parts[name].pause()
            await asyncio.sleep(fault.for_s)
            for name in hit:
                with contextlib.suppress(ProcessLookupError):
                    self._parts[name].resume()
            return
        self._away.update(hit)
        for name in hit:
            self._parts[name].kill()
        for name in hit:
            if name.startswith("agent-"):
                self._begin(self._expire(name))
        await asyncio.sleep(fault.for_s)
        for name in hit:
            self._parts[name].spawn()
            self._away.discard(name)
            if name.startswith("api-"):
                await self._returned(name)

    async def _returned(self, name):
        with contextlib.suppress(StartFailed):
            await self._parts[name].wait_ready()
            await self._wake_kube_scheduler(name.removeprefix("api-"))

    async def _wake_kube_scheduler(self, cluster):
        """Kubernetes' own scheduler looks for a server that died often only every half minute."""
        process = self._federation.planes[cluster].processes["scheduler"]
        process.kill()
        process.spawn()

    async def _expire(self, name):
        """Let a dead leader's Lease run out at once, or the run would mostly wait for that."""
        cluster = name.split("-")[1]
        led = re.findall(rf"({cluster}-[0-9a-f]+) leads", self._parts[name].log.read_text())
        api = self._federation.planes[cluster].api
        with contextlib.suppress(Exception):  # an API server that is away too: it is waited out
            lease = await api.get(LEASE)
            if led and lease["spec"].get("holderIdentity") == led[-1]:
                metadata = {"resourceVersion": lease["metadata"]["resourceVersion"]}
                spec = {"leaseDurationSeconds": 1}
                await api.merge(LEASE, {"metadata": metadata, "spec": spec})

    async def _look_after(self):
        while True:
            await asyncio.sleep(LOOK_S)
            for name, part in self._parts.items():
                if name not in self._away and not part.running:
                    self.endings.append(Ending(part=name, code=part.exit_code, tail=part.tail()))
                    self._away.add(name)
                    self._begin(self._again(name))

    async def _again(self, name):
        await asyncio.sleep(AGAIN_S)
        self._parts[name].spawn()
        self._away.discard(name)

    def _begin(self, work):
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _all_nats(self):
        return [name for name in self._parts if name.startswith("nats")]
