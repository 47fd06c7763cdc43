"""An event loop on virtual time: nothing waits, and every run of the same program is the same.

The selector of this loop never sleeps: asked to wait for a timer, it moves the loop's time there.
So an hour passes in as long as its events take to compute, in one order that depends on nothing
outside. There is no I/O: a loop that could only wait for a socket is stuck for ever, and says so.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

T = TypeVar("T")

EPOCH_S: Final = 1_767_225_600.0
"""Unix time at which virtual time begins (2026-01-01T00:00:00Z); any fixed moment would do."""


class Stuck(RuntimeError):
    """Every task waits, and no timer will wake one."""


class _Selector(selectors.BaseSelector):
    """Selects nothing, at once; ``advance`` is told for how long it would have waited."""

    def __init__(self) -> None:
        self.advance: Callable[[float], None] = lambda _: None
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """The loop registers the socket that wakes it; nobody will."""
        key = selectors.SelectorKey(fileobj, fileobj, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Forget it."""
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let time pass instead of waiting. Raises Stuck."""
        if timeout is None:
            raise Stuck("every task waits for another one, and no timer will wake any of them")
        if timeout > 0:
            self.advance(timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """What is registered."""
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's loop with a time of its own, from 0 s on."""

    def __init__(self) -> None:
        self._now_s = 0.0
        selector = _Selector()
        selector.advance = self._advance
        super().__init__(selector)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def _advance(self, seconds: float) -> None:
        self._now_s += seconds


class VirtualClock:
    """``ports.Clock`` on the running loop's time."""

    def now(self) -> float:
        """See ``mcs.ports.Clock.now``."""
        return EPOCH_S + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        """See ``mcs.ports.Clock.monotonic``."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """See ``mcs.ports.Clock.sleep``."""
        await asyncio.sleep(seconds)


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end on virtual time. Raises Stuck, and whatever ``main`` raises."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
