"""Joining, being succeeded, and other clusters under the same name, on the memory log."""

import asyncio

import pytest

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.adapters.memory_log import Fate
from mcs.errors import BadSettings, Deposed
from mcs.events import codec, subjects
from mcs.events.decisions import ClusterRemoved, CycleMarked
from mcs.events.frames import ObservationFrame, digest
from mcs.events.observations import ClusterHeartbeat, ClusterJoined, ClusterLeft
from mcs.ports import Stream
from mcs.services.follower import Follower
from mcs.services.membership import (
    answer_resyncs,
    cluster_uid,
    join,
    leave,
    watch_removal,
    watch_succession,
)
from mcs.services.publisher import Publisher
from tests.services.clocks import LeapingClock, turns
from tests.services.members import Log

SUBJECT = "mcs.obs.c1.cluster"


class Bench(Log):
    def __init__(self):
        super().__init__()
        self.leaping = LeapingClock()
        self.connection = self.broker.connect()

    async def join(self, id="one", uid="home"):
        event = ClusterJoined(id=id, uid=uid)
        return await join(self.connection, self.leaping, "c1", event)

    @property
    def observations(self):
        return self.broker.streams[Stream.OBSERVATIONS].messages

    def store_join(self, **fields):
        frame = ObservationFrame(source="c1", channel="cluster", events=(ClusterJoined(**fields),))
        return self.broker.store([(SUBJECT, codec.encode(frame))])

    def watch(self, epoch):
        return asyncio.create_task(watch_succession(self.connection, "c1", epoch))

    def watch_removal(self, epoch):
        everybody = Follower(
            self.connection, Stream.DECISIONS, subjects.EVERYBODY, after=epoch.decisions
        )
        return asyncio.create_task(watch_removal(everybody, "c1", epoch))


async def stopped(task):
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_sequence_of_the_join_is_the_epoch():
    bench = Bench()
    bench.observe("c2", "capacity")
    epoch = await bench.join()

    assert epoch.number == 2
    stored = bench.observations[1]
    frame, _ = codec.decode_observation(stored.subject, stored.data)
    assert (frame.number, frame.epoch, stored.subject) == (0, 0, SUBJECT)
    assert epoch.digest == digest(stored.subject, stored.data)


async def test_after_a_lost_answer_the_first_join_with_the_id_counts():
    bench = Bench()
    bench.observe("c2", "capacity")
    fates = [Fate.ANSWER_LOST, Fate.LOST, Fate.ANSWER_LOST, Fate.DELIVERED]
    bench.connection.fate = lambda _: fates.pop(0)
    epoch = await bench.join()

    assert epoch.number == 2
    assert len(bench.observations) == 4
    assert len({message.data for message in bench.observations[1:]}) == 1


async def test_a_join_that_never_arrived_is_not_found_before_it_is_stored():
    bench = Bench()
    fates = [Fate.LOST, Fate.UNSENT, Fate.DELIVERED]
    bench.connection.fate = lambda _: fates.pop(0)
    bench.store_join(id="other", uid="home")
    epoch = await bench.join()

    assert epoch.number == 2


async def test_it_waits_for_a_log_that_is_away():
    bench = Bench()
    bench.connection.cut()
    joining = asyncio.create_task(bench.join())
    await turns()
    assert not joining.done()

    bench.connection.mend()
    assert (await joining).number == 1


async def test_a_newer_join_deposes():
    bench = Bench()
    epoch = await bench.join()
    watching = bench.watch(epoch)
    await turns()
    bench.store_join(id="two", uid="home")

    with pytest.raises(Deposed, match="newer agent"):
        await watching


async def test_neither_older_joins_nor_ones_own_depose():
    bench = Bench()
    bench.store_join(id="before", uid="home")
    epoch = await bench.join()
    bench.store_join(id="one", uid="home")  # our own retry, stored late
    watching = bench.watch(epoch)
    await turns()

    await stopped(watching)


async def test_another_cluster_under_our_name_does_not_depose(caplog):
    bench = Bench()
    epoch = await bench.join()
    bench.store_join(id="two", uid="elsewhere")
    watching = bench.watch(epoch)
    await turns()

    await stopped(watching)
    assert "another cluster (elsewhere)" in caplog.text


async def test_the_wrong_kubeconfig_does_not_join():
    bench = Bench()
    first = await bench.join(uid="home")
    with pytest.raises(BadSettings, match="right kubeconfig"):
        await bench.join(id="two", uid="elsewhere")
    bench.observe("c1", "cluster", ClusterHeartbeat(), epoch=first.number)
    with pytest.raises(BadSettings, match="right kubeconfig"):
        await bench.join(id="two", uid="elsewhere")

    assert len(bench.observations) == 2


async def test_a_name_is_free_again_when_its_cluster_was_removed():
    bench = Bench()
    first = await bench.join(uid="home")
    bench.decide(CycleMarked())
    bench.decide(ClusterRemoved(cluster="c2"), based_on=first.number)
    bench.broker.store([(subjects.EVERYBODY, b"garbage")])
    with pytest.raises(BadSettings):
        await bench.join(id="two", uid="elsewhere")

    bench.decide(ClusterRemoved(cluster="c1"), based_on=first.number)
    assert (await bench.join(id="two", uid="elsewhere")).number == 2


async def test_a_removal_before_the_last_join_frees_no_name():
    bench = Bench()
    bench.decide(ClusterRemoved(cluster="c1"), based_on=0)
    await bench.join(uid="home")
    with pytest.raises(BadSettings):
        await bench.join(id="two", uid="elsewhere")


async def test_a_join_that_was_trimmed_cannot_be_compared():
    bench = Bench()
    first = await bench.join(uid="home")
    bench.observe("c1", "cluster", ClusterHeartbeat(), epoch=first.number)
    bench.broker.trim(Stream.OBSERVATIONS, 2)

    assert (await bench.join(id="two", uid="elsewhere")).number == 3


async def test_a_removed_cluster_that_lives_is_deposed_and_may_join_again():
    bench = Bench()
    epoch = await bench.join()
    watching = bench.watch_removal(epoch)
    await turns()
    bench.decide(ClusterRemoved(cluster="c1"), based_on=epoch.number)
    with pytest.raises(Deposed, match="removed"):
        await watching

    again = await bench.join(id="two")
    watching = bench.watch_removal(again)
    await turns()
    await stopped(watching)


async def test_a_removal_decided_before_the_join_was_read_does_not_end_it():
    bench = Bench()
    epoch = await bench.join()
    bench.decide(ClusterRemoved(cluster="c1"), based_on=epoch.number - 1)
    bench.decide(ClusterRemoved(cluster="c2"), based_on=epoch.number)
    watching = bench.watch_removal(epoch)
    await turns()

    await stopped(watching)


async def test_the_last_words_come_after_all_that_was_said():
    bench = Bench()
    epoch = await bench.join()
    append = bench.connection.append
    publisher = Publisher(append, bench.leaping, "c1", epoch.number, joined=epoch.digest)
    publishing = asyncio.create_task(publisher.run())
    publisher.offer("cluster", ClusterHeartbeat())
    await leave(publisher, "stopped")
    await stopped(publishing)

    assert bench.told("c1", "cluster")[1:] == [ClusterHeartbeat(), ClusterLeft(reason="stopped")]


async def test_requests_for_resyncs_are_passed_on_and_answered():
    bench = Bench()
    asked = []

    def ask(channel):
        asked.append(channel)
        return channel != "capacity"

    answering = asyncio.create_task(answer_resyncs(bench.connection, "c1", ask))
    await turns()
    asker = bench.broker.connect()
    subject = subjects.control("c1", "_scheduler", "resync")

    assert await asker.ask(subject) == b"accepted"
    assert await asker.ask(subject, b"capacity") == b"later"
    assert await asker.ask(subject, b"\xff") == b"accepted"
    assert asked == ["", "capacity", "�"]
    await stopped(answering)


async def test_a_cluster_is_known_by_the_uid_of_kube_system():
    clock = LeapingClock()
    first = await cluster_uid(MemoryCluster("c1", clock))
    second = await cluster_uid(MemoryCluster("c2", clock))

    assert first
    assert first != second
