"""A child process that a test may kill, freeze and bring back.

Three promises. *It never outlives us*: the kernel kills it when the thread that started it ends
(PR_SET_PDEATHSIG), and an exit handler does the same on a normal exit. *Starting means being
ready*: `start` returns once the given probe succeeds, or fails with the last lines of the log,
which is where the reason stands. *It may come back*: `start` after `kill` runs the same command
again, so it finds its old port and its old data.

`subprocess` rather than asyncio's twin: a control plane may serve many tests, each with an event
loop of its own.
"""

import asyncio
import atexit
import ctypes
import os
import signal
import subprocess
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_live: "weakref.WeakSet[Process]" = weakref.WeakSet()
_PROBE_INTERVAL_S = 0.02
_TAIL_BYTES = 4_000


class StartFailed(RuntimeError):
    """A process ended, or did not become ready in time; the message shows its log."""


class Process:
    """One program with its command line, its log file and a probe that tells when it is ready."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        ready_timeout_s: float = 180.0,
        before_start: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self._ready = ready
        self._environment = dict(environment or {})
        self._ready_timeout_s = ready_timeout_s
        self._before_start = before_start
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; an error when it does not run."""
        if self._child is None or self._child.poll() is not None:
            raise ProcessLookupError(f"{self.name} is not running")
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the process exists (a paused one does)."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended (a signal: its number, negative); None: it runs, or never did."""
        return None if self._child is None else self._child.poll()

    async def start(self) -> None:
        """Start, or start again, and return when the probe succeeds."""
        if self.running:
            return
        if self._before_start is not None:
            await self._before_start()
        self.spawn()
        await self.wait_ready()

    def spawn(self) -> None:
        """Start without waiting, so that several processes can become ready side by side."""
        parent = os.getpid()

        def die_with_parent() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # the parent died before the line above
                os._exit(1)

        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
                start_new_session=True,  # Ctrl-C is for the test, which then stops its children
                preexec_fn=die_with_parent,  # noqa: PLW1509 (one system call, no locks)
            )
        _live.add(self)

    async def wait_ready(self) -> None:
        """Return when the probe succeeds."""
        deadline = time.monotonic() + self._ready_timeout_s
        while not await asyncio.to_thread(self._ready):
            if not self.running:
                raise StartFailed(f"{self.name} ended with {self.exit_code}:\n{self.tail()}")
            if time.monotonic() > deadline:
                text = f"{self.name} was not ready within {self._ready_timeout_s:g} s"
                raise StartFailed(f"{text}:\n{self.tail()}")
            await asyncio.sleep(_PROBE_INTERVAL_S)

    def kill(self) -> None:
        """SIGKILL: no chance to say goodbye (but the kernel keeps what was written)."""
        self._end(signal.SIGKILL, timeout_s=10.0)

    def stop(self, timeout_s: float = 30.0) -> None:
        """SIGTERM, and SIGKILL when that takes too long."""
        self._end(signal.SIGTERM, timeout_s)

    def pause(self) -> None:
        """SIGSTOP: the process is there, its ports accept, and nothing answers, once this returns:
        a signal is only asked for until all threads stand still.
        """
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def cpu_seconds(self) -> float:
        """CPU time used by the present run of this process, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self) -> int:
        """Resident memory now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def tail(self) -> str:
        """The end of the log."""
        if not self.log.exists():
            return "(no log)"
        return self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")

    def _end(self, signal_number: signal.Signals, timeout_s: float) -> None:
        child = self._child
        if child is None or child.poll() is not None:
            return
        child.send_signal(signal_number)
        if signal_number != signal.SIGKILL:
            child.send_signal(signal.SIGCONT)  # a paused process cannot hear SIGTERM
        try:
            child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@atexit.register
def _kill_all() -> None:
    for process in list(_live):
        process.kill()
