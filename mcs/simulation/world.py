"""A federation in memory: clusters, NATS, and every process of mcs, on the running virtual loop.

The processes are the product's own services, unchanged, each behind wires of its own. The world
knows who is connected, who lives, and what is wrong at the moment (``weather``); what happens to it
is ``people``'s and ``accidents``'.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from mcs.adapters.memory_branch import InlineBranch
from mcs.adapters.memory_log import MemoryBroker
from mcs.adapters.memory_nats import MemoryNats
from mcs.events.decisions import Policy
from mcs.names import Keys
from mcs.ports import Stream
from mcs.services.agent import Agent
from mcs.services.duties import duties
from mcs.services.scheduler import Scheduler
from mcs.settings import AgentSettings, SchedulerSettings
from mcs.simulation.adapter_wires import AdapterLog
from mcs.simulation.checkers import Checkers
from mcs.simulation.cluster_wires import WiredCluster
from mcs.simulation.drawing import processes
from mcs.simulation.lives import Couriers, Life
from mcs.simulation.loop import VirtualClock
from mcs.simulation.places import SECRET, Place
from mcs.simulation.plan import Plan
from mcs.simulation.processes import Process, Started
from mcs.simulation.weather import Weather
from mcs.simulation.wires import ProcessLog, WiredClock, WiredLog, WiredSnapshots, Witness

SKEW_S = 5.0
"""How wrong a process' wall clock may be, to either side."""


class Told(NamedTuple):
    """Something worth telling that is not in the log."""

    at_s: float
    who: str
    what: str


class World:
    """All parts of one run. ``schedulers`` and ``agents``: those that live now, by process;
    ``snapshots``: what NATS keeps of schedulers' states.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan, self.keys, self.clock = plan, Keys(), VirtualClock()
        self.weather, self.couriers = Weather(), Couriers()
        self.broker = MemoryBroker(self.clock)
        self.server = MemoryNats(self.broker)
        self.places = {
            each.name: Place(each, self.clock, self.keys, self.random(each.name))
            for each in plan.clusters
        }
        clusters = {name: place.cluster for name, place in self.places.items()}
        self.checkers = Checkers(self.broker, clusters, self.keys, secrets=[SECRET])
        self.witness: Witness = self.checkers
        self.story: list[Told] = []
        self.snapshots: dict[str, bytes] = {}
        self.schedulers: dict[str, Scheduler] = {}
        self.agents: dict[str, Agent] = {}
        self._wires: dict[str, ProcessLog] = {}
        self._cut: Counter[str] = Counter()  # by process; "" is NATS itself
        self._paused: Counter[str] = Counter()
        self._skews = self.random("skews")
        self.processes = {
            name: Process(
                name,
                self._starter(name),
                couriers=self.couriers,
                random=self.random,
                told=self.tell,
            )
            for name in processes(plan.clusters, plan.schedulers)
        }

    def random(self, what: str) -> Random:
        """A stream of chance of its own for each thing."""
        return Random(f"{self.plan.seed}/{what}")  # noqa: S311 (repeatable chance is the point)

    def tell(self, who: str, what: str) -> None:
        """Add a line to the story."""
        self.story.append(Told(self.clock.monotonic(), who, what))

    async def run(self) -> None:
        """Everything that lives, until cancelled. Raises Crash."""
        for place in self.places.values():
            await place.furnish()
        async with asyncio.TaskGroup() as tasks:
            for place in self.places.values():
                tasks.create_task(place.run())
            for name, process in self.processes.items():
                tasks.create_task(self._run_from(name, process))

    def leaderless(self) -> list[str]:
        """Where nobody is at work (yet): clusters whose agents stand by, and the scheduler."""
        led = {
            agent.settings.cluster
            for agent in self.agents.values()
            if agent.member is not None and agent.member.observer.complete.is_set()
        }
        found = [f"the agent of {name}" for name in self.places if name not in led]
        if not any(scheduler.active for scheduler in self.schedulers.values()):
            found.append("a scheduler")
        return found

    def of(self, who: str) -> list[str]:
        """The processes meant by a process' or a cluster's name."""
        if who in self.processes:
            return [who]
        return [name for name in self.processes if name.startswith(f"agent-{who}-")]

    def reached(self, process: str, stream: Stream) -> int:
        """The last sequence that this life of a process has read, or was told to have written."""
        return self._wires[process].reached[stream]

    def bereave(self, stream: Stream, last: int) -> None:
        """What lay after ``last`` is lost: note whose logs lack what they must know. A scheduler
        knows all that it has read, an agent at least what it has written.
        """
        for name, log in self._wires.items():
            known = log.reached if name in self.schedulers else log.told
            log.bereft = log.bereft or known[stream] > last

    # -- what accidents do ---------------------------------------------------------------------

    def cut(self, who: str) -> None:
        """Break the connections of a process or cluster (empty: all) to NATS."""
        for name in self.of(who) if who else [""]:
            self._cut[name] += 1
        self._connect()
        if not who:
            self.server.jetstream.forget_consumers()

    def mend(self, who: str) -> None:
        """Undo one ``cut``."""
        for name in self.of(who) if who else [""]:
            self._cut[name] -= 1
        self._connect()

    def pause(self, process: str) -> None:
        """Let a process stand still; its connections stay, and fill up."""
        self._paused[process] += 1
        if (life := self.processes[process].life) is not None:
            life.pause()

    def go_on(self, process: str) -> None:
        """Undo one ``pause``."""
        self._paused[process] -= 1
        if (life := self.processes[process].life) is not None and not self._paused[process]:
            life.go_on()

    def heal(self) -> None:
        """Everything works again, and everybody is there."""
        self.weather.clear()
        self._cut.clear()
        self._paused.clear()
        self._connect()
        for process in self.processes.values():
            process.come_back()
            if process.life is not None:
                process.life.go_on()

    # -- how processes start -------------------------------------------------------------------

    async def _run_from(self, name: str, process: Process) -> None:
        begins = [each.begins_s for each in self.plan.clusters if name in self.of(each.name)]
        await asyncio.sleep(max(begins, default=0.0))
        await process.run()

    def _connect(self) -> None:
        for name, wire in self._wires.items():
            wanted = self._connected(name)
            if wire.connection.connected and not wanted:
                wire.connection.cut()
            elif wanted and not wire.connection.connected:
                wire.connection.mend()

    def _connected(self, name: str) -> bool:
        return self._cut[""] <= 0 and self._cut[name] <= 0

    def _starter(self, name: str) -> Callable[[Life], Started]:
        def start(life: Life) -> Started:
            log = self._log(life, name)
            self._wires[name] = log
            if not self._connected(name):
                log.connection.cut()
            if self._paused[name]:
                life.pause()
            clock = WiredClock(life, self.clock, self._skews.uniform(-SKEW_S, SKEW_S))
            numbers = itertools.count(1)

            def draw_id() -> str:
                return f"{life.name}-{next(numbers)}"

            if name.startswith("scheduler"):
                return self._scheduler(name, life, log, clock, draw_id)
            return self._agent(name, life, log, clock, draw_id)

        return start

    def _log(self, life: Life, name: str) -> ProcessLog:
        if self.plan.adapter:
            return AdapterLog(life, self.server, self.weather, self.witness, name)
        return WiredLog(life, self.broker, self.weather, self.witness, name)

    def _scheduler(
        self, name: str, life: Life, log: ProcessLog, clock: WiredClock, draw_id: Callable[[], str]
    ) -> Started:
        policy = Policy(
            lost_after_s=self.plan.lost_after_s,
            unschedulable_after_s=8,
            backoff_s=3,
            backoff_max_s=12,
        )
        settings = SchedulerSettings(policy=policy, resync_ask_s=5.0, snapshot_every_s=5.0)
        snapshots = WiredSnapshots(life, log.connection, self.snapshots, self.weather)
        scheduler = Scheduler(
            log,
            log,
            clock,
            settings,
            draw_id=draw_id,
            snapshots=snapshots,
            branch=InlineBranch(),
        )
        self.schedulers[name] = scheduler

        def die() -> None:
            log.die()
            self.schedulers.pop(name, None)

        return Started(scheduler.run(), lambda: None, die)

    def _agent(
        self, name: str, life: Life, log: ProcessLog, clock: WiredClock, draw_id: Callable[[], str]
    ) -> Started:
        place = self.places[name.split("-")[1]]
        agent = Agent(
            AgentSettings(cluster=place.name, roles=place.plan.roles),
            cluster=WiredCluster(life, place.cluster, self.weather, self.witness, name),
            log=log,
            requests=log,
            clock=clock,
            draw_id=draw_id,
            services=duties(),
        )
        self.agents[name] = agent

        def die() -> None:
            log.die()
            self.agents.pop(name, None)

        return Started(agent.run(), agent.stop, die)
