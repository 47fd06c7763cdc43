"""A picture that is redrawn while something happens: the one view that has a terminal in hand.

It is redrawn by the event loop's own turns, not by a thread: between two steps of a program its
data is whole.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.text import Text

from mcs.views.scenes import Scene
from mcs.views.screens import draw

_EVERY_S: Final = 1 / 8
_ECHO: Final = 2  # columns left free: "^C" at a full line's end would move the picture by a line


class LiveView:
    """Shows what ``look`` gives, eight times a second; nothing while it gives None.

    It leaves no residue: what shall stay is printed above it by ``print``.
    """

    def __init__(self, console: Console, look: Callable[[], Scene | None]) -> None:
        self._console, self._look = console, look
        self._live: Live | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            get_renderable=self._draw,
            transient=True,
            vertical_overflow="crop",
        )
        self._live.__enter__()
        self._task = asyncio.create_task(self._redraw())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        assert self._live is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._look = lambda: None  # the last frame is drawn whole: let it be an empty one
        self._live.__exit__(kind, error, trace)

    def refresh(self) -> None:
        """Draw now."""
        if self._live is not None:
            self._live.refresh()

    def print(self, what: RenderableType) -> None:
        """Print above the view, to stay."""
        self._console.print(what)

    async def _redraw(self) -> None:
        while True:
            self.refresh()
            await asyncio.sleep(_EVERY_S)

    def _draw(self) -> RenderableType:
        scene = self._look()
        size = self._console.size
        width = max(1, size.width - _ECHO)
        return Text() if scene is None else Constrain(draw(scene, width, size.height), width)
