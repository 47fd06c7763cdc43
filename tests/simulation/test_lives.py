"""One life: what was sent arrives, what comes after death does not happen."""

import asyncio
from random import Random

import pytest

from mcs.simulation.lives import HOP_S, Couriers, Life
from mcs.simulation.loop import run_virtually


def life():
    return Life("p#1", Couriers(), Random(1))


def test_a_request_takes_its_time():
    async def main():
        mine = life()

        async def work():
            return asyncio.get_running_loop().time()

        arrived = await mine.ask(work)
        answered = asyncio.get_running_loop().time()
        assert HOP_S[0] <= arrived <= HOP_S[1]
        assert HOP_S[0] <= answered - arrived <= HOP_S[1]
        assert mine.calls == 1

    run_virtually(main())


def test_what_a_killed_process_had_sent_arrives_all_the_same():
    async def main():
        mine, done, answers = life(), [], []

        async def work():
            done.append("stored")

        async def process():
            try:
                await mine.ask(work)
                answers.append("known")
            finally:
                await mine.ask(clean_up)

        async def clean_up():
            done.append("cleaned up")

        task = asyncio.create_task(process())
        await asyncio.sleep(HOP_S[0] / 2)  # it is on its way
        mine.kill()
        task.cancel()
        await asyncio.sleep(1)
        assert task.cancelled()
        assert (done, answers) == (["stored"], [])

    run_virtually(main())


def test_a_paused_process_goes_on_later():
    async def main():
        mine = life()

        async def work():
            return asyncio.get_running_loop().time()

        mine.pause()
        asked = asyncio.create_task(mine.ask(work))
        await asyncio.sleep(5)
        assert not asked.done()
        mine.go_on()
        assert await asked > 5

    run_virtually(main())


def test_a_paused_process_that_is_killed_ends():
    async def main():
        mine = life()
        mine.pause()
        waiting = asyncio.create_task(mine.alive())
        await asyncio.sleep(1)
        mine.kill()
        await asyncio.wait({waiting})
        assert waiting.cancelled()

    run_virtually(main())


def test_what_went_wrong_is_told_to_the_sender_and_its_cancellation_too():
    async def main():
        mine = life()

        async def fail():
            raise ValueError("no")

        async def give_up():
            raise asyncio.CancelledError

        with pytest.raises(ValueError, match="no"):
            await mine.ask(fail)
        with pytest.raises(asyncio.CancelledError):
            await mine.ask(give_up)

    run_virtually(main())
