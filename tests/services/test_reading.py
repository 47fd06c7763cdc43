"""People's readers: both streams in order of time, and states as they were."""

import asyncio
from contextlib import aclosing

import pytest

from mcs.adapters.memory_log import MemoryBroker
from mcs.ports import Stream
from mcs.services.reading import Ends, Witness, chronicle, fold, stored_at
from tests.building import World, node, proxy
from tests.services.clocks import START_S, LeapingClock

BOUND_S = 30.0


class Log:
    """A log in memory whose messages are a second apart."""

    def __init__(self):
        self.clock = LeapingClock()
        self.broker = MemoryBroker(self.clock)
        self.connection = self.broker.connect()

    def add(self, *subjects):
        for subject in subjects:
            self.broker.store([(subject, b"{}")])
            self.clock.elapsed_s += 1

    async def read(self, **options):
        ends = await Ends.of(self.connection)
        messages = chronicle(self.connection, ends, **options)
        async with aclosing(messages):
            return [stored.subject async for stored in messages]


async def test_the_streams_are_merged_by_time():
    log = Log()
    order = ["mcs.obs.a.x", "mcs.dec._.a", "mcs.obs.a.y", "mcs.obs.a.z", "mcs.dec._.b"]
    log.add(*order)

    assert await log.read() == order


async def test_at_the_same_time_observations_come_first():
    log = Log()
    log.broker.store([("mcs.dec._.a", b"{}")])
    log.broker.store([("mcs.obs.a.x", b"{}")])

    assert await log.read() == ["mcs.obs.a.x", "mcs.dec._.a"]


async def test_an_empty_log_is_read_at_once():
    assert await Log().read() == []


async def test_it_ends_where_the_log_ended_when_it_began():
    log = Log()
    log.add("mcs.obs.a.x")
    ends = await Ends.of(log.connection)
    log.add("mcs.obs.a.y", "mcs.dec._.a")

    messages = chronicle(log.connection, ends)

    assert [stored.subject async for stored in messages] == ["mcs.obs.a.x"]


async def test_it_begins_early_enough_to_learn_names(monkeypatch):
    monkeypatch.setattr("mcs.services.reading._LEARN_FROM", 2)
    log = Log()
    log.add(*[f"mcs.obs.a.{number}" for number in range(10)])

    since_ns = int((START_S + 7) * 1e9)

    assert await log.read(since_ns=since_ns) == [f"mcs.obs.a.{n}" for n in (5, 6, 7, 8, 9)]


@pytest.mark.parametrize("second", [0, 3, 9, 100])
async def test_no_message_since_a_moment_is_left_out(second, monkeypatch):
    monkeypatch.setattr("mcs.services.reading._LEARN_FROM", 0)
    log = Log()
    log.add(*[f"mcs.obs.a.{number}" for number in range(10)])
    log.broker.trim(Stream.OBSERVATIONS, 3)

    found = await log.read(since_ns=int((START_S + second) * 1e9))

    assert found == [f"mcs.obs.a.{number}" for number in range(max(2, second), 10)]


async def test_following_goes_on_without_a_gap():
    log = Log()
    log.add("mcs.obs.a.1", "mcs.dec._.a")
    ends = await Ends.of(log.connection)
    log.add("mcs.obs.a.2")  # between the look and the reading
    found = []
    async with asyncio.timeout(BOUND_S):
        async with aclosing(chronicle(log.connection, ends, follow=True)) as messages:
            async for stored in messages:
                found.append(stored.subject)
                if len(found) == 3:
                    log.add("mcs.dec._.b")
                if len(found) == 4:
                    break

    assert found == ["mcs.obs.a.1", "mcs.dec._.a", "mcs.obs.a.2", "mcs.dec._.b"]


def world():
    made = World()
    made.join("c1", node("n1", cpu=300))
    made.proxies("c1", proxy("u1"), proxy("u2"))
    made.cycle()
    made.tick(1, 3)
    return made


def stored(made):
    log = Log()
    for _, subject, time_ns, data in made.observations:
        log.clock.elapsed_s = time_ns / 1e9 - START_S
        log.broker.store([(subject, data)])
    for _, subject, data, _ in made.decisions:
        log.broker.store([(subject, data)])
    return log


async def test_a_fold_reaches_the_end_of_both_logs():
    made = world()
    log = stored(made)
    state = Witness()

    await fold(log.connection, state, await Ends.of(log.connection))

    assert state.observed.sequence == len(made.observations)
    assert state.decided == made.state.decided
    assert list(state.backlog.proxies) == ["u1", "u2"]


async def test_a_fold_goes_no_further_than_it_was_told():
    made = world()
    made.proxies("c1", proxy("u3", cpu=1))
    made.cycle()
    log, state, heard = stored(made), Witness(), []

    await fold(
        log.connection, state, Ends(2, 6), told=lambda done, whole: heard.append((done, whole))
    )

    assert (state.decided.sequence, state.observed.sequence) == (2, 6)
    assert len(made.decisions) == 4
    assert heard[-1] == (8, 8)


async def test_a_witness_sees_each_cycle_as_it_was_decided():
    made = world()
    log = stored(made)
    seen = []
    state = Witness(lambda state, frame: seen.append((frame.cycle, len(state.backlog.waiting))))

    await fold(log.connection, state, await Ends.of(log.connection))

    assert seen == [(1, 0), (2, 2)]


async def test_the_time_of_a_message_is_the_servers():
    log = Log()
    log.add("mcs.obs.a.x")

    assert await stored_at(log.connection, Stream.OBSERVATIONS, 1) == int(START_S * 1e9)
    assert await stored_at(log.connection, Stream.OBSERVATIONS, 9) == 0
