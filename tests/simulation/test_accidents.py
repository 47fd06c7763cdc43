"""Accidents do what they say, and are over with act one."""

import asyncio

import pytest

from mcs.errors import BadFrame as Unreadable
from mcs.errors import Unreachable
from mcs.events import codec
from mcs.events.frames import ObservationFrame, digest
from mcs.events.observations import ResyncStarted, Ticked
from mcs.objects.kinds import NODES
from mcs.ports import Stream
from mcs.simulation.accidents import Accidents, bad_frame, forged
from mcs.simulation.act_one import ActOne
from mcs.simulation.loop import run_virtually
from mcs.simulation.plan import (
    FORGED,
    ApiDown,
    ApiErrors,
    BadAppends,
    BadFrame,
    BreakWatches,
    LoseTail,
    NatsDown,
    Partition,
    Pause,
    SlowDelivery,
)
from mcs.simulation.world import World
from tests.simulation.test_running import QUIET


def during(item, look, *, at_s=1.0):
    """What ``look`` gives a second after an accident of five began, and after it ended."""

    async def main():
        world, act_one = World(QUIET), ActOne()
        living = asyncio.create_task(world.run())
        await asyncio.sleep(3)
        happening = asyncio.create_task(Accidents(world, act_one).happen(item))
        await asyncio.sleep(at_s)
        then = look(world)
        await happening
        after = look(world)
        assert world.weather.happened[type(item).__name__] == 1
        living.cancel()
        await asyncio.wait({living})
        return then, after

    return run_virtually(main())


def connected(world):
    return {name: wire.connection.connected for name, wire in world._wires.items()}


def test_a_partition_cuts_off_whom_it_names():
    then, after = during(Partition(at_s=0, who="c1", for_s=5), connected)
    assert then == {"scheduler-1": True, "agent-c1-1": False, "agent-c2-1": True}
    assert all(after.values())
    then, _ = during(Partition(at_s=0, who="scheduler-1", for_s=5), connected)
    assert then == {"scheduler-1": False, "agent-c1-1": True, "agent-c2-1": True}


def test_nats_is_away_for_all():
    then, after = during(NatsDown(at_s=0, for_s=5), connected)
    assert not any(then.values())
    assert all(after.values())


def test_the_weather_changes_for_a_while():
    for item, look in (
        (BadAppends(at_s=0, process="p", for_s=5, rate=20), lambda w: w.weather.appends.get("p")),
        (ApiErrors(at_s=0, cluster="c1", for_s=5, rate=20), lambda w: w.weather.api.get("c1")),
    ):
        assert during(item, look) == (20, None)
    slow = SlowDelivery(at_s=0, process="p", for_s=5, delay_s=0.5)
    assert during(slow, lambda world: world.weather.delivery_s.get("p")) == (0.5, None)


def test_a_tail_is_lost():
    def last(world):
        return world.broker.streams[Stream.OBSERVATIONS].last

    item = LoseTail(at_s=0, stream="OBSERVATIONS", count=3, for_s=1)
    before, after = during(item, last, at_s=0.1)
    assert after == before - 3


def test_a_paused_process_stands_still():
    async def main():
        world, act_one = World(QUIET), ActOne()
        living = asyncio.create_task(world.run())
        await asyncio.sleep(5)
        scheduler = world.schedulers["scheduler-1"]
        pausing = Accidents(world, act_one).happen(Pause(at_s=0, process="scheduler-1", for_s=60))
        task = asyncio.create_task(pausing)
        await asyncio.sleep(1)
        cycle = scheduler.state.cycle
        await asyncio.sleep(20)
        assert scheduler.state.cycle == cycle
        act_one.over.set()
        await task
        await asyncio.sleep(5)
        assert scheduler.state.cycle > cycle
        living.cancel()
        await asyncio.wait({living})

    run_virtually(main())


def test_an_api_server_is_down_for_a_while():
    async def main():
        world, act_one = World(QUIET), ActOne()
        living = asyncio.create_task(world.run())
        await asyncio.sleep(1)
        cluster = world.places["c1"].cluster
        accidents = Accidents(world, act_one)
        down = asyncio.create_task(accidents.happen(ApiDown(at_s=0, cluster="c1", for_s=5)))
        await asyncio.sleep(1)
        with pytest.raises(Unreachable):
            await cluster.list(NODES)
        await down
        assert (await cluster.list(NODES)).items
        watches = cluster.watches
        await asyncio.sleep(15)
        watches = cluster.watches
        assert watches > 0
        await accidents.happen(BreakWatches(at_s=0, cluster="c1", compact=True))
        assert cluster.watches == 0
        await asyncio.sleep(15)
        assert cluster.watches == watches
        living.cancel()
        await asyncio.wait({living})

    run_virtually(main())


def test_bad_frames_are_bad():
    refused = 0
    for kind in range(FORGED[0]):
        subject, data = bad_frame(BadFrame(at_s=0, cluster="c1", kind=kind))
        assert subject.startswith("mcs.obs.c1.")
        try:
            codec.decode_observation(subject, data)
        except Unreadable:
            refused += 1
    assert refused == 5  # one is well formed, of an epoch that never was


def test_forged_frames_are_made_of_real_ones():
    def frame(at, number, source="c1", epoch=1, event=None):
        frame = ObservationFrame(
            source=source,
            epoch=epoch,
            channel="capacity",
            number=number,
            events=(event or Ticked(),),
        )
        return f"mcs.obs.{at}.capacity", codec.encode(frame)

    async def main():
        broker = World(QUIET).broker
        items = [BadFrame(at_s=0, cluster="c1", kind=kind) for kind in FORGED]
        assert [forged(item, broker) for item in items] == [None, None, None]
        broker.store([("mcs.obs.c1.capacity", b"nothing")])
        broker.store([frame("c1", 3)])
        broker.store([frame("c2", 8, "c2", 2)])
        broker.store([frame("c1", 7, epoch=999)])
        again, beyond, misrouted = (forged(item, broker) for item in items)
        assert again == frame("c1", 3)
        assert beyond == frame("c1", 8)
        broker.store([frame("c1", 4)])
        begins = codec.decode_observation(*forged(items[1], broker))[0]
        assert (begins.number, begins.events[0]) == (9, ResyncStarted(reason="forged"))
        broker.store([frame("c1", 5, event=ResyncStarted(reason="on request"))])
        begins = codec.decode_observation(*forged(items[1], broker))[0]
        assert (begins.number, begins.events[0]) == (10, ResyncStarted(reason="forged"))
        subject, data = misrouted
        assert subject == "mcs.obs.c1.capacity"
        frame_of_c2 = codec.decode_observation("mcs.obs.c2.capacity", data)[0]
        assert (frame_of_c2.number, frame_of_c2.previous) == (9, digest(*frame("c2", 8, "c2", 2)))
        with pytest.raises(Unreadable):
            codec.decode_observation(subject, data)

    run_virtually(main())
