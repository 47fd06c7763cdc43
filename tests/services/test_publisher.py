"""The publisher on the memory log: order, numbers, retries, limits."""

import asyncio
import contextlib

import pytest

from mcs.adapters.memory_log import Fate, MemoryBroker
from mcs.errors import TooLarge, Unavailable
from mcs.events import SCHEMA, codec
from mcs.events.constraints import Group
from mcs.events.frames import FRAME_BYTES, digest
from mcs.events.observations import (
    ClusterHeartbeat,
    NodeGone,
    PodGone,
    ProxyGone,
    ResyncStarted,
)
from mcs.ports import Stream
from mcs.services.publisher import Publisher
from tests.building import proxy
from tests.services.clocks import LeapingClock, turns


class Bench:
    def __init__(self, most_bytes=1024 * 1024, **limits):
        self.clock = LeapingClock()
        self.broker = MemoryBroker(self.clock, most_bytes=most_bytes)
        self.log = self.broker.connect()
        self.publisher = Publisher(self.log.append, self.clock, "c1", 7, joined="joined", **limits)

    @contextlib.asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.publisher.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def stored(self):
        return self.broker.streams[Stream.OBSERVATIONS].messages

    @property
    def frames(self):
        return [codec.decode_observation(m.subject, m.data)[0] for m in self.stored]

    @property
    def events(self):
        return [(frame.channel, event) for frame in self.frames for event in frame.events]


def pods(*uids):
    return [PodGone(uid=uid) for uid in uids]


async def test_publish_gives_the_sequence_of_the_frame():
    bench = Bench()
    async with bench.running():
        first = await bench.publisher.publish("capacity", ResyncStarted())
        second = await bench.publisher.publish("capacity", *pods("a", "b"))

    assert (first, second) == (1, 2)
    assert bench.frames[1].events == tuple(pods("a", "b"))


async def test_events_gather_while_an_append_is_in_flight():
    bench = Bench()
    bench.publisher.offer("capacity", ResyncStarted())
    async with bench.running():
        await asyncio.sleep(0)  # the first frame is on its way
        for uid in "abc":
            bench.publisher.offer("capacity", *pods(uid))
        await bench.publisher.flush()

    assert [len(frame.events) for frame in bench.frames] == [1, 3]


async def test_order_between_channels_is_kept():
    bench = Bench()
    bench.publisher.offer("capacity", ResyncStarted(), *pods("a"))
    bench.publisher.offer("proxy", ResyncStarted())
    bench.publisher.offer("capacity", *pods("b"))
    async with bench.running():
        await bench.publisher.flush()

    assert [frame.channel for frame in bench.frames] == ["capacity", "proxy", "capacity"]


async def test_frames_of_a_channel_are_numbered_and_chained():
    bench = Bench()
    async with bench.running():
        for channel in "capacity", "cluster", "capacity", "cluster":
            event = ResyncStarted() if channel == "capacity" else ClusterHeartbeat()
            await bench.publisher.publish(channel, event)

    numbers = [(frame.channel, frame.number) for frame in bench.frames]
    assert numbers == [("capacity", 0), ("cluster", 1), ("capacity", 1), ("cluster", 2)]
    first, second = bench.stored[0], bench.frames[2]
    assert bench.frames[0].previous == ""
    assert bench.frames[1].previous == "joined"
    assert second.previous == digest(first.subject, first.data)
    assert {frame.epoch for frame in bench.frames} == {7}


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.UNSENT, Fate.ANSWER_LOST])
async def test_a_frame_without_an_answer_is_sent_again_byte_for_byte(fate):
    bench = Bench()
    sent = []

    def twice_in_vain(messages):
        sent.append(messages[0])
        return fate if len(sent) <= 2 else Fate.DELIVERED

    bench.log.fate = twice_in_vain
    async with bench.running():
        await bench.publisher.publish("capacity", ResyncStarted(), *pods("a"))
        await bench.publisher.publish("capacity", *pods("b"))

    assert sent[0] == sent[1] == sent[2] != sent[3]
    numbers = [frame.number for frame in bench.frames]
    assert sorted(set(numbers)) == [0, 1]
    assert numbers == ([0, 0, 0, 1] if fate is Fate.ANSWER_LOST else [0, 1])


async def test_waits_between_retries_grow_and_are_bounded():
    bench = Bench()
    bench.log.fate = lambda _: Fate.UNSENT if len(bench.clock.slept) < 12 else Fate.DELIVERED
    async with bench.running():
        await bench.publisher.publish("capacity", ResyncStarted())

    assert bench.clock.slept[:3] == [0.05, 0.1, 0.2]
    assert max(bench.clock.slept) == 5.0


async def test_a_channel_nobody_opened_begins_with_a_resync_and_says_so():
    bench = Bench()
    opened = []
    bench.publisher.on_open = opened.append
    async with bench.running():
        bench.publisher.offer("proxy", ResyncStarted(reason="mine"))
        await bench.publisher.publish("delegate.c2", *pods("a"))

    assert opened == ["delegate.c2"]
    assert [type(event) for _, event in bench.events] == [ResyncStarted, ResyncStarted, PodGone]
    assert bench.frames[1].number == 0


async def test_a_resync_begins_its_frame():
    bench = Bench()
    bench.publisher.offer("capacity", ResyncStarted(), *pods("a"))
    bench.publisher.offer("capacity", ResyncStarted(), *pods("a"))
    async with bench.running():
        await bench.publisher.flush()

    assert [type(frame.events[0]) for frame in bench.frames] == [ResyncStarted] * 2


async def test_a_frame_stays_within_its_soft_limit():
    bench = Bench()
    bench.publisher.offer("capacity", ResyncStarted(), *pods(*["x" * 10_000] * 100))
    async with bench.running():
        await bench.publisher.flush()

    assert len(bench.frames) == 4
    assert max(len(message.data) for message in bench.stored) < FRAME_BYTES + 1000
    assert len(bench.events) == 101


async def test_a_frame_that_is_refused_is_split_in_order():
    bench = Bench(most_bytes=2000)
    uids = [f"{number:0100}" for number in range(60)]
    async with bench.running():
        last = await bench.publisher.publish("capacity", ResyncStarted(), *pods(*uids))

    assert [event for _, event in bench.events[1:]] == pods(*uids)
    assert [frame.number for frame in bench.frames] == list(range(len(bench.frames)))
    assert last == len(bench.frames) > 1


async def test_one_event_that_is_refused_holds_up_nobody(caplog):
    bench = Bench(most_bytes=2000)
    async with bench.running():
        await bench.publisher.publish("capacity", ResyncStarted())
        with pytest.raises(TooLarge, match="one event"):
            await bench.publisher.publish("capacity", *pods("x" * 5000))
        await bench.publisher.publish("capacity", *pods("a"))

    assert [frame.number for frame in bench.frames] == [0, 1]
    assert "does not take this event" in caplog.text


async def test_a_backlog_beyond_its_limit_ends_the_publisher():
    bench = Bench(backlog_bytes=1000)
    bench.log.cut()
    task = asyncio.create_task(bench.publisher.run())
    waiting = asyncio.create_task(bench.publisher.publish("capacity", ResyncStarted()))
    await turns()
    bench.publisher.offer("capacity", *pods("x" * 2000))

    for ended in task, waiting:
        with pytest.raises(Unavailable):
            await ended
    with pytest.raises(Unavailable):
        await bench.publisher.publish("proxy", ProxyGone(uid="u", namespace="n", name="p"))


async def test_a_lost_backlog_is_noticed_even_when_the_log_returns():
    bench = Bench(backlog_bytes=1000)
    bench.log.fate = lambda _: Fate.DELIVERED if bench.clock.slept else Fate.UNSENT
    bench.publisher.offer("capacity", ResyncStarted())
    bench.clock.sleep = lambda _: overflow()

    async def overflow():
        bench.clock.slept.append(0)
        bench.publisher.offer("capacity", *pods("x" * 2000), NodeGone(name="lost"))

    with pytest.raises(Unavailable, match="waited for the log"):
        await bench.publisher.run()
    assert len(bench.frames) == 1


async def test_a_full_account_beyond_the_limit_is_no_backlog_while_the_log_answers():
    bench = Bench(backlog_bytes=1000)
    async with bench.running():
        bench.publisher.offer("capacity", ResyncStarted(), *pods(*["x" * 500] * 20))
        await bench.publisher.publish("capacity", *pods("last"))

    assert len(bench.events) == 22


async def test_who_waits_is_told_when_the_publisher_stops():
    bench = Bench()
    bench.log.cut()
    async with bench.running():
        waiting = asyncio.create_task(bench.publisher.publish("capacity", ResyncStarted()))
        await turns()

    with pytest.raises(Unavailable, match="stopped"):
        await waiting


async def test_flush_with_nothing_offered_returns_at_once():
    await Bench().publisher.flush()


async def test_frames_say_in_which_schema_they_are():
    bench = Bench()
    grouped = proxy(group=Group(name="g", size=2))
    bench.publisher.offer("proxy", ResyncStarted(), grouped)
    assert bench.publisher.speak(1)
    bench.publisher.offer("proxy", grouped)
    assert not bench.publisher.speak(1)
    async with bench.running():
        await bench.publisher.flush()

    assert [(frame.schema, frame.events) for frame in bench.frames] == [
        (SCHEMA, (ResyncStarted(), grouped)),
        (1, (proxy(),)),
    ]
