"""Wires: what may happen to a request on its way, and nothing else."""

import asyncio
from collections import Counter
from random import Random

import pytest

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.adapters.memory_log import MemoryBroker
from mcs.errors import ClusterError, NotFound, Refused, Unavailable, Uncertain, Unreachable
from mcs.objects.kinds import NAMESPACES
from mcs.ports import Stream
from mcs.simulation.lives import Couriers, Life
from mcs.simulation.loop import VirtualClock, run_virtually
from mcs.simulation.weather import Weather
from mcs.simulation.wires import (
    ANSWER_S,
    LATE_S,
    WiredClock,
    WiredCluster,
    WiredLog,
    WiredSnapshots,
)

TICKS = "mcs.obs._clock"
SAVED = b"a state"


class Notes:
    def __init__(self):
        self.acts, self.reads, self.answers = [], [], []

    def act(self, process, cluster, request):
        self.acts.append((process, cluster, request.verb, request.name))

    def read(self, process, subject):
        self.reads.append((process, subject))

    def acknowledged(self, process, stream, sequence, messages):
        self.answers.append((process, stream, sequence, messages))


class Desk:
    def __init__(self):
        self.clock, self.weather, self.notes = VirtualClock(), Weather(), Notes()
        self.broker = MemoryBroker(self.clock)
        self.life = Life("p#1", Couriers(), Random(3))
        self.log = WiredLog(self.life, self.broker, self.weather, self.notes, "p")
        self.bucket = {}
        self.api = MemoryCluster("c1", self.clock, Random(4))
        self.cluster = WiredCluster(self.life, self.api, self.weather, self.notes, "p")

    @property
    def stored(self):
        return [stored.data for stored in self.broker.streams[Stream.OBSERVATIONS].messages]


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


def test_an_api_server_in_bad_weather_refuses_or_answers_nothing_after_having_acted():
    async def main():
        desk, failed = Desk(), Counter()
        desk.weather.api["c1"] = 60
        for number in range(80):
            try:
                await desk.cluster.create(NAMESPACES, {"metadata": {"name": f"n{number}"}})
            except ClusterError as error:
                failed[type(error).__name__] += 1
        desk.weather.clear()
        made = [each.metadata.name for each in (await desk.cluster.list(NAMESPACES)).items]
        acted = [name for _, _, verb, name in desk.notes.acts if verb == "create"]
        assert {"Busy", "Conflict", "Unreachable"} <= set(failed)
        assert desk.weather.happened["api answer lost"] > 0
        assert len(acted) == len([name for name in made if name.startswith("n")])
        assert len(acted) == 80 - sum(failed.values()) + desk.weather.happened["api answer lost"]

    run_virtually(main())


def test_only_writes_that_were_carried_out_are_told():
    async def main():
        desk = Desk()
        with pytest.raises(NotFound):
            await desk.cluster.delete(NAMESPACES, "nobody")
        await desk.cluster.delete(NAMESPACES, "default")
        desk.api.stop()
        with pytest.raises(Unreachable):
            await desk.cluster.get(NAMESPACES, "default")
        assert desk.notes.acts == [("p", "c1", "delete", "default")]

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
