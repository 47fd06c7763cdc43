"""Work that is done at once: the twin of a copy of the process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mcs.errors import Unavailable


class InlineBranch:
    """``Branch`` of ``mcs.ports`` in this process, which waits for it."""

    def start(self, work: Callable[[], bytes]) -> Awaitable[bytes]:
        """See ``mcs.ports.Branch.start``."""
        try:
            result: bytes | None = work()
        except Exception:  # noqa: BLE001 (a copy that fails says no more than that, either)
            result = None
        return _given(result)


async def _given(result: bytes | None) -> bytes:
    if result is None:
        raise Unavailable("the work ended without a result")
    return result
