"""What can be done to the log in memory: cuts, lost answers, lost ends, a clock that goes back."""

import asyncio

import pytest

from mcs.adapters.memory_log import Fate, MemoryBroker
from mcs.errors import LogLost, Refused, Unavailable, Uncertain
from mcs.ports import Stream

OBS, DEC = Stream.OBSERVATIONS, Stream.DECISIONS
FRAME = [("mcs.dec.a.b", b"1")]


class HandClock:
    """Time moved by hand."""

    def __init__(self):
        self.seconds = 1_000.5

    def now(self):
        return self.seconds

    def monotonic(self):
        return self.seconds

    async def sleep(self, seconds):
        self.seconds += seconds


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def broker(clock):
    return MemoryBroker(clock, identity="test")


async def test_messages_carry_the_given_clock_and_time_never_goes_back(broker, clock):
    log = broker.connect()
    for seconds in (1_000.5, 2_000.25, 1_500.0):
        clock.seconds = seconds
        await log.append(FRAME)
    times = [(await log.get(DEC, n)).time_ns for n in (1, 2, 3)]
    assert times == [1_000_500_000_000, 2_000_250_000_000, 2_000_250_000_000]


async def test_identities_are_given_not_drawn(broker):
    assert (await broker.connect().info(OBS)).identity == "test-observations"


@pytest.mark.parametrize(
    ("fate", "error", "stored"),
    [
        (Fate.UNSENT, Unavailable, 0),
        (Fate.LOST, Uncertain, 0),
        (Fate.ANSWER_LOST, Uncertain, 1),
    ],
)
async def test_an_append_meets_its_fate(broker, fate, error, stored):
    log = broker.connect()
    log.fate = lambda _: fate
    with pytest.raises(error):
        await log.append(FRAME, expected_last=0)
    assert broker.streams[DEC].last == stored
    log.fate = lambda _: Fate.DELIVERED
    if stored:
        with pytest.raises(Refused):
            await log.append(FRAME, expected_last=0)
    else:
        assert await log.append(FRAME, expected_last=0) == 1


async def test_a_cut_makes_an_append_in_flight_uncertain(broker):
    log = broker.connect()
    appending = asyncio.create_task(log.append(FRAME))
    await asyncio.sleep(0)
    log.cut()
    with pytest.raises(Uncertain):
        await appending
    with pytest.raises(Unavailable):
        await log.append(FRAME)
    with pytest.raises(Unavailable):
        await log.info(DEC)


async def test_a_cut_reader_waits_and_goes_on_when_mended(broker):
    log, other = broker.connect(), broker.connect()
    reader = await log.read(DEC)
    log.cut()
    await other.append(FRAME)
    assert await reader.next(timeout_s=0.01) == []
    log.mend()
    assert [m.sequence for m in await reader.next()] == [1]


async def test_only_the_cut_connection_is_cut(broker):
    log, other = broker.connect(), broker.connect()
    log.cut()
    assert await other.append(FRAME) == 1


async def test_a_lost_end_is_told_to_readers_beyond_it_only(broker):
    log = broker.connect()
    behind = await log.read(DEC)
    first = await behind.next(timeout_s=0)
    assert first == []
    log.cut()
    for _ in range(3):
        await broker.connect().append(FRAME)
    log.mend()
    ahead = await log.read(DEC, after=3)
    log.cut()
    broker.lose_tail(DEC, 2)
    log.mend()
    with pytest.raises(LogLost):
        await ahead.next()
    fresh = await log.read(DEC, after=2)
    assert await fresh.next(timeout_s=0.01) == []


async def test_an_answer_over_a_cut_connection_never_comes(broker):
    asker, answerer = broker.connect(), broker.connect()

    async def reply(_, data):
        answerer.cut()
        return data

    await answerer.answer("mcs.ctl.c1.>", reply)
    with pytest.raises(Unavailable):
        await asker.ask("mcs.ctl.c1.c2.x", timeout_s=0.01)
    with pytest.raises(Unavailable):
        await asker.ask("mcs.ctl.c1.c2.x", timeout_s=100)


async def test_the_same_calls_give_the_same_log():
    async def play():
        broker = MemoryBroker(HandClock())
        logs = [broker.connect() for _ in range(3)]

        async def append(log, mark):
            for number in range(20):
                await log.append([("mcs.dec.a.b", b"%s%d" % (mark, number))])

        marks = [b"a", b"b", b"c"]
        await asyncio.gather(*map(append, logs, marks))
        return broker.streams[DEC].messages

    assert await play() == await play()
