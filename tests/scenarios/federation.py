"""A small federation in memory, and the tape of what happens in it."""

import asyncio
import itertools

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.adapters.memory_log import MemoryBroker
from mcs.errors import BadFrame
from mcs.events import codec
from mcs.names import NAMESPACE_ENABLED, NAMESPACE_LABEL, Keys
from mcs.objects.kinds import NAMESPACES
from mcs.services.agent import Agent
from mcs.services.duties import duties
from mcs.services.scheduler import Scheduler
from mcs.settings import AgentSettings, SchedulerSettings
from mcs.simulation.admission import admission
from mcs.simulation.kube_scheduler import KubeScheduler
from mcs.simulation.kubelet import Kubelet
from mcs.simulation.loop import VirtualClock
from mcs.simulation.nodes import add_node
from tests.scenarios import telling
from tests.scenarios.wires import ClusterWire, Life, LogWire

QUIET_S = 3.0  # nothing to tell for so long: the world is quiet
BOUND_S = 900.0


class Site:
    """A cluster, its nodes, its kubelets and its kube-scheduler."""

    def __init__(self, name, clock):
        self.cluster = MemoryCluster(name, clock)
        self.cluster.mutators.append(admission(Keys()))
        self.nodes = []
        self.driven = []  # nodes with a kubelet
        self._clock = clock

    async def furnish(self):
        await self.cluster.create(NAMESPACES, {"metadata": {"name": "mcs-system"}})
        opted = {"metadata": {"labels": {NAMESPACE_LABEL: NAMESPACE_ENABLED}}}
        await self.cluster.patch(NAMESPACES, "default", opted)

    async def add_node(self, cpu, *, driven=True):
        name = f"n{len(self.nodes) + 1}"
        self.nodes.append(name)
        if driven:
            self.driven.append(name)
        room = {"cpu": cpu, "memory": "4Gi", "pods": "110"}
        await add_node(self.cluster, name, room, clock=self._clock)

    async def run(self):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Kubelet(self.cluster, self._clock, self.driven).run())
            tasks.create_task(KubeScheduler(self.cluster, self._clock).run())


class Process:
    """A scheduler or an agent, and its lives."""

    def __init__(self, name, federation):
        self.name = name
        self.life = self.wire = self.service = None
        self._federation = federation
        self._lives = itertools.count(1)

    def start(self):
        federation = self._federation
        life = self.life = Life(self.name, federation.tell)
        wire = self.wire = LogWire(federation.broker, life)
        identity, numbers = f"{self.name} {next(self._lives)}", itertools.count(1)

        def draw_id():
            return f"{identity} {next(numbers)}"

        self.service = self._service(life, wire, draw_id)
        task = federation.run(self.service.run())
        life.stuck = (wire, _Cancels(task))
        task.add_done_callback(lambda done: self._ended(done, life))

    def kill(self):
        if not self.life.dead:
            self._federation.tell("!", self.name, "is killed")
            self.life.kill()

    def _service(self, life, wire, draw_id):
        clock = self._federation.clock
        kind, _, name = self.name.partition(" ")
        if kind != "agent":
            return Scheduler(wire, wire, clock, SchedulerSettings(), draw_id=draw_id)
        return Agent(
            AgentSettings(cluster=name),
            cluster=ClusterWire(self._federation.sites[name].cluster, life),
            log=wire,
            requests=wire,
            clock=clock,
            draw_id=draw_id,
            services=duties(),
        )

    def _ended(self, task, life):
        if task.cancelled() or life.dead:
            return
        error = task.exception()
        self._federation.tell("!", self.name, f"has ended{f': {error!r}' if error else ''}")
        life.dead = True
        self.wire.die()


class _Cancels:
    def __init__(self, task):
        self._task = task

    def die(self):
        self._task.cancel()


class Federation:
    """Clusters, processes, a broker; ``told`` holds what was to tell, with its time."""

    def __init__(self):
        self.clock = VirtualClock()
        self.broker = MemoryBroker(self.clock)
        self.broker.observers.append(self)
        self.sites = {}
        self.processes = {}
        self.told = []
        self.accounts = False  # whether it is told where full accounts begin and end
        self._names = {}
        self._tasks = []

    async def add_site(self, name):
        site = self.sites[name] = Site(name, self.clock)
        await site.furnish()
        self.run(site.run())
        return site

    def process(self, name):
        return self.processes.setdefault(name, Process(name, self))

    def run(self, work):
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    def tell(self, *columns):
        self.told.append((self.clock.monotonic(), columns))

    def stored(self, _stream, message):
        """See ``mcs.adapters.memory_log.Observer``."""
        _, word, about = message.subject.split(".", 2)
        decode = codec.decode_decision if word == "dec" else codec.decode_observation
        try:
            frame, unknown = decode(message.subject, message.data)
        except BadFrame as error:
            self.tell(word, about, f"unreadable: {error}")
            return
        for said in frame.events:
            text = telling.event(said, self._names, accounts=self.accounts)
            if text is not None:
                self.tell(word, about, text)
        for said in unknown:
            self.tell(word, about, f"{said.tag}: unknown to this version, parked")

    def trimmed(self, _stream, first):
        self.tell("!", "NATS", f"trims up to {first}")

    def lost(self, _stream, last):
        self.tell("!", "NATS", f"lost what lay after {last}")

    async def quiet(self):
        """Wait until there was nothing to tell for a while."""
        begun = self.clock.monotonic()
        while (now := self.clock.monotonic()) < begun + BOUND_S:
            last = max(begun, self.told[-1][0] if self.told else 0.0)
            if now + 1e-6 >= last + QUIET_S:
                return
            await self.clock.sleep(last + QUIET_S - now)
        raise AssertionError(f"it never got quiet: {self.told[-6:]}")

    async def close(self):
        for process in self.processes.values():
            if process.life is not None:
                process.life.dead = True
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        broken = [it for it in results if isinstance(it, BaseException)]
        assert all(isinstance(it, asyncio.CancelledError) for it in broken), broken
