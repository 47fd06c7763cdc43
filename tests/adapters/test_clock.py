"""The machine's clock tells the machine's time."""

import time

from mcs.adapters.clock import SystemClock


async def test_the_clock_tells_the_time_and_sleeps():
    clock = SystemClock()
    before, start = time.time(), clock.monotonic()
    await clock.sleep(0.001)
    assert before <= clock.now() <= time.time()
    assert clock.monotonic() - start >= 0.001
