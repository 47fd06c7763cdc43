"""Work in a copy of this process: what it sees stays as it is, while this one goes on.

``fork`` costs some milliseconds for each gigabyte, and a page of memory for each that changes
meanwhile; to write a large state down in this process would stop it for seconds. The copy only
computes: it runs no event loop, touches no connection, and leaves without clean-up, since all of
that is its parent's.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Final

from mcs.errors import Unavailable

_CHUNK: Final = 1 << 20
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class ForkBranch:
    """``Branch`` of ``mcs.ports`` by ``fork``."""

    def start(self, work: Callable[[], bytes]) -> Awaitable[bytes]:
        """See ``mcs.ports.Branch.start``."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)  # else its own end would keep it waiting when its parent is killed
            _compute(work, writing)
        os.close(writing)
        result = asyncio.ensure_future(_result(child, reading))
        # Not in ``_result``, whose body never runs if it is cancelled before its first step.
        result.add_done_callback(lambda ended: _clear_up(child, reading, ended))
        return result


def _compute(work: Callable[[], bytes], writing: int) -> None:
    """In the copy: write the result and leave."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        gc.disable()  # it would touch, and so copy, every page
        data = memoryview(work())
        while data:
            data = data[os.write(writing, data) :]
        status = 0
    finally:
        os._exit(status)


async def _result(child: int, reading: int) -> bytes:
    """In the parent: what the copy wrote, once it has left."""
    parts: list[bytes] = []
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    os.set_blocking(reading, False)

    def more() -> None:
        try:
            part = os.read(reading, _CHUNK)
        except BlockingIOError:
            return
        if part:
            parts.append(part)
        elif not ended.done():
            ended.set_result(None)

    loop.add_reader(reading, more)
    try:
        await ended
    finally:
        loop.remove_reader(reading)
    if status := _reap(child):
        raise Unavailable(f"the copy of this process ended by {_how(status)}, without a result")
    return b"".join(parts)


def _clear_up(child: int, reading: int, result: asyncio.Future[bytes]) -> None:
    """End a copy whose result nobody wants any more; close what it wrote to."""
    if result.cancelled():
        os.kill(child, signal.SIGKILL)
        _reap(child)
    os.close(reading)


def _reap(child: int) -> int:
    """The status of a copy that is ending."""
    return os.waitpid(child, 0)[1]


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
