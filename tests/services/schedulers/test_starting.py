"""A scheduler starts from a snapshot and the log's tail as if it had folded the whole log."""

import asyncio
import logging
import re

import pytest

from mcs.errors import LogLost
from mcs.ports import Stream
from mcs.services.snapshots import unpack
from tests.building import node, proxy
from tests.services.schedulers.reigns import Reigns, virtually

OFTEN = {"snapshot_messages": 10, "snapshots_kept": 2}


async def some_history(reigns, pods=12):
    """An active scheduler that has placed pods and saved snapshots, and then is killed."""
    first = reigns.start("s1")
    await reigns.until(lambda: first.active)
    reigns.agents.join("c1", node(cpu=100_000))
    for number in range(pods):
        reigns.agents.proxies("c1", proxy(f"u{number}"))
        await reigns.until(lambda: len(reigns.placements) == number + 1)  # noqa: B023 (awaited here)
    await reigns.until(lambda: len(reigns.bucket) == 2)
    first.kill()
    return first


@virtually
async def test_the_next_one_starts_from_a_snapshot_and_goes_on_as_from_the_whole_log(caplog):
    caplog.set_level(logging.INFO)
    async with Reigns(**OFTEN) as reigns:
        await some_history(reigns)
        caplog.clear()
        second = reigns.start("s2")
        reigns.agents.proxies("c1", proxy("next"))
        await reigns.until(lambda: second.active)
        await reigns.until(lambda: "next.1" in reigns.placements)

        begun = re.match(r"starting from snapshot at decision .* \+ (\d+) mes", caplog.messages[0])
        folded = re.match(r"folded (\d+) messages", caplog.messages[1])
        assert 0 < int(folded[1]) <= int(begun[1]) < 20, "only the tail"
        assert len(reigns.placements) == 13
        reigns.verify()


@virtually
async def test_every_snapshot_is_of_a_cycle_in_the_log_i3():
    async with Reigns(**OFTEN | {"snapshots_kept": 100}) as reigns:
        first = reigns.start("s1")
        await reigns.until(lambda: first.active)
        reigns.agents.join("c1", node(cpu=100_000))
        for number in range(12):
            reigns.agents.proxies("c1", proxy(f"u{number}"))
            await asyncio.sleep(1)
        reigns.verify()
        states = reigns.states()

        assert len(reigns.bucket) > 2
        for packed in reigns.bucket.values():
            head, state = unpack(packed)
            assert state.digest() == states[head.decided.sequence + 1]


@virtually
async def test_one_that_steps_down_rebuilds_from_a_snapshot(caplog):
    caplog.set_level(logging.INFO)
    async with Reigns(**OFTEN) as reigns:
        await some_history(reigns)
        second = reigns.start("s2")
        await reigns.until(lambda: second.active)
        second.freeze()
        third = reigns.start("s3")
        await reigns.until(lambda: third.active)
        caplog.clear()
        second.wake()
        await asyncio.sleep(5)

        assert "deposed" in caplog.text
        assert "starting from snapshot" in caplog.text
        assert second.scheduler.state.decided == third.scheduler.state.decided
        assert second.scheduler.state.digest() == reigns.verify().digest()


@virtually
async def test_damaged_snapshots_make_a_start_slow_and_never_wrong(caplog):
    async with Reigns(**OFTEN) as reigns:
        await some_history(reigns)
        for name, packed in reigns.bucket.items():
            reigns.bucket[name] = packed[:-1] + b"!"
        second = reigns.start("s2")
        await reigns.until(lambda: second.active)
        reigns.agents.proxies("c1", proxy("next"))
        await reigns.until(lambda: "next.1" in reigns.placements)

        assert caplog.text.count("its bytes are damaged") == 2
        reigns.verify()


@virtually
async def test_a_store_that_is_away_stops_nobody(caplog):
    async with Reigns(**OFTEN) as reigns:
        first = reigns.start("s1")
        first.snapshots.cut()
        await reigns.until(lambda: first.active)
        reigns.agents.join("c1", node(cpu=100_000))
        for number in range(12):
            reigns.agents.proxies("c1", proxy(f"u{number}"))
            await asyncio.sleep(1)

        assert len(reigns.placements) == 12
        assert reigns.bucket == {}
        assert "is tried later" in caplog.text
        first.snapshots.mend()
        await reigns.until(lambda: reigns.bucket, seconds=400)


@virtually
async def test_a_snapshot_ahead_of_a_log_that_lost_its_end_is_said_and_not_used(caplog):
    async with Reigns(**OFTEN) as reigns:
        await some_history(reigns)
        reigns.broker.lose_tail(Stream.DECISIONS, 2)
        second = reigns.start("s2")
        await reigns.until(lambda: second.active)

        assert caplog.text.count("was the log's end lost?") == 2
        reigns.verify()


@virtually
async def test_another_stream_than_before_stops_the_scheduler():
    async with Reigns() as reigns:
        first = reigns.start("s1")
        await reigns.until(lambda: first.active)
        first.freeze()
        for stream in Stream:
            reigns.broker.replace(stream, f"another {stream}")
        another = reigns.start("s2")
        await reigns.until(lambda: another.active)
        await reigns.until(lambda: len(reigns.messages) > 10)
        first.wake()
        await reigns.until(first.task.done)

        with pytest.raises(LogLost, match="is another stream"):
            await first.task
