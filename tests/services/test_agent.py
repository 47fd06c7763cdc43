"""A whole agent on the memory twins: from standing by to its last words, and back again."""

import asyncio
import itertools

import msgspec
import pytest

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.errors import BadSettings, Deposed, LogLost, Unreachable
from mcs.events import codec, subjects
from mcs.events.decisions import ClusterRemoved, CycleMarked
from mcs.events.event import Last
from mcs.events.frames import ObservationFrame, digest
from mcs.events.observations import (
    ClusterHeartbeat,
    ClusterJoined,
    ClusterLeft,
    DelegateGone,
    DelegateObserved,
    ResyncStarted,
    Ticked,
)
from mcs.objects.kinds import LEASES, NODES, PODS
from mcs.ports import Stream
from mcs.services.agent import Agent
from mcs.services.known_logs import SECOND_LOOK_S
from mcs.services.membership import cluster_uid
from mcs.settings import SOURCE, TARGET, AgentSettings, LeaseSettings
from tests.services.clocks import HandClock, turns
from tests.services.members import BOUND_S, KEYS, Log, until

SETTINGS = AgentSettings(cluster="c1", lease=LeaseSettings(namespace="default"))


class World(Log):
    """Cluster c1, the log, and agents at work."""

    def __init__(self):
        super().__init__()
        self.hand = HandClock()
        self.cluster = MemoryCluster("c1", self.hand)
        self.ids = itertools.count(1)
        self.runs = {}

    def agent(self, **options):
        settings = options.pop("settings", SETTINGS)
        connection = self.broker.connect()
        agent = Agent(
            settings,
            cluster=options.pop("cluster", self.cluster),
            log=connection,
            requests=connection,
            clock=self.hand,
            draw_id=lambda: f"id-{next(self.ids)}",
            **options,
        )
        agent.connection = connection
        self.runs[agent] = asyncio.create_task(agent.run())
        return agent

    async def leading(self, agent):
        """The agent's member, once its first account is complete."""
        async with asyncio.timeout(BOUND_S):
            while agent.member is None or not agent.member.observer.complete.is_set():
                if self.runs[agent].done():
                    self.runs[agent].result()
                await asyncio.sleep(0)
        return agent.member

    async def crash(self, agent):
        """As good as kill -9: no last words, the Lease is kept."""
        self.runs[agent].cancel()
        await asyncio.gather(self.runs.pop(agent), return_exceptions=True)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for agent in list(self.runs):
            await self.crash(agent)

    def cluster_events(self, kind):
        return [event for event in self.told("c1", "cluster") if isinstance(event, kind)]

    async def beats(self, count=1):
        """Let so many heartbeats pass."""
        for _ in range(count):
            await self.hand.advance(SETTINGS.heartbeat_s)


async def failure(task):
    """The first of the errors that ended a task."""
    await asyncio.wait({task}, timeout=BOUND_S)
    error = task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def test_an_agent_joins_observes_and_beats():
    async with World() as world:
        node = {"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "2"}}}
        await world.cluster.create(NODES, node)
        world.decide(CycleMarked())
        agent = world.agent()
        member = await world.leading(agent)
        world.decide(CycleMarked())
        await world.beats()

    (join,) = world.cluster_events(ClusterJoined)
    assert join.uid == await cluster_uid(world.cluster)
    assert join.kubernetes == "v1.36.3"
    assert member.epoch == 1
    beat = world.cluster_events(ClusterHeartbeat)[-1]
    decision = world.broker.streams[Stream.DECISIONS].messages[1]
    assert beat.totals == {"cpu": 2000}
    assert beat.kubernetes == "v1.36.3"
    assert set(beat.resyncs) == {"capacity", "proxy"}
    assert beat.decision == Last(sequence=2, digest=digest(decision.subject, decision.data))


async def test_the_cluster_channel_goes_on_after_the_join():
    async with World() as world:
        await world.leading(world.agent())
        await world.beats(2)

    stored = [
        message
        for message in world.broker.streams[Stream.OBSERVATIONS].messages
        if message.subject == "mcs.obs.c1.cluster"
    ]
    frames = [codec.decode_observation(message.subject, message.data)[0] for message in stored]
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert len(frames) > 2
    for before, after in itertools.pairwise(zip(stored, frames, strict=True)):
        assert after[1].previous == digest(before[0].subject, before[0].data)


async def test_no_heartbeat_before_the_cluster_was_seen_unless_that_takes_long():
    async with World() as world:
        slow = asyncio.Event()

        async def hold_lists(request):
            if request.verb == "list" and request.kind is PODS:
                await slow.wait()

        world.cluster.before = hold_lists
        agent = world.agent()
        await until(lambda: agent.member)
        await world.beats()
        assert world.cluster_events(ClusterHeartbeat) == []

        await world.beats(2)
        assert len(world.cluster_events(ClusterHeartbeat)) >= 1
        slow.set()


async def test_services_run_by_role_while_the_agent_leads():
    async with World() as world:
        ran = []

        def service(name):
            async def run(member):
                ran.append((name, member.name, member.held()))
                await asyncio.Event().wait()

            return run

        async def webhook():
            ran.append("webhook")
            await asyncio.Event().wait()

        settings = msgspec.structs.replace(SETTINGS, roles=(SOURCE,))
        services = [(SOURCE, service("feedback")), (TARGET, service("executor"))]
        first = world.agent()
        await world.leading(first)
        second = world.agent(settings=settings, services=services, always=[webhook])
        await turns()
        assert ran == ["webhook"]
        assert second.member is None

        await world.crash(first)
        await world.hand.advance(20)
        await world.leading(second)
        assert ran == ["webhook", ("feedback", "c1", True)]
        assert world.cluster_events(ClusterJoined)[-1].roles == (SOURCE,)


async def test_a_standby_neither_joins_nor_observes():
    async with World() as world:
        first = world.agent()
        await world.leading(first)
        second = world.agent()
        await world.beats(10)

        assert second.member is None
        assert len(world.cluster_events(ClusterJoined)) == 1


async def test_a_stopped_agent_says_so_and_is_followed_at_once():
    async with World() as world:
        first = world.agent()
        await world.leading(first)
        first.stop()
        await world.runs[first]
        assert world.cluster_events(ClusterLeft) == [ClusterLeft(reason="stopped")]

        await world.leading(world.agent())


async def test_a_stopped_agent_leaves_what_it_knew_of_the_log_to_its_last_word():
    async with World() as world:
        first = world.agent()
        await world.leading(first)
        first.stop()
        await world.runs[first]
        end = world.broker.streams[Stream.OBSERVATIONS].last
        world.broker.lose_tail(Stream.OBSERVATIONS, end - 1)

        second = world.agent()
        await world.hand.advance(SECOND_LOOK_S)
        with pytest.raises(ExceptionGroup) as error:
            await world.runs[second]
        assert error.group_contains(LogLost, match=f"knew {end}")


@pytest.mark.parametrize("stream", list(Stream))
async def test_an_agent_that_finds_a_loss_leaves_what_it_knew_to_the_next_one(stream):
    """It has read, or was told of, what nothing else names; the log has grown again."""
    async with World() as world:
        first = world.agent()
        member = await world.leading(first)
        world.decide(CycleMarked())
        await member.publisher.publish("cluster", Ticked())
        await turns()
        end = world.broker.streams[stream].last
        world.broker.lose_tail(stream, end - 1)
        await world.hand.advance(SETTINGS.heartbeat_s + 1)
        with pytest.raises(ExceptionGroup) as error:
            await world.runs[first]
        assert error.group_contains(LogLost)
        for _ in range(3):
            world.broker.store([(f"mcs.{stream[:3].lower()}._", b"another")])

        second = world.agent()
        await world.hand.advance(SETTINGS.lease.duration_s + SETTINGS.lease.retry_s + SECOND_LOOK_S)
        with pytest.raises(ExceptionGroup) as error:
            async with asyncio.timeout(BOUND_S):
                await world.runs[second]
        assert error.group_contains(LogLost, match=f"{end} is not the message")


async def test_what_any_reader_of_an_agent_has_read_is_left_to_the_next_one():
    async def service(member):
        reader = await member.log.read(Stream.DECISIONS, subject="mcs.dec.*.c1")
        while True:
            await reader.next()

    async with World() as world:
        first = world.agent(services=[(SOURCE, service)])
        await world.leading(first)
        end = world.decide(CycleMarked(), target="c2", source="c1")
        await turns()
        world.broker.lose_tail(Stream.DECISIONS, end - 1)
        await world.hand.advance(SETTINGS.heartbeat_s + 1)
        assert isinstance(await failure(world.runs[first]), LogLost)
        for _ in range(3):
            world.broker.store([("mcs.dec._", b"another")])

        second = world.agent()
        await world.hand.advance(SETTINGS.lease.duration_s + SETTINGS.lease.retry_s + SECOND_LOOK_S)
        error = await failure(world.runs[second])
        assert f"DECISIONS {end} is not the message" in str(error)


@pytest.mark.parametrize("stream", list(Stream))
async def test_an_agent_says_nothing_to_a_log_that_came_back_damaged(stream):
    async with World() as world:
        for _ in range(3):
            world.decide(CycleMarked())
        agent = world.agent()
        member = await world.leading(agent)
        await world.beats()
        agent.connection.cut()
        world.broker.damage(stream, 2)
        agent.connection.mend()
        end = world.broker.streams[Stream.OBSERVATIONS].last
        member.publisher.offer("cluster", Ticked())
        await world.hand.advance(SECOND_LOOK_S)

        error = await failure(world.runs[agent])
        assert isinstance(error, LogLost)
        assert world.broker.streams[Stream.OBSERVATIONS].last == end


async def test_an_agent_that_has_joined_soon_knows_of_its_own_join():
    async with World() as world:
        agent = world.agent()
        member = await world.leading(agent)
        await world.hand.advance(SETTINGS.lease.retry_s)

        lease = await world.cluster.get(LEASES, SETTINGS.lease.name, namespace="default")
        known = msgspec.json.decode(lease.metadata.annotations[KEYS.key("logs")])
        assert known[Stream.OBSERVATIONS]["position"] >= member.epoch


async def test_a_stopped_standby_returns():
    async with World() as world:
        await world.leading(world.agent())
        second = world.agent()
        await turns()
        second.stop()
        await world.runs[second]


async def test_an_agent_that_waits_for_the_log_can_be_stopped():
    async with World() as world:
        agent = world.agent()
        agent.connection.cut()
        await turns()
        agent.stop()
        await world.runs[agent]


async def test_a_lost_lease_ends_the_epoch_and_the_process_leads_again():
    async with World() as world:
        agent = world.agent()
        first = await world.leading(agent)
        world.cluster.stop()
        await world.hand.advance(13)
        assert not first.held()
        assert agent.member is None

        world.cluster.start()
        await world.hand.advance(20)
        second = await world.leading(agent)
        assert second.epoch > first.epoch


async def test_a_successor_ends_the_epoch():
    async with World() as world:
        agent = world.agent()
        member = await world.leading(agent)
        uid = await cluster_uid(world.cluster)
        join = ClusterJoined(id="successor", uid=uid)
        frame = ObservationFrame(source="c1", channel="cluster", events=(join,))
        world.broker.store([("mcs.obs.c1.cluster", codec.encode(frame))])
        await until(lambda: agent.member is not member)


async def test_a_removed_cluster_that_lives_joins_anew():
    async with World() as world:
        agent = world.agent()
        first = await world.leading(agent)
        world.decide(ClusterRemoved(cluster="c1"), based_on=first.epoch)
        await until(lambda: agent.member is not first)
        await world.hand.advance(5)

        assert (await world.leading(agent)).epoch > first.epoch


async def test_a_service_that_loses_its_place_does_not_end_the_process():
    async with World() as world:
        troubles = [Deposed("first"), Unreachable("second")]

        async def service(_member):
            if troubles:
                raise troubles.pop(0)
            await asyncio.Event().wait()

        agent = world.agent(services=[(SOURCE, service)])
        await world.hand.advance(30)
        await world.leading(agent)

        assert troubles == []


async def test_a_fault_in_a_service_ends_the_process():
    async with World() as world:

        async def service(_member):
            raise ZeroDivisionError

        agent = world.agent(services=[(TARGET, service)])

        assert isinstance(await failure(world.runs[agent]), ZeroDivisionError)


async def test_another_log_ends_the_process():
    async with World() as world:
        agent = world.agent()
        await world.leading(agent)
        await world.beats()
        world.broker.replace(Stream.DECISIONS, "another")
        await world.beats()
        await world.hand.advance(SECOND_LOOK_S)

        assert isinstance(await failure(world.runs[agent]), LogLost)


async def test_another_log_is_refused_by_whoever_leads_next():
    async with World() as world:
        first = world.agent()
        await world.leading(first)
        await world.beats()
        await world.crash(first)
        for stream in Stream:
            world.broker.replace(stream, "another")
        second = world.agent()
        await world.hand.advance(20)

        assert isinstance(await failure(world.runs[second]), LogLost)
    assert world.told("c1", "cluster") == []


async def test_the_wrong_cluster_ends_the_process():
    async with World() as world:
        first = world.agent()
        await world.leading(first)
        wrong = world.agent(cluster=MemoryCluster("elsewhere", world.hand))

        assert isinstance(await failure(world.runs[wrong]), BadSettings)
        assert len(world.cluster_events(ClusterJoined)) == 1


async def test_a_wrong_kubeconfig_is_told_before_anything_is_done_there():
    async with World() as world:
        await world.leading(world.agent())
        elsewhere = MemoryCluster("elsewhere", world.hand)
        own = msgspec.structs.replace(SETTINGS, cluster="c2")
        await world.leading(world.agent(cluster=elsewhere, settings=own))
        begun = []

        async def webhook():
            begun.append(True)

        wrong = world.agent(cluster=elsewhere, always=[webhook])

        assert isinstance(await failure(world.runs[wrong]), BadSettings)
        assert begun == []


async def test_a_crash_in_the_middle_kills_no_delegate_and_forgets_none():
    async with World() as world:
        for name in "ab":
            labels = {KEYS.proxy_uid: name, KEYS.attempt: "1", KEYS.source: "c3"}
            spec = {"containers": [{"name": "main", "image": "busybox"}], "nodeName": "n1"}
            manifest = {"metadata": {"name": name, "labels": labels}, "spec": spec}
            await world.cluster.create(PODS, manifest, namespace="default")
        first = world.agent()
        await world.leading(first)
        await until(lambda: len(world.told("c1", "delegate.c3")) >= 3)
        await world.crash(first)
        await world.cluster.delete(PODS, "a", namespace="default", grace_s=0)
        second = world.agent()
        await world.hand.advance(20)
        await world.leading(second)

    told = world.told("c1", "delegate.c3")
    starts = [at for at, event in enumerate(told) if isinstance(event, ResyncStarted)]
    again = told[starts[-1] :]
    assert [e.placement for e in told if isinstance(e, DelegateGone)] == ["a.1"]
    assert [e.placement for e in again if isinstance(e, DelegateObserved)] == ["b.1"]


async def test_a_request_for_a_resync_is_answered_with_one():
    async with World() as world:
        member = await world.leading(world.agent())
        await world.hand.advance(SETTINGS.resync_every_s)
        before = dict(member.observer.resyncs)
        asker = world.broker.connect()
        answer = await asker.ask(subjects.control("c1", "_scheduler", "resync"), b"capacity")
        assert answer == b"accepted"

        await until(lambda: member.observer.resyncs["capacity"] > before["capacity"])


async def test_the_log_away_longer_than_we_keep_facts_ends_in_a_new_epoch():
    async with World() as world:
        settings = msgspec.structs.replace(SETTINGS, backlog_bytes=1000)
        agent = world.agent(settings=settings)
        first = await world.leading(agent)
        agent.connection.cut()
        labels = {"big": "x" * 60}
        for number in range(20):
            node = {"metadata": {"name": f"n{number}", "labels": labels}}
            await world.cluster.create(NODES, node)
        await world.hand.advance(10)
        await until(lambda: agent.member is not first)

        agent.connection.mend()
        for _ in range(60):
            await world.hand.advance(1)
        second = await world.leading(agent)
        assert second.epoch > first.epoch
        assert len(second.nodes.real) == 20


async def test_the_lease_keeps_what_the_agent_knows_of_the_logs():
    async with World() as world:
        await world.leading(world.agent())
        world.decide(CycleMarked())
        await world.beats(2)
        lease = await world.cluster.get(LEASES, SETTINGS.lease.name, namespace="default")

    kept = msgspec.json.decode(lease.metadata.annotations[KEYS.key("logs")])
    (stored,) = world.broker.streams[Stream.DECISIONS].messages
    expected = digest(stored.subject, stored.data)
    assert kept["DECISIONS"] == {"identity": "memory-decisions", "position": 1, "digest": expected}
    assert kept["OBSERVATIONS"]["position"] > 1
