"""The follower on the memory log: order, parking, duplicates, chains, another log."""

import asyncio
import contextlib

import pytest

from mcs.errors import LogLost
from mcs.events import codec
from mcs.events.decisions import CycleMarked
from mcs.events.event import Last
from mcs.events.frames import ObservationFrame, digest
from mcs.events.observations import PodGone, ResyncStarted
from mcs.ports import Stream
from mcs.services.follower import Follower
from tests.services.members import Log, until


class Reading:
    """A follower at work, and what it handed over."""

    def __init__(self, log, stream, subject, **options):
        self.follower = Follower(log.broker.connect(), stream, subject, **options)
        self.frames = []

    async def __aenter__(self):
        self.task = asyncio.create_task(self.follower.run(self.take))
        return self

    def take(self, stored, frame):
        self.frames.append((stored.sequence, frame))

    async def __aexit__(self, *_):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, LogLost):
            await self.task

    async def fails(self):
        with pytest.raises(LogLost) as caught:
            async with asyncio.timeout(30):
                await self.task
        return str(caught.value)


def observations(log, subject="mcs.obs.c1.capacity", **options):
    return Reading(log, Stream.OBSERVATIONS, subject, **options)


def decisions(log, subject="mcs.dec.c2.*", **options):
    return Reading(log, Stream.DECISIONS, subject, **options)


def gone(uid):
    return PodGone(uid=uid)


async def test_frames_are_handed_over_in_order_and_others_left_out():
    log = Log()
    for uid in "abc":
        log.observe("c1", "capacity", gone(uid))
        log.observe("c2", "capacity", gone(uid))
    async with observations(log) as reading:
        await reading.follower.caught_up.wait()

        assert [frame.events[0].uid for _, frame in reading.frames] == ["a", "b", "c"]
        assert reading.follower.position == 5

        log.observe("c1", "capacity", gone("d"))
        await until(lambda: len(reading.frames) == 4)


async def test_it_goes_on_after_its_position():
    log = Log()
    for uid in "abc":
        log.observe("c1", "capacity", gone(uid))
    async with observations(log, after=2) as reading:
        await reading.follower.caught_up.wait()

        assert [sequence for sequence, _ in reading.frames] == [3]


async def test_from_the_beginning_is_from_the_head():
    log = Log()
    for uid in "abc":
        log.observe("c1", "capacity", gone(uid))
    log.broker.trim(Stream.OBSERVATIONS, 3)
    async with observations(log) as reading:
        await reading.follower.caught_up.wait()

    assert [sequence for sequence, _ in reading.frames] == [3]


async def test_an_empty_log_is_caught_up_with_at_once():
    async with observations(Log()) as reading:
        await reading.follower.caught_up.wait()


async def test_what_was_trimmed_meanwhile_does_not_keep_it_from_catching_up():
    log = Log()
    log.observe("c1", "capacity", gone("a"))
    reading = observations(log)
    reading.follower._log = Trimming(log)
    async with reading:
        await until(reading.follower.caught_up.is_set)

    assert reading.frames == []


class Trimming:
    """A log whose first message is trimmed just after it was seen to be the last."""

    def __init__(self, log):
        self.log, self.inner, self.asked = log, log.broker.connect(), 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def read(self, stream, *, after=0, subject=""):
        return await self.inner.read(stream, after=1, subject=subject)

    async def last(self, stream, subject):
        self.asked += 1
        return await self.inner.last(stream, subject) if self.asked == 1 else None


async def test_reached_waits_for_a_sequence():
    log = Log()
    async with observations(log) as reading:
        waiting = asyncio.create_task(reading.follower.reached(2))
        log.observe("c1", "capacity", gone("a"))
        await until(lambda: reading.follower.position == 1)
        assert not waiting.done()

        log.observe("c1", "capacity", gone("b"))
        await waiting
        await reading.follower.reached(1)


async def test_an_unreadable_frame_is_parked_and_passed_over(caplog):
    log = Log()
    log.broker.store([("mcs.obs.c1.capacity", b"{not json")])
    log.observe("c1", "capacity", gone("a"))
    async with observations(log) as reading:
        await reading.follower.caught_up.wait()

    assert [sequence for sequence, _ in reading.frames] == [2]
    assert reading.follower.parked == 1
    assert "parked OBSERVATIONS 1" in caplog.text


async def test_an_unknown_event_is_parked_and_the_rest_handed_over():
    log = Log()
    frame = ObservationFrame(source="c1", epoch=1, channel="capacity", events=(gone("a"),))
    data = codec.encode(frame).replace(b'"events":[', b'"events":[{"type":"node.melted"},')
    log.broker.store([("mcs.obs.c1.capacity", data)])
    async with observations(log) as reading:
        await reading.follower.caught_up.wait()

    assert reading.frames[0][1].events == (gone("a"),)
    assert reading.follower.parked == 1


async def test_a_frame_stored_twice_is_handed_over_once():
    log = Log()
    log.observe("c1", "capacity", gone("a"))
    stored = log.broker.streams[Stream.OBSERVATIONS].messages[0]
    log.observe("c1", "capacity", gone("b"))
    log.broker.store([(stored.subject, stored.data)])
    async with observations(log) as reading:
        await reading.follower.caught_up.wait()

    assert [sequence for sequence, _ in reading.frames] == [1, 2]
    assert reading.follower.position == 3


async def test_words_of_an_epoch_that_is_over_are_passed_over():
    log = Log()
    log.observe("c1", "capacity", gone("old"))
    log.observe("c1", "capacity", gone("a"), epoch=2)
    log.observe("c1", "capacity", gone("b"))
    async with observations(log) as reading:
        await reading.follower.caught_up.wait()

    assert [sequence for sequence, _ in reading.frames] == [1, 2]


async def test_missing_numbers_are_counted():
    log = Log()
    log.observe("c1", "capacity", gone("a"))
    log._numbers["c1", "capacity"] = 3
    log.observe("c1", "capacity", gone("b"))
    async with observations(log) as reading:
        await reading.follower.caught_up.wait()

    assert reading.follower.gaps == 1
    assert len(reading.frames) == 2


async def test_decisions_of_several_subjects_are_each_a_chain_of_their_own():
    log = Log()
    for source in "c1", "c3", "c1", "c3":
        log.decide(CycleMarked(), target="c2", source=source)
    async with decisions(log) as reading:
        await reading.follower.caught_up.wait()

        last = log.broker.streams[Stream.DECISIONS].messages[-1]
        assert len(reading.frames) == 4
        assert reading.follower.last == Last(sequence=4, digest=digest(last.subject, last.data))


async def test_a_decision_slipped_in_is_noticed():
    log = Log()
    log.decide(CycleMarked(), target="c2", source="c1")
    known = dict(log._last)
    log.decide(CycleMarked(), target="c2", source="c1")
    log._last = known
    log.decide(CycleMarked(), target="c2", source="c1")
    async with decisions(log) as reading:
        assert "follows 1" in await reading.fails()

    assert [sequence for sequence, _ in reading.frames] == [1, 2]


async def test_a_missing_first_decision_is_noticed():
    log = Log()
    log._last["mcs.dec.c2.c1"] = Last(sequence=1, digest="of what was removed")
    log.decide(CycleMarked())  # of sequence 1, but for everybody
    log.decide(CycleMarked(), target="c2", source="c1")
    async with decisions(log) as reading:
        assert "decision 1 is missing" in await reading.fails()

    assert reading.frames == []


async def test_decisions_before_the_head_or_the_position_are_not_missed():
    log = Log()
    for _ in range(4):
        log.decide(CycleMarked(), target="c2", source="c1")
    log.broker.trim(Stream.DECISIONS, 2)
    async with decisions(log, after=1) as first, decisions(log, after=3) as second:
        await first.follower.caught_up.wait()
        await second.follower.caught_up.wait()

        assert (len(first.frames), len(second.frames)) == (3, 1)


async def test_an_unreadable_decision_is_a_link_of_the_chain():
    log = Log()
    log.decide(CycleMarked(), target="c2", source="c1")
    subject, data = "mcs.dec.c2.c1", b"garbage"
    log.broker.store([(subject, data)])
    log._last[subject] = Last(sequence=2, digest=digest(subject, data))
    log.decide(CycleMarked(), target="c2", source="c1")
    async with decisions(log) as reading:
        await reading.follower.caught_up.wait()

    assert [sequence for sequence, _ in reading.frames] == [1, 3]


async def test_another_log_is_not_read():
    log = Log()
    log.decide(CycleMarked(), target="c2", source="c1")
    async with decisions(log, identity="the one we knew") as reading:
        assert "another log" in await reading.fails()

    assert reading.frames == []


async def test_a_log_that_ends_before_the_position_is_not_read():
    async with decisions(Log(), after=9) as reading:
        assert "9 was read before" in await reading.fails()


async def test_a_log_that_loses_its_end_later_stops_it():
    log = Log()
    for _ in range(3):
        log.decide(CycleMarked(), target="c2", source="c1")
    async with decisions(log) as reading:
        await reading.follower.caught_up.wait()
        log.broker.lose_tail(Stream.DECISIONS, 1)
        await reading.fails()


async def test_what_the_handler_raises_stops_it_before_its_position_moves():
    log = Log()
    log.observe("c1", "capacity", gone("a"))
    follower = Follower(log.broker.connect(), Stream.OBSERVATIONS, "mcs.obs.c1.capacity")

    def burst(_stored, _frame):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await follower.run(burst)

    assert follower.position == 0


async def test_one_wrong_number_does_not_make_all_that_follow_look_old_i8():
    log = Log()
    log.observe("c1", "capacity", gone("a"))
    log._numbers["c1", "capacity"] = 10**9
    log.observe("c1", "capacity", gone("wrong"))
    log._numbers["c1", "capacity"] = 1
    log.observe("c1", "capacity", gone("b"))
    log.observe("c1", "capacity", gone("c"))
    async with observations(log) as reading:
        await reading.follower.caught_up.wait()

    assert [frame.events[0].uid for _, frame in reading.frames] == ["a", "wrong", "b", "c"]
    assert reading.follower.gaps == 1


async def test_after_a_gap_the_count_goes_on_from_a_resync():
    log = Log()
    log.observe("c1", "capacity", gone("a"))
    log._numbers["c1", "capacity"] = 7
    log.observe("c1", "capacity", ResyncStarted())
    stored = log.broker.streams[Stream.OBSERVATIONS].messages[-1]
    log.broker.store([(stored.subject, stored.data)])
    log.observe("c1", "capacity", gone("b"))
    async with observations(log) as reading:
        await reading.follower.caught_up.wait()

    assert [sequence for sequence, _ in reading.frames] == [1, 2, 4]
    assert reading.follower.gaps == 1


async def test_an_epoch_that_has_not_begun_is_parked():
    log = Log()
    log.observe("c1", "capacity", gone("a"), epoch=2**62)
    log.observe("c1", "capacity", gone("b"))
    async with observations(log) as reading:
        await reading.follower.caught_up.wait()

    assert [sequence for sequence, _ in reading.frames] == [2]
    assert reading.follower.parked == 1
