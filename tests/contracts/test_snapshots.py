"""What every ``Snapshots`` does: the one in memory and the object store of NATS alike."""

import asyncio
import random

import pytest

from mcs.errors import BadSnapshot

LARGE = random.Random(4).randbytes(1_000_000)  # what no compression makes smaller


async def test_what_was_saved_is_loaded_by_others(world):
    async with world:
        one, other = await world.snapshots(), await world.snapshots()
        await one.save("small", b"state")
        await one.save("empty", b"")
        await one.save("large", LARGE)

        assert await other.load("small") == b"state"
        assert await other.load("empty") == b""
        assert await other.load("large") == LARGE


async def test_names_come_newest_first(world):
    async with world:
        subject = await world.snapshots()
        assert await subject.names() == []
        for name in ("b", "a", "c"):
            await subject.save(name, b"1")
        await subject.save("b", b"2")

        assert await subject.names() == ["b", "c", "a"]


async def test_a_name_saved_again_holds_the_new_state(world):
    async with world:
        subject = await world.snapshots()
        await subject.save("a", LARGE)
        await subject.save("a", b"new")

        assert await subject.load("a") == b"new"


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(world):
    async with world:
        subject = await world.snapshots()
        await subject.save("a", b"1")
        await subject.save("b", b"2")
        await subject.delete("a")
        await subject.delete("a")

        assert await subject.names() == ["b"]
        with pytest.raises(BadSnapshot, match="no snapshot a"):
            await subject.load("a")
        assert await subject.load("b") == b"2"


async def test_a_snapshot_whose_content_was_lost_is_no_snapshot(world):
    async with world:
        subject = await world.snapshots()
        await subject.save("a", LARGE)
        await world.lose_snapshots()

        with pytest.raises(BadSnapshot):
            await subject.load("a")
        await subject.delete("a")
        assert await subject.names() == []


async def test_two_that_save_at_once_both_succeed(world):
    async with world:
        one, other = await world.snapshots(), await world.snapshots()
        await asyncio.gather(one.save("a", LARGE), other.save("b", LARGE), other.save("c", b"3"))

        assert sorted(await one.names()) == ["a", "b", "c"]
        assert await other.load("a") == await one.load("b") == LARGE
