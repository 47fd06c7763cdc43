"""The whole of mcs, as `mcs scheduler` and two `mcs agent` would run it, in one process.

nats-server is a real one, on disk; each part has its own connection to it. Only the Kubernetes API
servers are the in-memory twins, with kubelets and kube-schedulers in small.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Final, TypeVar

from mcs.adapters.clock import SystemClock
from mcs.adapters.jetstream import JetStream, connect
from mcs.adapters.streams import apply_streams
from mcs.demo.clock import ScaledClock
from mcs.demo.scenarios import Capacity, Scenario, capacity
from mcs.demo.sites import Site
from mcs.demo.watching import Watcher
from mcs.errors import McsError, Unavailable
from mcs.names import Keys
from mcs.services.agent import Agent
from mcs.services.duties import duties
from mcs.services.scheduler import Scheduler
from mcs.settings import AgentSettings, SchedulerSettings
from mcs.simulation.workloads import Outcome, run_steps

T = TypeVar("T")

READY_S: Final = 30.0
STALLED_S: Final = 15.0
_LOOK_S: Final = 0.02
_BEAT_S: Final = 0.25


class Stage:
    """A federation that runs; made by ``stage``. ``clock`` is that of clusters and workloads."""

    def __init__(self, speed: float) -> None:
        self.keys = Keys()
        self.clock = ScaledClock(SystemClock(), speed)
        self.sites = [Site(name, self.clock, self.keys) for name in ("cluster1", "cluster2")]
        self.watcher = Watcher(self.sites, self.clock, self.keys)
        self.scheduler: Scheduler
        self.agents: list[Agent] = []
        self.parts: list[asyncio.Task[None]] = []

    def capacities(self) -> dict[str, Capacity]:
        """What the clusters offer now, as the scheduler knows it."""
        inventory = self.scheduler.state.inventory
        return {site.name: capacity(inventory, site.name) for site in self.sites}

    async def play(self, scenario: Scenario) -> list[Outcome]:
        """Run a scenario's steps from cluster1 to their ends. Raises Unavailable as ``until``."""
        source = self.sites[0].cluster
        steps = run_steps(source, self.clock, scenario.steps, run=scenario.run)
        return await self._unless_broken(steps)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds.

        Raises:
            Unavailable: it does not within half a minute, or the log takes nothing any more.
        """

        async def hold() -> None:
            while not condition():  # noqa: ASYNC110 (conditions on projections tell nobody)
                await asyncio.sleep(_LOOK_S)

        try:
            async with asyncio.timeout(READY_S):
                await self._unless_broken(hold())
        except TimeoutError:
            raise Unavailable(f"the demo waited {READY_S:g} s in vain: {what}") from None

    async def flow(self) -> None:
        """Raise Unavailable as soon as the log takes nothing any more: an idle scheduler too says
        so every second. Counted in turns of the loop, so that a demo that was stopped (Ctrl-Z) may
        go on.
        """
        appended, still = -1, 0
        while still * _BEAT_S < STALLED_S:
            await asyncio.sleep(_BEAT_S)
            still = still + 1 if self.watcher.appended == appended else 0
            appended = self.watcher.appended
        raise Unavailable(f"nothing has come into the log for {STALLED_S:g} s")

    async def _unless_broken(self, wait: Coroutine[Any, Any, T]) -> T:
        """Wait for something, unless one of the parts breaks first: then say how."""
        waiting = asyncio.ensure_future(wait)
        try:
            await asyncio.wait({waiting, *self.parts}, return_when=asyncio.FIRST_COMPLETED)
            for part in self.parts:
                if part.done():
                    part.result()
            return await waiting
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})

    def settled(self) -> bool:
        """Whether all clusters are members and nothing is under way."""
        state = self.scheduler.state
        members = [state.membership.members.get(site.name) for site in self.sites]
        known = all(
            member is not None and member.current and member.heartbeat.nodes == 3
            for member in members
        )
        running = any(
            placement.live and not placement.phase.ended
            for placement in state.ledger.placements.values()
        )
        steps = any(
            kind == "step" for pods in self.watcher.used.values() for kind, _ in pods.values()
        )
        # A charge for each system pod and nothing else: the log has heard of every end.
        charges = len(state.inventory.charges)
        alone = charges == sum(len(pods) for pods in self.watcher.used.values())
        return known and alone and not running and not steps


@contextlib.asynccontextmanager
async def stage(url: str, speed: float) -> AsyncGenerator[Stage, None]:
    """Set everything up on the nats-server at ``url``; all leaves in good order at the end."""
    made = Stage(speed)
    async with contextlib.AsyncExitStack() as stack:
        logs = [await _connect(stack, url, name) for name in ("setup", "scheduler", "view")]
        await apply_streams(logs[0])
        settings = SchedulerSettings(silence_s=0.5)  # nobody else could be active
        made.scheduler = Scheduler(logs[1], logs[1], SystemClock(), settings, draw_id=_draw_id)
        tasks = [
            asyncio.create_task(made.scheduler.run()),
            asyncio.create_task(made.watcher.run(logs[2])),
            asyncio.create_task(made.flow()),
        ]
        leaving = []
        for site in made.sites:
            await site.furnish()
            log = await _connect(stack, url, f"agent {site.name}")
            agent = _agent(site, log)
            made.agents.append(agent)
            tasks.append(asyncio.create_task(site.run()))
            leaving.append(asyncio.create_task(agent.run()))
        made.parts = tasks + leaving
        patience_s = READY_S
        try:
            await made.until(made.settled, "the agents to join")
            yield made
        except McsError:
            patience_s = 0.0  # whom the agents would say good-bye to is not there
            raise
        finally:
            for agent in made.agents:
                agent.stop()
            await asyncio.wait(leaving, timeout=patience_s)
            for task in made.parts:
                task.cancel()
            await asyncio.gather(*made.parts, return_exceptions=True)


async def _connect(stack: contextlib.AsyncExitStack, url: str, name: str) -> JetStream:
    log = await connect(url, name=f"mcs demo {name}")
    stack.push_async_callback(log.close)
    return log


def _agent(site: Site, log: JetStream) -> Agent:
    return Agent(
        AgentSettings(cluster=site.name),
        cluster=site.cluster,
        log=log,
        requests=log,
        clock=SystemClock(),
        draw_id=_draw_id,
        services=duties(),
    )


def _draw_id() -> str:
    return uuid.uuid4().hex
