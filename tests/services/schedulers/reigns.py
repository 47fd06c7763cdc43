"""Several schedulers on one log in virtual time: killed, frozen and woken, cut off and mended."""

import asyncio
import functools
import inspect

from mcs.adapters.memory_branch import InlineBranch
from mcs.adapters.memory_log import MemoryBroker
from mcs.adapters.memory_snapshots import MemorySnapshots
from mcs.events import codec
from mcs.events.decisions import PodPlaced, SchedulerClaimed
from mcs.events.frames import digest
from mcs.ports import Stream
from mcs.projections.state import State
from mcs.services.scheduler import Scheduler
from mcs.settings import SchedulerSettings
from mcs.simulation.loop import VirtualClock, run_virtually
from tests.building import World


class Frozen:
    """A port, or a reader, of a process that can be stopped: nothing returns while it is."""

    def __init__(self, port, process):
        self._port, self._process = port, process

    def __getattr__(self, name):
        attribute = getattr(self._port, name)
        if not asyncio.iscoroutinefunction(attribute):
            return attribute

        async def call(*arguments, **options):
            await self._process.awake.wait()
            try:
                result = await attribute(*arguments, **options)
            finally:
                await self._process.awake.wait()
            return Frozen(result, self._process) if name == "read" else result

        return call


class Process:
    """One scheduler process."""

    def __init__(self, name, broker, bucket, settings):
        self.awake = asyncio.Event()
        self.awake.set()
        self.connection = broker.connect()
        self.snapshots = MemorySnapshots(bucket)
        ids = iter(f"{name}-{i}" for i in range(1000))
        log = Frozen(self.connection, self)
        self.scheduler = Scheduler(
            log,
            log,
            Frozen(VirtualClock(), self),
            settings,
            draw_id=lambda: next(ids),
            snapshots=Frozen(self.snapshots, self),
            branch=InlineBranch(),
        )
        self.task = asyncio.create_task(self.scheduler.run())

    @property
    def active(self):
        return self.scheduler.active

    def kill(self):
        """As ``kill -9``: none of its last words arrives."""
        self.connection.cut()
        self.snapshots.cut()
        self.task.cancel()

    def freeze(self):
        self.awake.clear()

    def wake(self):
        self.awake.set()


class Agents(World):
    """Writes observations into a broker."""

    def __init__(self, broker):
        self.broker = broker
        super().__init__()

    def _append(self, events):
        pass  # schedulers under test decide

    def store(self, subject, data):
        return self.broker.store([(subject, data)])


class Reigns:
    """The log, its agents and its schedulers."""

    def __init__(self, **settings):
        self.broker = MemoryBroker(VirtualClock())
        self.agents = Agents(self.broker)
        self.bucket = {}
        self.settings = SchedulerSettings(**settings)
        self.processes = {}

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for process in self.processes.values():
            process.wake()
            process.kill()
        tasks = [process.task for process in self.processes.values()]
        await asyncio.gather(*tasks, return_exceptions=True)

    def start(self, name, **settings):
        settings = SchedulerSettings(**settings) if settings else self.settings
        process = Process(name, self.broker, self.bucket, settings)
        self.processes[name] = process
        return process

    async def until(self, condition, *, seconds=60):
        """Wait in virtual time; returns how many of its seconds it took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)
        return loop.time() - began

    def decided(self, kind):
        """Every decision of a kind, in order."""
        frames = (codec.decode_decision(m.subject, m.data)[0] for m in self.messages)
        return [event for frame in frames for event in frame.events if isinstance(event, kind)]

    @property
    def messages(self):
        return self.broker.streams[Stream.DECISIONS].messages

    @property
    def placements(self):
        return [event.placement for event in self.decided(PodPlaced)]

    @property
    def reigns(self):
        return [event.reign for event in self.decided(SchedulerClaimed)]

    def states(self):
        """The digest of the state before each decision frame, by its sequence."""
        frames = ((m.sequence, codec.decode_decision(m.subject, m.data)[0]) for m in self.messages)
        return {sequence: frame.state for sequence, frame in frames}

    def verify(self):
        """Fold the log from its head: each cycle was decided in the state it says (I3), chained to
        all before it, by the newest reign, and no pod was placed twice (I1).
        """
        state = State()
        observations = self.broker.streams[Stream.OBSERVATIONS].messages
        for m in self.messages:
            frame, _ = codec.decode_decision(m.subject, m.data)
            while state.observed.sequence < frame.based_on:
                seen = observations[state.observed.sequence]
                state.observe(seen.sequence, seen.subject, seen.time_ns, seen.data)
            if frame.index == 0:
                assert (frame.state, frame.observed) == (state.digest(), state.observed.digest)
            claims = sum(isinstance(event, SchedulerClaimed) for event in frame.events)
            assert frame.reign == state.reign + claims, "decided by one who was deposed"
            state.decide(m.sequence, m.subject, m.data, frame)
            assert state.decided.digest == digest(m.subject, m.data)
        assert len(self.placements) == len(set(self.placements))
        return state


def virtually(test):
    """Runs a coroutine on virtual time."""

    @functools.wraps(test)
    def run(**fixtures):
        run_virtually(test(**fixtures))

    del run.__wrapped__  # or it would be taken for a coroutine function
    run.__signature__ = inspect.signature(test)
    return run
