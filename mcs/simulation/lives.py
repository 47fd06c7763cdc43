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
    """Carry what is on its way: it belongs to no process, and arrives whoever still waits.

    By timers and call-backs, not by a task that sleeps: requests are most of what a run does.
    """

    def __init__(self) -> None:
        self._context = Context()
        self._tasks: set[asyncio.Task[Any]] = set()

    def send(
        self, work: Callable[[], Coroutine[Any, Any, T]], hop: Callable[[], float]
    ) -> asyncio.Future[T]:
        """Let ``work`` be done; ``hop`` is asked for the seconds of each way."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def arrive() -> None:
            task = loop.create_task(work(), context=self._context)
            self._tasks.add(task)
            task.add_done_callback(go_back, context=self._context)

        def go_back(task: asyncio.Task[T]) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                answer.cancel()
                return
            task.exception()  # its sender may be dead, and then nobody asks
            loop.call_later(hop(), _answer, answer, task, context=self._context)

        loop.call_later(hop(), arrive, context=self._context)
        return answer


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
            return await self._couriers.send(work, self.hop)
        finally:
            await self.alive()

    async def do(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Have something done by what is part of the process itself."""
        self.calls += 1
        self.on_call()
        await self.alive()
        await asyncio.sleep(self.hop())
        try:
            return await work()
        finally:
            await self.alive()

    def hop(self) -> float:
        """Seconds for one way."""
        return self.random.uniform(*HOP_S)


def _answer(answer: asyncio.Future[T], task: asyncio.Task[T]) -> None:
    """What was done, or went wrong, is known to who asked for it, if anybody still waits."""
    if answer.done():
        return
    if (error := task.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())


def _nothing() -> None:
    pass
