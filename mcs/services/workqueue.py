"""Keys that something must be looked at for: each by one worker at a time, many side by side.

Level-triggered: a key says that something may have changed, not what. A key that is added while it
is being worked on is worked on once more afterwards; one added twice before its turn, once. Keys
wait in the order they came, so nobody starves, and a key that fails waits by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from mcs.errors import Busy, ClusterError, McsError
from mcs.ports import Clock

K = TypeVar("K", bound=Hashable)

BACKOFF_S: Final = 0.1  # after a first failure: an API server's hiccup is over by then
BACKOFF_MAX_S: Final = 10.0  # an API server that returns is noticed so late at most

_logger = logging.getLogger(__name__)


class WorkQueue(Generic[K]):
    """Calls ``work(key)`` for each key added, by at most ``workers`` at once.

    ``work`` gives the seconds after which the key wants another look by itself, or None. A
    ``ClusterError`` makes the key wait, longer each time, and so does a fault of ours; other
    ``McsError`` (a lost log, a stopped publisher) end ``run``.
    """

    def __init__(
        self, work: Callable[[K], Awaitable[float | None]], clock: Clock, *, workers: int
    ) -> None:
        self._work, self._clock, self._workers = work, clock, workers
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._queued: set[K] = set()
        self._active: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, tuple[float, asyncio.Task[None]]] = {}
        self._started = False

    def __len__(self) -> int:
        return len(self._queued) + len(self._active)

    def add(self, key: K) -> None:
        """Have ``key`` looked at, once more if it is being looked at now."""
        if key in self._active:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.put_nowait(key)

    def later(self, key: K, delay_s: float) -> None:
        """Have ``key`` looked at in ``delay_s`` seconds; of several times the earliest counts."""
        if not self._started:
            self.add(key)
            return
        due = self._clock.monotonic() + delay_s
        if known := self._timers.get(key):
            if known[0] <= due:
                return
            known[1].cancel()
        self._timers[key] = due, asyncio.create_task(self._wake(key, delay_s))

    async def run(self) -> None:
        """Work, until cancelled."""
        self._started = True
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._serve())
        finally:
            self._started = False
            for _, timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def _serve(self) -> None:
        while True:
            key = await self._ready.get()
            self._queued.discard(key)
            self._active.add(key)
            try:
                delay_s = await self._work(key)
                self._failures.pop(key, None)
            except ClusterError as error:
                delay_s = self._back_off(key, error)
            except McsError:
                raise
            except Exception as error:  # one bad key delays no other (I8)
                _logger.exception("%s: a fault of mcs", key)
                delay_s = self._back_off(key, error)
            finally:
                self._active.discard(key)
            if key in self._again:
                self._again.discard(key)
                if key not in self._failures:
                    self.add(key)
                    continue
            if delay_s is not None:
                self.later(key, delay_s)

    def _back_off(self, key: K, error: Exception) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay_s = min(BACKOFF_S * 2.0 ** min(failures - 1, 20), BACKOFF_MAX_S)
        if isinstance(error, Busy):
            delay_s = max(delay_s, error.retry_after_s)
        _logger.warning("%s: trying again in %.1f s: %s", key, delay_s, error)
        return delay_s

    async def _wake(self, key: K, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        del self._timers[key]
        self.add(key)
