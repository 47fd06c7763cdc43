"""Wires: what may happen to a request on its way, and nothing else."""

import asyncio
from collections import Counter

import pytest

from mcs.errors import LogLost, Refused, Unavailable, Uncertain
from mcs.objects.kinds import NAMESPACES
from mcs.ports import Stream
from mcs.simulation.loop import run_virtually
from mcs.simulation.wires import ANSWER_S, LATE_S, SECOND_LOOK_S, WiredClock, WiredSnapshots
from tests.simulation.desk import TICKS, Desk

SAVED = b"a state"


def test_in_good_weather_everything_arrives_once_and_in_order():
    async def main():
        desk = Desk()
        reader = await desk.log.read(Stream.OBSERVATIONS)
        for number in range(20):
            assert await desk.log.append([(TICKS, b"%d" % number)]) == number + 1
        assert [stored.data for stored in await reader.next()] == desk.stored
        assert len(desk.stored) == len(desk.notes.answers) == 20
        assert desk.notes.reads == [("p", "mcs.obs.>")]
        with pytest.raises(Refused):
            await desk.log.append([(TICKS, b"x")], expected_last=3)

    run_virtually(main())


def test_in_bad_weather_appends_have_every_fate():
    async def main():
        desk, fates = Desk(), Counter()
        desk.weather.appends["p"] = 100
        for number in range(60):
            try:
                await desk.log.append([(TICKS, b"%d" % number)])
            except Unavailable:
                fates["unsent"] += 1
            except Uncertain:
                fates["uncertain"] += 1
        await asyncio.sleep(ANSWER_S + LATE_S)
        assert set(fates) == {"unsent", "uncertain"}
        kinds = {"append lost", "append unanswered", "append late"}
        assert kinds <= set(desk.weather.happened)
        unsure = fates["uncertain"] - desk.weather.happened["append lost"]
        assert len(desk.stored) == len(set(desk.stored)) == unsure
        assert desk.stored != sorted(desk.stored, key=int)  # some came late

    run_virtually(main())


def test_without_a_connection_nothing_is_sent():
    async def main():
        desk = Desk()
        reader = await desk.log.read(Stream.OBSERVATIONS)
        desk.log.connection.cut()
        with pytest.raises(Unavailable):
            await desk.log.append([(TICKS, b"x")])
        desk.broker.store([(TICKS, b"y")])
        assert await reader.next(timeout_s=3) == []
        desk.log.connection.mend()
        assert [stored.data for stored in await reader.next(timeout_s=3)] == [b"y"]

    run_virtually(main())


def test_slow_delivery_loses_nothing_when_a_wait_is_given_up():
    async def main():
        desk = Desk()
        desk.weather.delivery_s["p"] = 3.0
        reader = await desk.log.read(Stream.OBSERVATIONS)
        desk.broker.store([(TICKS, b"x")])
        found = []
        while not found:
            waiting = asyncio.create_task(reader.next())
            done, _ = await asyncio.wait({waiting}, timeout=0.5)
            waiting.cancel()
            await asyncio.wait({waiting})
            found = [waiting.result() for waiting in done]
        assert [stored.data for stored in found[0]] == [b"x"]

    run_virtually(main())


def test_a_dead_process_reads_and_writes_nothing():
    async def main():
        desk = Desk()
        reader = await desk.log.read(Stream.OBSERVATIONS)
        desk.life.kill()
        desk.log.die()
        for work in (
            desk.log.append([(TICKS, b"x")]),
            desk.log.info(Stream.OBSERVATIONS),
            reader.next(),
            desk.cluster.create(NAMESPACES, {"metadata": {"name": "n"}}),
        ):
            with pytest.raises(asyncio.CancelledError):
                await work
        await asyncio.sleep(1)
        assert desk.stored == []
        assert desk.notes.acts == []

    run_virtually(main())


def test_questions_are_lost_or_come_twice():
    async def main():
        desk, asked = Desk(), []

        async def reply(subject, data):
            asked.append(data)
            return data

        await desk.broker.connect().answer("mcs.ctl.c1.>", reply)
        assert await desk.log.ask("mcs.ctl.c1.x.resync", b"0") == b"0"
        desk.weather.requests = 100
        answered = 0
        for number in range(1, 30):
            try:
                answered += await desk.log.ask("mcs.ctl.c1.x.resync", b"%d" % number) != b""
            except Unavailable:
                continue
        assert 0 < answered < 29
        assert len(asked) == 1 + 2 * answered

    run_virtually(main())


def test_snapshots_are_shared_and_now_and_then_damaged():
    async def main():
        desk = Desk()
        snapshots = WiredSnapshots(desk.life, desk.log.connection, desk.bucket, desk.weather)
        for number in range(60):
            await snapshots.save(f"s{number}", SAVED)
        damaged = [name for name in await snapshots.names() if await snapshots.load(name) != SAVED]
        assert len(damaged) == desk.weather.happened["snapshot damaged"] > 0
        await snapshots.delete("s1")
        assert len(desk.bucket) == 59
        desk.log.connection.cut()
        with pytest.raises(Unavailable):
            await snapshots.names()

    run_virtually(main())


def test_wall_clocks_are_wrong_and_waits_are_not():
    async def main():
        desk = Desk()
        clock = WiredClock(desk.life, desk.clock, skew_s=-4.0)
        assert clock.now() == pytest.approx(desk.clock.now() - 4)
        await clock.sleep(10)
        assert clock.monotonic() == pytest.approx(10)

    run_virtually(main())


def test_who_says_more_to_a_log_that_lost_what_it_knew_is_told_of():
    async def main():
        desk = Desk()
        await desk.log.append([(TICKS, b"1")])
        assert desk.log.told == desk.log.reached == {Stream.OBSERVATIONS: 1, Stream.DECISIONS: 0}
        desk.broker.lose_tail(Stream.OBSERVATIONS, 0)
        assert desk.notes.over_loss == []
        desk.log.bereft = True
        await desk.log.append([(TICKS, b"2")])
        assert desk.notes.over_loss == [("p", Stream.OBSERVATIONS, 1)]

    run_virtually(main())


def test_a_reader_looks_twice_before_it_says_that_its_log_is_lost():
    async def main():
        desk = Desk()
        for each in b"1", b"2":
            await desk.log.append([(TICKS, each)])
        reader = await desk.log.read(Stream.OBSERVATIONS)
        await reader.next()
        desk.broker.lose_tail(Stream.OBSERVATIONS, 1)
        begun_s = desk.clock.monotonic()
        with pytest.raises(LogLost):
            await reader.next()
        assert desk.clock.monotonic() - begun_s >= SECOND_LOOK_S

    run_virtually(main())
