"""The machine's clock."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """Time of this machine; see ``mcs.ports.Clock``."""

    def now(self) -> float:
        """Unix time in seconds; it may jump."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
