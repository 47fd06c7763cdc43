"""Our adapter on a way that loses, doubles and delays single messages, in virtual time."""

import asyncio
import contextlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcs.adapters.jetstream import JetStream
from mcs.adapters.memory_log import MemoryBroker
from mcs.adapters.memory_nats import MemoryNats
from mcs.errors import LogError, LogLost, Refused, Unavailable
from mcs.ports import Stream
from mcs.simulation.loop import VirtualClock, run_virtually

DEC = Stream.DECISIONS
RATES = st.sampled_from([0.0, 0.1, 0.4])
SUBJECTS = st.sampled_from(["", "mcs.dec.c1.*"])


class Way:
    """Loses, doubles (what comes back only: nobody sends twice) and delays; then it is healed."""

    def __init__(self, seed, *, lost, doubled, late):
        self.random = Random(seed)
        self.lost, self.doubled, self.late = lost, doubled, late
        self.bad = True

    def __call__(self, subject):
        random = self.random
        if not self.bad:
            return (0.0,)
        if random.random() < self.lost:
            return ()
        first = random.uniform(0, 2) if random.random() < self.late else 0.0
        if subject.startswith("_INBOX") and random.random() < self.doubled:
            return (first, random.uniform(0, 2))
        return (first,)


class LateAnswers:
    """Delays answers to questions, and nothing else."""

    late_s = 0.0

    def __call__(self, subject):
        return (self.late_s * (subject.count(".") == 3),)


class Bench:
    """A server, and a connection of ours to it."""

    def __init__(self, **options):
        self.broker = MemoryBroker(VirtualClock())
        self.server = MemoryNats(self.broker)
        self.client = self.server.client(**options)

    @property
    def first(self):
        return self.broker.streams[DEC].first

    async def connect(self):
        connection = self.client.connect(answer_timeout_s=2.0)
        await connection.up.wait()
        return JetStream(connection)

    def store(self, count):
        for _ in range(count):
            number = self.broker.streams[DEC].last + 1
            self.broker.store([(f"mcs.dec.c{number % 3}.s", b"%d" % number)])


def narrow(patch, window):
    """Readers hold so many messages, and ask for one at a time."""
    patch.setattr("mcs.adapters.jetstream_delivery.WINDOW", window)
    patch.setattr("mcs.adapters.jetstream_delivery._PULL", 1)


async def read_to(reader, last):
    found = []
    while not found or found[-1].sequence < last:
        found += await reader.next(limit=3)
    return found


async def read_until_lost(reader, found):
    with contextlib.suppress(LogLost):
        async with asyncio.timeout(60):
            while True:
                found += await reader.next(limit=1)


@given(seed=st.integers(0, 2**32), lost=RATES, doubled=RATES, late=RATES)
@settings(max_examples=100)
def test_whatever_becomes_of_single_messages_readers_get_all_once_and_in_order(
    seed, lost, doubled, late
):
    async def run():
        way, random = Way(seed, lost=lost, doubled=doubled, late=late), Random(seed + 1)
        bench = Bench(way=way)
        log = await bench.connect()
        readers = [await log.read(DEC, subject=each) for each in ("", "mcs.dec.c1.*")]
        tasks = [asyncio.create_task(read_to(each, 100)) for each in readers]
        for _ in range(20):
            bench.store(random.randint(1, 4))
            await asyncio.sleep(random.choice((0.0, 0.01, 1.0, 5.0)))
            match random.randrange(8):
                case 0:
                    bench.client.cut()
                    await asyncio.sleep(random.uniform(0, 3))
                    bench.client.mend()
                case 1:
                    bench.server.jetstream.forget_consumers()
                case _:
                    pass
        way.bad = False
        bench.store(100 - bench.broker.streams[DEC].last)
        async with asyncio.timeout(60):
            whole, part = await asyncio.gather(*tasks)
        stored = bench.broker.streams[DEC].messages
        assert whole == stored
        assert part == [each for each in stored if each.subject == "mcs.dec.c1.s"]
        await log.close()

    run_virtually(run())


@given(seed=st.integers(0, 2**32), lost=RATES, doubled=RATES, late=RATES)
@settings(max_examples=100)
def test_whatever_becomes_of_single_messages_appends_are_answered_truly(seed, lost, doubled, late):
    async def run():
        way, random = Way(seed, lost=lost, doubled=doubled, late=late), Random(seed + 1)
        bench = Bench(way=way)
        log = await bench.connect()
        stream, acknowledged, never = bench.broker.streams[DEC], {}, []
        for number in range(20):
            texts = [b"%d-%d" % (number, part) for part in range(random.choice((1, 2, 5)))]
            expected = random.choice((None, stream.last, stream.last, stream.last - 1))
            try:
                last = await log.append([("mcs.dec.a.b", t) for t in texts], expected_last=expected)
            except (Refused, Unavailable):
                never += texts
            except LogError:
                pass  # uncertain: it may be there, now or later
            else:
                acknowledged |= {last - at: text for at, text in enumerate(reversed(texts))}
        await asyncio.sleep(10)
        found = {each.sequence: each.data for each in stream.messages}
        assert acknowledged.items() <= found.items()
        assert not set(never) & set(found.values())
        assert len(found) == len(set(found.values())), "nothing is stored twice"
        await log.close()

    run_virtually(run())


def test_a_connection_that_breaks_loses_what_is_on_its_way():
    async def run():
        bench = Bench(way=lambda _: (1.0,))
        log = await bench.connect()
        appending = asyncio.create_task(log.append([("mcs.dec.a.b", b"x")]))
        await asyncio.sleep(0.5)
        bench.client.cut()
        with pytest.raises(LogError, match="broke before the answer"):
            await appending
        bench.client.mend()
        await asyncio.sleep(5)
        assert bench.broker.streams[DEC].last == 0
        await log.close()

    run_virtually(run())


def test_a_client_that_must_stand_still_hands_out_nothing():
    async def run():
        going = asyncio.Event()
        bench = Bench(going=going.wait)
        log = await bench.connect()
        reader = await log.read(DEC)
        bench.store(3)
        assert await reader.next(timeout_s=1.0) == []
        going.set()
        assert len(await read_to(reader, 3)) == 3
        await log.close()

    run_virtually(run())


def test_a_consumer_that_nobody_pulls_from_is_forgotten():
    async def run():
        bench = Bench()
        log = await bench.connect()
        await log.read(DEC)
        await asyncio.sleep(30)
        assert len(bench.server.jetstream.consumers) == 1
        bench.client.cut()
        await asyncio.sleep(130)
        assert not bench.server.jetstream.consumers
        await log.close()

    run_virtually(run())


def test_a_new_delivery_gives_nothing_before_the_stream_was_looked_at():
    """A reader that still holds messages asks for more while it is being connected again."""

    async def run():
        bench = Bench(way=lambda subject: (float("STREAM.INFO" in subject),))
        log = await bench.connect()
        reader = await log.read(DEC)
        bench.store(5)
        found = await reader.next(limit=1)
        bench.client.cut()
        await asyncio.sleep(1)
        bench.broker.rewrite_tail(DEC, 3, [("mcs.dec.a.b", b"another")] * 5)
        bench.server.jetstream.forget_consumers()
        bench.client.mend()
        await asyncio.sleep(0.5)
        await read_until_lost(reader, found)
        assert [each.data for each in found] == [b"1", b"2", b"3", b"4", b"5"]
        await log.close()

    run_virtually(run())


def test_a_filtered_reader_gives_nothing_that_may_lie_beyond_a_trim_while_it_cannot_ask(
    monkeypatch,
):
    narrow(monkeypatch, 3)

    async def run():
        answers = LateAnswers()
        bench = Bench(way=answers)
        log = await bench.connect()
        for number in range(1, 11):
            bench.broker.store([("mcs.dec.c1.s", b"%d" % number)])
        reader = await log.read(DEC, subject="mcs.dec.c1.*")
        found = await reader.next(limit=1)
        answers.late_s = 0.1
        reading = asyncio.create_task(reader.next(limit=1))
        await asyncio.sleep(0.05)
        bench.broker.trim(DEC, 8)  # just after the stream's beginning was told
        found += await reading
        await asyncio.sleep(0.2)
        bench.client.cut()
        found += await reader.next(limit=10, timeout_s=1.0)
        bench.client.mend()
        await read_until_lost(reader, found)
        assert [each.data for each in found] == [b"1", b"2", b"3", b"4"]
        await log.close()

    run_virtually(run())


def test_what_comes_while_a_reader_asks_does_not_vouch_for_what_came_before(monkeypatch):
    narrow(monkeypatch, 4)

    async def run():
        answers = LateAnswers()
        bench = Bench(way=answers)
        log = await bench.connect()
        reader = await log.read(DEC, subject="mcs.dec.c1.*")
        for number in range(1, 8):
            bench.broker.store([("mcs.dec.c1.s", b"%d" % number)])
        await asyncio.sleep(0.1)
        answers.late_s = 0.1
        reading = asyncio.create_task(reader.next(limit=3))
        await asyncio.sleep(0.05)
        bench.broker.trim(DEC, 7)  # just after the stream's beginning was told
        found = await reading
        reading = asyncio.create_task(reader.next())
        await asyncio.sleep(0.05)
        bench.broker.store([("mcs.dec.c1.s", b"8")])
        with contextlib.suppress(LogLost):
            found += await reading
        await read_until_lost(reader, found)
        assert [each.data for each in found] == [b"1", b"2", b"3", b"4"]
        await log.close()

    run_virtually(run())


@given(seed=st.integers(0, 2**32), lost=RATES, doubled=RATES, late=RATES, subject=SUBJECTS)
@settings(max_examples=200)
def test_whatever_is_trimmed_a_reader_skips_nothing(seed, lost, doubled, late, subject):
    async def run():
        way, random = Way(seed, lost=lost, doubled=doubled, late=late), Random(seed + 1)
        bench, stored, found = Bench(way=way), [], []
        log = await bench.connect()
        reader = await log.read(DEC, subject=subject)

        async def read():
            while True:
                found.extend(await reader.next(limit=random.randint(1, 4)))
                await asyncio.sleep(random.choice((0.0, 0.0, 0.5, 3.0)))

        reading = asyncio.create_task(read())
        for _ in range(30):
            bench.store(random.randint(1, 6))
            stored += bench.broker.streams[DEC].messages[len(stored) - bench.first + 1 :]
            await asyncio.sleep(random.choice((0.0, 0.01, 0.3, 2.0)))
            match random.randrange(8):
                case 0:
                    bench.client.cut()
                    await asyncio.sleep(random.uniform(0, 3))
                    bench.client.mend()
                case 1 | 2:
                    bench.broker.trim(DEC, random.randint(bench.first, len(stored) + 1))
                case _:
                    pass
        way.bad = False
        await asyncio.sleep(300)
        wanted = [each for each in stored if not subject or each.subject == "mcs.dec.c1.s"]
        assert found == wanted[: len(found)]
        assert len(found) == len(wanted) or isinstance(reading.exception(), LogLost)
        reading.cancel()
        await log.close()

    with pytest.MonkeyPatch.context() as patch:
        narrow(patch, 4)
        run_virtually(run())
