"""The scheduler on the in-memory log: claiming, deciding, settling, standing down."""

import asyncio
import contextlib

import pytest

from mcs.adapters.clock import SystemClock
from mcs.adapters.memory_log import Fate, MemoryBroker
from mcs.errors import LogLost
from mcs.events import codec, subjects
from mcs.events.decisions import CycleMarked, PodPlaced, Policy, SchedulerClaimed
from mcs.events.event import Last
from mcs.events.frames import digest
from mcs.events.observations import ClusterHeartbeat
from mcs.ports import Stream
from mcs.services.scheduler import Scheduler
from mcs.settings import SchedulerSettings
from tests.building import World, node, proxy

# So slow that a machine that stands still for a moment does not make it claim.
SLOW = SchedulerSettings(silence_s=1.5, mark_s=0.02, retry_s=0.01)
QUICK = SchedulerSettings(silence_s=0.05, mark_s=0.02, retry_s=0.01)


class Agents(World):
    """Writes observations into a broker instead of a list of its own."""

    def __init__(self, broker):
        self.broker = broker
        super().__init__()

    def _append(self, events):
        pass  # schedulers under test decide

    def store(self, subject, data):
        return self.broker.store([(subject, data)])


def scheduler(broker, name="s1", settings=QUICK):
    connection = broker.connect()
    ids = iter(f"{name}-{i}" for i in range(100))
    return Scheduler(
        connection, connection, SystemClock(), settings, draw_id=lambda: next(ids)
    ), connection


@contextlib.asynccontextmanager
async def running(*schedulers):
    tasks = [asyncio.create_task(s.run()) for s in schedulers]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def decided(broker):
    """Every decision stored, with its sequence."""
    frames = [
        (m.sequence, codec.decode_decision(m.subject, m.data)[0])
        for m in broker.streams[Stream.DECISIONS].messages
    ]
    return [(sequence, event) for sequence, frame in frames for event in frame.events]


def of(broker, kind):
    return [event for _, event in decided(broker) if isinstance(event, kind)]


async def until(condition, *, seconds=20):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_scheduler_claims_an_idle_log_and_marks_that_it_lives():
    broker = MemoryBroker(SystemClock())
    subject, _ = scheduler(broker)
    async with running(subject):
        await until(lambda: len(of(broker, CycleMarked)) > 2)

    assert [c.reign for c in of(broker, SchedulerClaimed)] == [1]


async def test_an_observation_becomes_a_decision():
    broker = MemoryBroker(SystemClock())
    agents = Agents(broker)
    subject, _ = scheduler(broker)
    async with running(subject):
        await until(lambda: subject.active)
        agents.join("c1", node())
        agents.proxies("c1", proxy())
        await until(lambda: of(broker, PodPlaced))

    assert [(p.name, p.target) for p in of(broker, PodPlaced)] == [("pod-u1", "c1")]


async def test_what_one_cycle_does_not_hold_is_decided_by_the_next_at_once():
    broker = MemoryBroker(SystemClock())
    patient = SchedulerSettings(
        silence_s=0.05, mark_s=600, retry_s=0.01, policy=Policy(cycle_bytes=2000)
    )
    subject, _ = scheduler(broker, settings=patient)
    world = Agents(broker)
    world.join("c1", node(cpu=9000))
    world.proxies("c1", *[proxy(f"u{number}") for number in range(20)])
    async with running(subject):
        await until(lambda: len(of(broker, PodPlaced)) == 20)
    cycles = len(broker.streams[Stream.DECISIONS].messages)
    assert cycles > 3
    assert not of(broker, CycleMarked)


async def test_of_two_schedulers_one_is_active_and_the_other_takes_over():
    broker = MemoryBroker(SystemClock())
    agents = Agents(broker)
    first, connection = scheduler(broker, "s1")
    second, _ = scheduler(broker, "s2", SLOW)
    async with running(first, second):
        await until(lambda: first.active)
        agents.join("c1", node())
        agents.proxies("c1", proxy("u1"))
        await until(lambda: of(broker, PodPlaced))
        assert not second.active

        connection.cut()
        await until(lambda: second.active)
        agents.proxies("c1", proxy("u2"))
        await until(lambda: len(of(broker, PodPlaced)) == 2)
        connection.mend()
        await until(lambda: not first.active)

    assert [c.reign for c in of(broker, SchedulerClaimed)][:2] == [1, 2]
    placements = [p.placement for p in of(broker, PodPlaced)]
    assert sorted(placements) == ["u1.1", "u2.1"], "I1"


async def test_one_that_is_deposed_lets_go_of_all_that_it_derived():
    broker = MemoryBroker(SystemClock())
    agents = Agents(broker)
    first, connection = scheduler(broker)
    async with running(first):
        await until(lambda: first.active)
        agents.join("c1", node())
        agents.proxies("c1", proxy("u1"))
        await until(lambda: of(broker, PodPlaced))
        led = first.state
        assert led.inventory.derived is not None
        connection.cut()
        second, _ = scheduler(broker, "s2")
        async with running(second):
            await until(lambda: second.active)
            connection.mend()
            await until(lambda: first.state is not led)

    assert led.inventory.derived is None


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.ANSWER_LOST, Fate.UNSENT])
async def test_an_append_without_an_answer_is_settled_before_anything_else(fate):
    broker = MemoryBroker(SystemClock())
    agents = Agents(broker)
    subject, connection = scheduler(broker)
    async with running(subject):
        await until(lambda: subject.active)
        agents.join("c1", node())
        fates = [fate, fate]
        connection.fate = lambda _: fates.pop() if fates else Fate.DELIVERED
        agents.proxies("c1", proxy("u1"))
        await until(lambda: of(broker, PodPlaced))
        agents.proxies("c1", proxy("u2"))
        await until(lambda: len(of(broker, PodPlaced)) == 2)

    assert [p.placement for p in of(broker, PodPlaced)] == ["u1.1", "u2.1"], "I6"
    assert len(of(broker, SchedulerClaimed)) == 1


@pytest.mark.parametrize("stream", list(Stream))
async def test_an_active_scheduler_finds_what_was_damaged_while_nats_was_away(stream, caplog):
    broker = MemoryBroker(SystemClock())
    subject, connection = scheduler(broker)
    decisions = broker.streams[Stream.DECISIONS]
    async with running(subject) as (task,):
        await until(lambda: subject.active and len(of(broker, CycleMarked)) > 2)
        connection.cut()
        end = decisions.last
        broker.damage(stream, 1)
        await until(lambda: "cannot be compared now" in caplog.text)
        connection.mend()
        await until(task.done)
        with pytest.raises(LogLost, match=str(stream)):
            await task
    assert decisions.last == end


@pytest.mark.parametrize("stream", list(Stream))
async def test_nothing_is_appended_after_a_break_before_the_logs_were_compared(stream):
    """Not even where NATS came back so soon that nothing failed: what a damaged log takes would be
    missing in the one that people put in its place.
    """
    broker = MemoryBroker(SystemClock())
    subject, connection = scheduler(broker)
    async with running(subject) as (task,):
        await until(lambda: subject.active and len(of(broker, CycleMarked)) > 2)
        connection.cut()
        broker.damage(stream, 1)
        connection.mend()
        ends = [each.last for each in broker.streams.values()]
        await until(task.done)
        with pytest.raises(LogLost, match=str(stream)):
            await task
    assert [each.last for each in broker.streams.values()] == ends


async def ticking_unread(subject, connection):
    """Let a scheduler tick on without reading; the last observation it has read."""
    observations = connection.broker.streams[Stream.OBSERVATIONS]
    await until(lambda: subject.active and observations.last > 2)
    for reader in connection.readers:
        reader.connected = False
    read = observations.last
    await until(lambda: subject.state.observed.sequence == read < observations.last - 2)
    return read


async def test_a_tick_that_was_stored_counts_as_known_before_it_is_read():
    broker = MemoryBroker(SystemClock())
    subject, connection = scheduler(broker)
    observations = broker.streams[Stream.OBSERVATIONS]
    async with running(subject) as (task,):
        read = await ticking_unread(subject, connection)
        connection.cut()
        broker.lose_tail(Stream.OBSERVATIONS, read)
        connection.mend()
        await until(task.done)
        with pytest.raises(LogLost, match=f"OBSERVATIONS ends at {read}, but"):
            await task
    assert observations.last == read


async def test_another_message_in_the_place_of_its_tick_is_a_loss():
    """Between two looks the log may have grown to its old length."""
    broker = MemoryBroker(SystemClock())
    subject, connection = scheduler(broker)
    observations = broker.streams[Stream.OBSERVATIONS]
    async with running(subject) as (task,):
        read = await ticking_unread(subject, connection)
        end = observations.last
        connection.cut()
        others = [("mcs.obs.c1.cluster", b"another")] * (end - read + 1)
        broker.rewrite_tail(Stream.OBSERVATIONS, read, others)
        connection.mend()
        await until(task.done)
        with pytest.raises(LogLost, match=r"OBSERVATIONS \d+ is not what this .* has written"):
            await task


async def test_damage_is_found_although_no_append_failed():
    broker = MemoryBroker(SystemClock())
    often = SchedulerSettings(silence_s=0.05, mark_s=0.02, retry_s=0.01, compare_s=0.1)
    subject, _ = scheduler(broker, settings=often)
    async with running(subject) as (task,):
        await until(lambda: subject.active and len(of(broker, CycleMarked)) > 2)
        broker.damage(Stream.DECISIONS, 1)
        await until(task.done)
        with pytest.raises(LogLost, match="DECISIONS counts from 1 to"):
            await task


async def test_a_standby_does_not_claim_over_observations_that_were_lost():
    broker = MemoryBroker(SystemClock())
    agents = Agents(broker)
    first, _ = scheduler(broker, "s1")
    second, connection = scheduler(broker, "s2", SLOW)
    decisions, observations = (broker.streams[each] for each in reversed(Stream))
    async with running(second) as (task,):
        async with running(first):
            await until(lambda: first.active)
            agents.join("c1", node())
            await until(lambda: second.state.observed.sequence > 2)
        connection.cut()
        end, folded = decisions.last, second.state.observed.sequence
        tail = [(each.subject, each.data) for each in observations.messages[folded - 2 :]]
        # Lost, and by now it is as long as before.
        broker.rewrite_tail(Stream.OBSERVATIONS, folded - 2, [*tail[1:], *tail])
        connection.mend()
        await until(task.done)
        with pytest.raises(LogLost, match=r"OBSERVATIONS \d+ is not what"):
            await task
    assert decisions.last == end


async def test_decisions_that_were_lost_are_not_written_over_by_a_claim():
    broker = MemoryBroker(SystemClock())
    agents = Agents(broker)
    subject, _ = scheduler(broker)
    decisions = broker.streams[Stream.DECISIONS]
    async with running(subject):
        await until(lambda: subject.active)
        agents.join("c1", node())
        agents.proxies("c1", proxy("u1"))
        await until(lambda: of(broker, PodPlaced))
        last = decisions.messages[-1]
        heard = Last(sequence=last.sequence, digest=digest(last.subject, last.data))
    agents.observe("c1", subjects.CLUSTER, ClusterHeartbeat(decision=heard))
    broker.lose_tail(Stream.DECISIONS, heard.sequence - 1)

    for name in "s2", "s3":  # as often as somebody starts one
        again, _ = scheduler(broker, name)
        async with running(again) as (task,):
            await until(task.done)
            with pytest.raises(LogLost, match=f"agent of c1 has read decision {heard.sequence} "):
                await task
    assert decisions.last == heard.sequence - 1


async def test_a_lost_decision_is_known_although_the_claim_took_its_place():
    """The last words of the agent that had read it hide behind bytes that nobody can read."""
    broker = MemoryBroker(SystemClock())
    agents = Agents(broker)
    subject, _ = scheduler(broker)
    decisions = broker.streams[Stream.DECISIONS]
    async with running(subject):
        await until(lambda: subject.active)
        agents.join("c1", node())
        await until(lambda: of(broker, CycleMarked))
    last = decisions.messages[-1]
    heard = Last(sequence=last.sequence, digest=digest(last.subject, last.data))
    agents.observe("c1", subjects.CLUSTER, ClusterHeartbeat(decision=heard))
    broker.store([(subjects.observation("c1", subjects.CLUSTER), b"{")])
    broker.lose_tail(Stream.DECISIONS, heard.sequence - 1)

    again, _ = scheduler(broker, "s2")
    async with running(again) as (task,):
        await until(task.done)
        with pytest.raises(LogLost, match=f"an agent has read decision {heard.sequence} "):
            await task


async def test_a_log_that_lost_decisions_an_agent_has_read_stops_the_scheduler():
    broker = MemoryBroker(SystemClock())
    agents = Agents(broker)
    subject, _ = scheduler(broker)
    async with running(subject) as tasks:
        await until(lambda: subject.active)
        agents.join("c1", node())
        heard = ClusterHeartbeat(decision=Last(sequence=9_999_999, digest="x"))
        agents.observe("c1", subjects.CLUSTER, heard)
        await until(tasks[0].done)

        assert isinstance(tasks[0].exception(), LogLost)


async def test_observations_that_end_before_a_decisions_base_stop_the_scheduler():
    broker = MemoryBroker(SystemClock())
    agents = Agents(broker)
    subject, _ = scheduler(broker)
    async with running(subject):
        await until(lambda: subject.active)
        agents.join("c1", node())
        agents.proxies("c1", proxy())
        await until(lambda: of(broker, PodPlaced))
    broker.lose_tail(Stream.OBSERVATIONS, 1)
    again, _ = scheduler(broker, "s2")

    with pytest.raises(LogLost, match="acknowledged observations are lost"):
        await again.run()
