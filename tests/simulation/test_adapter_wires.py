"""The adapter's wires: what may happen to a single message, and nothing else."""

import asyncio
from random import Random

import pytest

from mcs.adapters.memory_log import MemoryBroker
from mcs.adapters.memory_nats import MemoryNats
from mcs.errors import LogError
from mcs.ports import Stream
from mcs.simulation.adapter_wires import AdapterLog
from mcs.simulation.lives import Couriers, Life
from mcs.simulation.loop import VirtualClock, run_virtually
from mcs.simulation.weather import Weather
from tests.simulation.desk import TICKS, Notes

OBS = Stream.OBSERVATIONS


class Desk:
    def __init__(self):
        self.weather, self.notes = Weather(), Notes()
        self.broker = MemoryBroker(VirtualClock())
        self.server = MemoryNats(self.broker)
        self.life = Life("p#1", Couriers(), Random(3))
        self.log = AdapterLog(self.life, self.server, self.weather, self.notes, "p")

    @property
    def stored(self):
        return [stored.data for stored in self.broker.streams[OBS].messages]

    def store(self, count):
        for _ in range(count):
            self.broker.store([(TICKS, b"%d" % self.broker.streams[OBS].last)])

    async def read(self, count):
        reader, found = await self.log.read(OBS), []
        while len(found) < count:
            found += [each.data for each in await reader.next()]
        return found


async def echo(_, data):
    return data


def test_in_good_weather_everything_arrives_once_and_in_order():
    async def main():
        desk = Desk()
        for number in range(20):
            assert await desk.log.append([(TICKS, b"%d" % number)]) == number + 1
        assert await desk.read(20) == desk.stored
        assert (await desk.log.info(OBS)).last == desk.log.reached[OBS] == 20
        found = await desk.log.get(OBS, 3), await desk.log.last(OBS, TICKS)
        assert [each.data for each in found] == [b"2", b"19"]
        assert len(desk.notes.answers) == 20
        await desk.log.answer("mcs.ctl.c1.>", echo)
        assert await desk.log.ask("mcs.ctl.c1.x.resync", b"please") == b"please"
        assert not desk.weather.happened

    run_virtually(main())


def test_messages_lost_doubled_or_late_cost_no_fact():
    async def main():
        desk = Desk()
        desk.store(50)
        desk.weather.losses["p"] = 40
        reading = asyncio.create_task(desk.read(100))
        await asyncio.sleep(5)
        desk.store(50)
        await asyncio.sleep(5)
        desk.weather.clear()
        assert await reading == desk.stored
        assert {"message lost", "message twice", "message late"} <= desk.weather.happened.keys()

    run_virtually(main())


def test_appends_are_lost_or_late_and_never_believed():
    async def main():
        desk, believed = Desk(), []
        desk.weather.appends["p"] = 60
        for number in range(30):
            try:
                await desk.log.append([(TICKS, b"%d" % number)])
            except LogError:
                continue
            believed.append(b"%d" % number)
        await asyncio.sleep(10)
        assert set(believed) <= set(desk.stored)
        assert len(believed) < len(desk.stored) < 30
        assert {"message lost", "append late"} <= desk.weather.happened.keys()

    run_virtually(main())


@pytest.mark.parametrize("pause", [True, False])
def test_who_stands_still_or_is_dead_takes_and_says_nothing(pause):
    async def main():
        desk = Desk()
        desk.store(1)
        assert await desk.read(1) == [b"0"]
        if pause:
            desk.life.pause()
        else:
            desk.life.kill()
            desk.log.die()
        desk.store(1)
        tasks = [
            asyncio.create_task(each) for each in (desk.read(2), desk.log.append([(TICKS, b"x")]))
        ]
        await asyncio.sleep(100)
        assert desk.stored == [b"0", b"1"]
        assert [task.cancelled() for task in tasks] == [not pause, not pause]
        desk.life.go_on()
        if pause:
            await asyncio.gather(*tasks)
            assert desk.stored[2:] == [b"x"]

    run_virtually(main())


def test_what_was_cut_off_is_read_once_it_is_mended():
    async def main():
        desk = Desk()
        desk.log.connection.cut()
        with pytest.raises(LogError):
            await desk.log.append([(TICKS, b"x")])
        reading = asyncio.create_task(desk.read(3))
        desk.store(3)
        await asyncio.sleep(20)
        assert not reading.done()
        desk.log.connection.mend()
        assert await reading == desk.stored

    run_virtually(main())
