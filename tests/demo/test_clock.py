"""A scaled clock runs ahead of the one below it."""

from mcs.demo.clock import ScaledClock


class Ruled:
    """A clock that only moves when told, and notes how long it was asked to sleep."""

    def __init__(self):
        self.passed = 0.0
        self.slept = []

    def now(self):
        return 1000.0 + self.passed

    def monotonic(self):
        return 5.0 + self.passed

    async def sleep(self, seconds):
        self.slept.append(seconds)


async def test_time_runs_so_much_faster():
    below = Ruled()
    clock = ScaledClock(below, 10)

    below.passed = 3.0
    await clock.sleep(20)

    assert (clock.now(), clock.monotonic()) == (1030.0, 35.0)
    assert below.slept == [2.0]
