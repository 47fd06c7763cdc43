"""One life of a process: it can be paused, and it dies at once.

A killed process does nothing more, not even tidy up: every port of its life is dead from that
moment on, so whatever its clean-up asks for is not done. What it had already sent is on its way and
arrives, as it would from a real machine; only the answer finds nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from random import Random
from typing import Any, Final, TypeVar

T = TypeVar("T")

HOP_S: Final = (0.0003, 0.003)
"""How long a request, and then its answer, is on its way."""


class Couriers:
    """Carries what is on its way, in tasks that belong to no process."""

    def __init__(self) -> None:
        self._context = Context()
        self._tasks: set[asyncio.Task[Any]] = set()

    def send(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Let ``work`` be done, whoever still waits for it."""
        task = asyncio.get_running_loop().create_task(work, context=self._context)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its sender may be dead, and then nobody asks


class Life:
    """From a process' start to its end. ``random`` decides how long its requests take."""

    def __init__(self, name: str, couriers: Couriers, random: Random) -> None:
        self.name, self.random = name, random
        self.dead = False
        self.calls = 0
        self.on_call: Callable[[], None] = _nothing
        """Told of each request before it is sent; may kill."""
        self._couriers = couriers
        self._going = asyncio.Event()
        self._going.set()

    def kill(self) -> None:
        """End it."""
        self.dead = True
        self._going.set()

    def pause(self) -> None:
        """Stand still, as under SIGSTOP."""
        self._going.clear()

    def go_on(self) -> None:
        """As after SIGCONT."""
        self._going.set()

    async def alive(self) -> None:
        """Return when the process runs. Raises CancelledError when it is dead."""
        while not self._going.is_set():
            await self._going.wait()
        if self.dead:
            raise asyncio.CancelledError

    async def ask(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Send a request and wait for its answer."""
        self.calls += 1
        self.on_call()
        await self.alive()
        try:
            return await asyncio.shield(self._couriers.send(self._travel(work)))
        finally:
            await self.alive()

    def hop(self) -> float:
        """Seconds for one way."""
        return self.random.uniform(*HOP_S)

    async def _travel(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        await asyncio.sleep(self.hop())
        try:
            return await work()
        finally:
            await asyncio.sleep(self.hop())


def _nothing() -> None:
    pass
