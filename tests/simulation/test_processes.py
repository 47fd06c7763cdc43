"""Processes end and come back; an error nobody foresaw is a crash."""

import asyncio
from random import Random

import pytest

from mcs.errors import LogLost
from mcs.simulation.lives import Couriers
from mcs.simulation.loop import run_virtually
from mcs.simulation.processes import RESTART_S, Crash, Process, Started


class Stage:
    def __init__(self, main):
        self.told, self.died = [], 0
        self.stopping = asyncio.Event()
        self.process = Process(
            "p",
            lambda life: Started(main(self, life), self.stopping.set, self.die),
            couriers=Couriers(),
            random=Random,
            told=lambda who, what: self.told.append((asyncio.get_running_loop().time(), what)),
        )

    def die(self):
        self.died += 1


async def for_ever(stage, life):
    await asyncio.Event().wait()


async def during(seconds, stage):
    task = asyncio.create_task(stage.process.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait({task})
    return [what for _, what in stage.told]


def test_a_killed_process_comes_back_after_a_while():
    async def main():
        stage = Stage(for_ever)
        asyncio.get_running_loop().call_later(2, lambda: stage.process.kill(calls=0, down_s=5))
        told = await during(10, stage)
        assert told == ["starts", "is killed", "starts"]
        assert [at for at, _ in stage.told] == pytest.approx([0, 2, 7])
        assert stage.died == 2

    run_virtually(main())


def test_a_process_can_be_killed_at_its_next_request_but_one():
    async def asking(stage, life):
        async def work():
            stage.told.append((0, "done"))

        while True:
            await life.ask(work)
            await asyncio.sleep(1)

    async def main():
        stage = Stage(asking)
        asyncio.get_running_loop().call_later(2.5, lambda: stage.process.kill(calls=2, down_s=50))
        assert await during(20, stage) == ["starts", *["done"] * 4, "is killed", "done"]

    run_virtually(main())


def test_an_error_on_purpose_is_kept_and_the_process_starts_again():
    async def losing(stage, life):
        raise ExceptionGroup("both", [LogLost("it is gone")])

    async def main():
        stage = Stage(losing)
        told = await during(RESTART_S + 1, stage)
        assert told == ["starts", "ends: it is gone"] * 2
        assert [type(error) for error in stage.process.said] == [LogLost] * 2

    run_virtually(main())


def test_any_other_error_is_a_crash():
    async def failing(stage, life):
        raise KeyError("x")

    async def main():
        with pytest.raises(Crash, match="p ended by KeyError"):
            await Stage(failing).process.run()

    run_virtually(main())


def test_a_process_that_leaves_is_given_time_and_stays_away():
    async def orderly(stage, life):
        await stage.stopping.wait()
        await asyncio.sleep(3)

    async def main():
        stage = Stage(orderly)
        loop = asyncio.get_running_loop()
        loop.call_later(1, stage.process.leave)
        loop.call_later(30, stage.stopping.clear)
        loop.call_later(30, stage.process.come_back)
        assert await during(40, stage) == ["starts", "has stopped", "starts"]
        assert stage.told[2][0] == pytest.approx(30)

    run_virtually(main())


def test_a_process_that_does_not_leave_is_killed():
    async def main():
        stage = Stage(for_ever)
        asyncio.get_running_loop().call_later(1, stage.process.leave)
        assert await during(30, stage) == ["starts", "would not stop: killed"]

    run_virtually(main())
