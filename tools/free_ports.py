"""Loopback ports that stay ours while a process is down.

Asking the kernel for "any free port" is a race: between the answer and the bind, and again
whenever a killed process is to come back on its old port, somebody else may take it. So a port is
picked below the kernel's ephemeral range, where no outgoing connection lands by chance, and is
reserved among all users of this module by a lock on a file named after it. The lock dies with this
process, so nothing is left to clean up.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

_FIRST, _LAST = 18_000, 31_999  # below 32,768, where Linux starts handing out ephemeral ports
_ATTEMPTS = 500


class NoFreePort(RuntimeError):
    """Every port that was tried is taken."""


class PortLease:
    """One reserved port; keep the object as long as the port is wanted."""

    def __init__(self, port: int, descriptor: int) -> None:
        self.port = port
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Give the port back; doing so twice is harmless."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def reserve_port() -> PortLease:
    """Reserve one free loopback port."""
    folder = Path(tempfile.gettempdir()) / f"mcs-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    chance = random.Random(os.urandom(8))  # parallel test runs should not all try the same ports
    for _ in range(_ATTEMPTS):
        port = chance.randint(_FIRST, _LAST)
        descriptor = os.open(folder / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        if _locked(descriptor) and _bindable(port):
            return PortLease(port, descriptor)
        os.close(descriptor)
    raise NoFreePort(f"no free port between {_FIRST} and {_LAST} in {_ATTEMPTS} attempts")


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _bindable(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
