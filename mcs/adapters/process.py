"""A process of mcs as an operating system sees it: signals in, log lines out."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_logger = logging.getLogger(__name__)


def configure_logging(*, form: str, level: str, cluster: str) -> None:
    """Log to standard error from ``level`` on, as ``plain`` lines or as ``json`` objects."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(cluster) if form == "json" else _Plain(cluster))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # libraries speak when something is wrong
    logging.getLogger("mcs").setLevel(level.upper())


async def run_until_signalled(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run ``main(stop)``; the first SIGTERM or SIGINT sets ``stop``, the second ends us at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def signalled(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        _logger.info("%s: stopping; once more ends at once", signal.Signals(number).name)
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, signalled, number)
    try:
        await main(stop)
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def keep_what_is_there() -> None:
    """Spare the garbage collector what a process has when it is ready: modules, mostly, which stay.

    A full collection holds everything up while it looks at them, an agent's pods in admission too:
    some 45 ms on the machine where this was measured, and nothing afterwards. What is made later is
    collected as ever.
    """
    gc.collect()
    gc.freeze()


class _Plain(logging.Formatter):
    def __init__(self, cluster: str) -> None:
        super().__init__()
        self._cluster = cluster

    def format(self, record: logging.LogRecord) -> str:
        """``12:00:01.234 WARNING c1 publisher: append failed …``."""
        time_of_day = _time(record)[11:23]
        where = record.name.rpartition(".")[2]
        line = f"{time_of_day} {record.levelname:<7} {self._cluster} {where}: {record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class _Json(logging.Formatter):
    def __init__(self, cluster: str) -> None:
        super().__init__()
        self._cluster = cluster

    def format(self, record: logging.LogRecord) -> str:
        """One object; ``error`` holds a traceback, if there is one."""
        fields = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "cluster": self._cluster,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(fields).decode()


def _time(record: logging.LogRecord) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
