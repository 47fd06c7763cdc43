"""Time that runs faster: for kubelets and workloads, while mcs itself lives in real time."""

from __future__ import annotations

from mcs.ports import Clock


class ScaledClock:
    """A ``Clock`` that runs ``speed`` times as fast as another one, from now on."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock, self._speed = clock, speed
        self._now, self._monotonic = clock.now(), clock.monotonic()

    def now(self) -> float:
        """Unix time in seconds, ahead of the real one."""
        return self._now + (self.monotonic() - self._monotonic)

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return self._monotonic + (self._clock.monotonic() - self._monotonic) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Wait, for a part of that time."""
        await self._clock.sleep(seconds / self._speed)
