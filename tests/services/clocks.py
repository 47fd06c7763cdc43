"""Clocks for tests: one that leaps over every wait, one that is moved by hand."""

import asyncio

START_S = 1_750_000_000.0


class LeapingClock:
    """Nobody waits: a sleep moves time on by itself."""

    def __init__(self):
        self.elapsed_s = 0.0
        self.slept = []

    def now(self):
        return START_S + self.elapsed_s

    def monotonic(self):
        return self.elapsed_s

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.elapsed_s += seconds
        await asyncio.sleep(0)


class HandClock:
    """Time moves when the test says so; who sleeps is woken in the order of the hours."""

    def __init__(self):
        self.elapsed_s = 0.0
        self._sleeping = []

    def now(self):
        return START_S + self.elapsed_s

    def monotonic(self):
        return self.elapsed_s

    async def sleep(self, seconds):
        waiter = asyncio.get_running_loop().create_future()
        self._sleeping.append((self.elapsed_s + seconds, waiter))
        await waiter

    async def advance(self, seconds):
        """Move time on, and let everybody act at each hour that comes."""
        end_s = self.elapsed_s + seconds
        await turns()
        while due := [entry for entry in self._sleeping if entry[0] <= end_s]:
            hour_s, waiter = min(due, key=lambda entry: entry[0])
            self._sleeping.remove((hour_s, waiter))
            self.elapsed_s = max(self.elapsed_s, hour_s)
            if not waiter.done():
                waiter.set_result(None)
            await turns()
        self.elapsed_s = end_s


async def turns(count=50):
    """Let what is ready happen."""
    for _ in range(count):
        await asyncio.sleep(0)
