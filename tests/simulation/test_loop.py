"""Virtual time: fast, in order, the same each time, and clear about a deadlock."""

import asyncio
import time

import pytest

from mcs.simulation.loop import EPOCH_S, Stuck, VirtualClock, run_virtually


def test_hours_pass_at_once_and_in_order():
    async def main():
        clock, told = VirtualClock(), []

        async def after(seconds):
            await clock.sleep(seconds)
            told.append((seconds, clock.monotonic()))

        await asyncio.gather(*(after(seconds) for seconds in (7200, 0.001, 3600)))
        assert clock.now() == pytest.approx(EPOCH_S + 7200)
        return told

    begun = time.monotonic()
    told = run_virtually(main())
    assert [seconds for seconds, _ in told] == [0.001, 3600, 7200]
    assert [at for _, at in told] == pytest.approx([0.001, 3600, 7200])
    assert time.monotonic() - begun < 60


def test_time_limits_work():
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(300):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == pytest.approx(300)


def test_tasks_that_wait_for_each_other_for_ever_are_told():
    async def main():
        await asyncio.Event().wait()

    with pytest.raises(Stuck, match="no timer"):
        run_virtually(main())
