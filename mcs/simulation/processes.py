"""Processes of mcs in a simulated world, and who starts them again, as Kubernetes would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from random import Random
from typing import Any, Final

from mcs.errors import McsError
from mcs.simulation.lives import Couriers, Life

RESTART_S: Final = 3.0
"""After a process ended by itself."""

LEAVE_S: Final = 10.0
"""For an orderly stop; then it is killed."""


class Crash(AssertionError):
    """A process ended by an error that nobody raised on purpose."""


class Started:
    """A life under way: its main task, how to stop it in good order, and how its wires die."""

    def __init__(
        self, main: Coroutine[Any, Any, None], stop: Callable[[], None], die: Callable[[], None]
    ) -> None:
        self.main, self.stop, self.die = main, stop, die


class Process:
    """A process and its lives. ``start`` makes one of a ``Life``; ``told`` gets what is worth
    telling; ``said`` keeps the errors by which it ended itself.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[Life], Started],
        *,
        couriers: Couriers,
        random: Callable[[str], Random],
        told: Callable[[str, str], None],
    ) -> None:
        self.name = name
        self.said: list[McsError] = []
        self.life: Life | None = None
        self.started: Started | None = None
        self._start, self._couriers, self._random, self._told = start, couriers, random, told
        self._lives = 0
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._unwanted = asyncio.Event()
        self._killed = asyncio.Event()
        self._down_s = 0.0
        self._calls_left = -1

    async def run(self) -> None:
        """Live, again and again, until cancelled. Raises Crash."""
        try:
            while True:
                await self._wanted.wait()
                await self._live()
                await asyncio.sleep(self._down_s)
        finally:
            self._end()

    def kill(self, *, calls: int, down_s: float) -> None:
        """Kill it ``calls`` requests from now; it starts again after ``down_s``."""
        self._down_s = down_s
        if calls == 0:
            self._killed.set()
        self._calls_left = calls

    def leave(self) -> None:
        """Stop in good order, until ``come_back``."""
        self._wanted.clear()
        self._unwanted.set()
        if self.started is not None:
            self.started.stop()

    def vanish(self) -> None:
        """Be killed, until ``come_back``."""
        self._wanted.clear()
        self._unwanted.set()
        self._killed.set()

    def come_back(self) -> None:
        """Be there again."""
        self._wanted.set()
        self._unwanted.clear()

    async def _live(self) -> None:
        self._lives += 1
        self._down_s, self._calls_left = RESTART_S, -1
        self._killed.clear()
        name = f"{self.name}#{self._lives}"
        life = self.life = Life(name, self._couriers, self._random(name))
        life.on_call = self._count
        started = self.started = self._start(life)
        main = asyncio.get_running_loop().create_task(started.main, context=Context())
        self._told(self.name, "starts")
        killed = asyncio.create_task(self._killed.wait())
        gone = asyncio.create_task(self._stay())
        try:
            await asyncio.wait({main, killed, gone}, return_when=asyncio.FIRST_COMPLETED)
            self._end()
            if not main.done():
                self._told(self.name, "is killed" if killed.done() else "would not stop: killed")
                main.add_done_callback(_forget)
                main.cancel()
            else:
                self._judge(main)
        finally:
            killed.cancel()
            gone.cancel()

    async def _stay(self) -> None:
        """Return when an orderly stop took too long."""
        await self._unwanted.wait()
        await asyncio.sleep(LEAVE_S)

    def _count(self) -> None:
        if self._calls_left > 0:
            self._calls_left -= 1
            if self._calls_left == 0:
                self._killed.set()

    def _end(self) -> None:
        if self.life is not None and self.started is not None:
            self.life.kill()
            self.started.die()
        self.life = self.started = None

    def _judge(self, main: asyncio.Task[None]) -> None:
        error = main.exception() if not main.cancelled() else asyncio.CancelledError()
        if error is None:
            self._told(self.name, "has stopped")
            return
        for leaf in _leaves(error):
            if not isinstance(leaf, McsError):
                raise Crash(f"{self.name} ended by {type(leaf).__name__}: {leaf}") from leaf
            self.said.append(leaf)
            self._told(self.name, f"ends: {leaf}")


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]


def _forget(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()
