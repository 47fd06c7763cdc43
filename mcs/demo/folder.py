"""The folder that a demo leaves behind: numbered runs, each with the log of its nats-server.

    mcs-demo/run-1/nats/…        JetStream's files and the server's log
                   url           where the server listens, while it runs
                   lock          held by whoever runs the server

A lock keeps two servers off one store: who finds it held reads from the server that runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Final

from mcs.adapters.nats_server import SERVER_LOG, embedded_server
from mcs.errors import BadSettings

_RUN: Final = "run-"
_STORE: Final = "nats"
_WORDS: Final = 3
_SERVED_S: Final = 10.0
_LOOK_S: Final = 0.05


def new_run(folder: Path, *, fresh: bool) -> Path:
    """Make a run's folder: the next number, or with ``fresh`` the first, after removing all others.

    Raises:
        BadSettings: the folder cannot be used, or a demo runs in it.
    """
    with usable(folder):
        if fresh:
            for run in runs(folder):
                with _locked(run) as held:
                    if not held:
                        raise BadSettings(f"a demo is running in {run}: end it first")
                    shutil.rmtree(run)
        last = max((_number(run) for run in runs(folder)), default=0)
        run = folder / f"{_RUN}{last + 1}"
        run.mkdir(parents=True)
    return run


@contextlib.contextmanager
def usable(folder: Path) -> Iterator[None]:
    """What the file system refuses is BadSettings: a full disk, a folder of somebody else's."""
    try:
        yield
    except OSError as error:
        raise BadSettings(f"cannot use the folder {folder}: {error}; give another by --dir") from (
            error
        )


def last_words(run: Path) -> str:
    """The end of what a run's nats-server wrote down."""
    log = run / _STORE / SERVER_LOG
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-_WORDS:])
    return ""


def runs(folder: Path) -> list[Path]:
    """The runs in a demo's folder, oldest first."""
    found = [path for path in folder.glob(f"{_RUN}*") if _number(path) and path.is_dir()]
    return sorted(found, key=_number)


def newest_run(folder: Path) -> Path:
    """The run that ``folder`` is, or the newest one in it.

    Raises:
        BadSettings: there is none.
    """
    if (folder / _STORE).is_dir():
        return folder
    found = [run for run in runs(folder) if (run / _STORE).is_dir()]
    if not found:
        raise BadSettings(f"{folder} holds no demo: run `mcs demo --dir {folder}` first")
    return found[-1]


@contextlib.asynccontextmanager
async def serve_run(run: Path) -> AsyncGenerator[str, None]:
    """A nats-server on a run's folder; yields its URL. One that runs already is used.

    Raises:
        BadSettings: there is no nats-server to run, or the folder cannot be used.
        Unavailable: it does not start.
    """
    with _locked(run) as held:
        if not held:
            yield await _served_by_another(run)
            return
        place = run / "url"
        try:
            async with embedded_server(run / _STORE) as server:
                with usable(run):
                    place.write_text(server.url)
                yield server.url
        finally:
            with contextlib.suppress(OSError):
                place.unlink()


async def _served_by_another(run: Path) -> str:
    """The URL that the server's owner wrote down, which takes it a moment."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SERVED_S):
            while True:
                with contextlib.suppress(FileNotFoundError):
                    return (run / "url").read_text()
                await asyncio.sleep(_LOOK_S)
    raise BadSettings(f"{run} is in use by another process that does not serve it")


@contextlib.contextmanager
def _locked(run: Path) -> Iterator[bool]:
    """Try to be the one who runs the server; False if somebody is."""
    descriptor = os.open(run / "lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def _number(run: Path) -> int:
    digits = run.name.removeprefix(_RUN)
    return int(digits) if digits.isdecimal() else 0
