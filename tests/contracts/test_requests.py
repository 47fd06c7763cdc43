"""What every ``Requests`` does: the one in memory and the one over NATS alike."""

import asyncio

import pytest

from mcs.errors import Unavailable

SOON_S = 30.0


async def echo(subject, data):
    return subject.encode() + b" " + data


async def test_a_question_is_answered_across_connections(world):
    async with world:
        asker, answerer = await world.connect(), await world.connect()
        await answerer.answer("mcs.ctl.c1.*.resync", echo)
        answer = await asker.ask("mcs.ctl.c1.c2.resync", b"please", timeout_s=SOON_S)
        assert answer == b"mcs.ctl.c1.c2.resync please"


async def test_question_and_answer_may_be_empty(world):
    async with world:
        log = await world.connect()

        async def nothing(_, data):
            return data

        await log.answer("mcs.ctl.c1.>", nothing)
        assert await log.ask("mcs.ctl.c1.c2.resync", timeout_s=SOON_S) == b""


@pytest.mark.parametrize("subject", ["mcs.ctl.c2.c1.resync", "mcs.ctl.c1.c2.other"])
async def test_a_question_to_nobody_fails_at_once(world, subject):
    async with world:
        log = await world.connect()
        await log.answer("mcs.ctl.c1.*.resync", echo)
        async with asyncio.timeout(SOON_S):
            with pytest.raises(Unavailable):
                await log.ask(subject, timeout_s=100 * SOON_S)


async def test_a_late_answer_is_none(world):
    async with world:
        log = await world.connect()

        async def never(_, data):
            await asyncio.Event().wait()
            return data

        stop = await log.answer("mcs.ctl.c1.>", never)
        with pytest.raises(Unavailable):
            await log.ask("mcs.ctl.c1.c2.resync", timeout_s=0.05)
        await stop()


async def test_an_answer_that_fails_is_told_and_the_next_one_works(world):
    async with world:
        log = await world.connect()

        async def fails_once(_, data):
            if data == b"bad":
                raise ValueError("a secret")
            return data

        await log.answer("mcs.ctl.c1.>", fails_once)
        async with asyncio.timeout(SOON_S):
            with pytest.raises(Unavailable) as failure:
                await log.ask("mcs.ctl.c1.c2.x", b"bad", timeout_s=100 * SOON_S)
        assert "ValueError" in str(failure.value)
        assert "secret" not in str(failure.value)
        assert await log.ask("mcs.ctl.c1.c2.x", b"good", timeout_s=SOON_S) == b"good"


async def test_a_slow_answer_holds_nobody_up(world):
    async with world:
        log = await world.connect()
        second_asked = asyncio.Event()

        async def first_waits_for_second(_, data):
            if data == b"second":
                second_asked.set()
            await second_asked.wait()
            return data

        await log.answer("mcs.ctl.c1.>", first_waits_for_second)
        first = asyncio.create_task(log.ask("mcs.ctl.c1.c2.x", b"first", timeout_s=SOON_S))
        assert await log.ask("mcs.ctl.c1.c2.x", b"second", timeout_s=SOON_S) == b"second"
        assert await first == b"first"


async def test_who_stopped_answers_no_more(world):
    async with world:
        log = await world.connect()
        stop = await log.answer("mcs.ctl.c1.>", echo)
        await log.ask("mcs.ctl.c1.c2.x", timeout_s=SOON_S)
        await stop()
        with pytest.raises(Unavailable):
            await log.ask("mcs.ctl.c1.c2.x", timeout_s=SOON_S)


async def test_a_closed_connection_neither_asks_nor_answers(world):
    async with world:
        log, other = await world.connect(), await world.connect()
        await other.answer("mcs.ctl.c1.>", echo)
        await other.close()
        with pytest.raises(Unavailable):
            await log.ask("mcs.ctl.c1.c2.x", timeout_s=SOON_S)
        with pytest.raises(Unavailable):
            await other.ask("mcs.ctl.c1.c2.x", timeout_s=SOON_S)
