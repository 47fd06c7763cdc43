"""The first act, as long as it lasts: what goes on for a while in it ends with it."""

from __future__ import annotations

import asyncio


class ActOne:
    """``over`` is set when everything is to be healed."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """So long, or until it is over."""
        try:
            async with asyncio.timeout(seconds):
                await self.over.wait()
        except TimeoutError:
            return
