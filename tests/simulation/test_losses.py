"""Of a loss it is known who could tell: what was read, what names it, what a Lease remembers."""

import asyncio

from mcs.ports import Stream
from mcs.simulation.loop import run_virtually
from mcs.simulation.losses import Loss
from mcs.simulation.world import World
from tests.simulation.test_running import QUIET

DEC, OBS = Stream.DECISIONS, Stream.OBSERVATIONS


def after(seconds, look):
    """What ``look`` gives in a world that has run for so long."""

    async def main():
        world = World(QUIET)
        living = asyncio.create_task(world.run())
        await asyncio.sleep(seconds)
        found = look(world)
        living.cancel()
        await asyncio.wait({living})
        return found

    return run_virtually(main())


def lost(world, stream, count):
    return Loss(world, stream, world.broker.streams[stream].last - count)


def test_what_was_just_written_is_known_to_those_who_live():
    def look(world):
        loss = lost(world, DEC, 1)
        before = loss.witnesses
        world.processes["scheduler-1"].life.kill()
        return before, loss.witnesses

    before, later = after(10, look)
    assert "scheduler-1#1" in before
    assert set(before) - set(later) == {"scheduler-1#1"}


def test_what_is_older_is_known_from_what_is_kept():
    def look(world):
        losses = [lost(world, DEC, 8), lost(world, OBS, 20)]
        for process in world.processes.values():
            process.life.kill()
        return [loss.witnesses for loss in losses]

    decisions, observations = after(20, look)
    assert any(each.startswith("OBSERVATIONS") for each in decisions)  # heartbeats
    assert any(each.startswith("DECISIONS") for each in observations)
    assert {"the Lease of c1", "the Lease of c2"} <= {*decisions}
    assert {"the Lease of c1", "the Lease of c2"} <= {*observations}


def test_what_nobody_has_read_nobody_can_miss():
    def look(world):
        last = world.broker.streams[DEC].last
        world.broker.store([("mcs.dec._._", b"read by nobody yet")])
        return Loss(world, DEC, last).witnesses

    assert after(10, look) == []
