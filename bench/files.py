"""An exported log: written to a folder, and read from it, beside bare gzip of the same bytes.

    python -m bench.files [--short]

The log is in memory, so what is measured is mcs and the disk, not NATS. The floors pack and unpack
the same messages, in pieces as large as our segments and at the same level, and sync them to disk.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.reporting import Report, arguments
from mcs.adapters.clock import SystemClock
from mcs.adapters.files import open_folder
from mcs.adapters.files_archive import SEGMENT_BYTES, open_archive
from mcs.adapters.files_segment import LEVEL
from mcs.adapters.memory_log import MemoryBroker
from mcs.events import codec, subjects
from mcs.events.frames import ObservationFrame
from mcs.events.observations import ProxyObserved
from mcs.ports import Stream
from mcs.services.exporting import export

_EVENTS = 64  # in each frame
_MANIFEST = (
    '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%s","namespace":"default"},'
    '"spec":{"containers":[{"name":"main","image":"busybox","args":["--seed","%d"]}]}}'
)
_MEBI = 2**20


def filled(frames: int) -> MemoryBroker:
    """A log of frames as a source writes them."""
    broker = MemoryBroker(SystemClock())
    for number in range(frames):
        events = tuple(_proxy(number * _EVENTS + index) for index in range(_EVENTS))
        frame = ObservationFrame(
            source="c1", epoch=1, channel="proxy", number=number, events=events
        )
        broker.store([(subjects.observation("c1", "proxy"), codec.encode(frame))])
    return broker


def _proxy(number: int) -> ProxyObserved:
    name = f"step-{number}"
    return ProxyObserved(
        uid=f"{number * 2654435761 % 2**32:08x}-uid",
        namespace="default",
        name=name,
        created="2026-11-23T20:16:31Z",
        manifest=_MANIFEST % (name, number * 40503),
        requests={"cpu": 100 + number % 900, "memory": 2**20 * (1 + number % 900)},
    )


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def written(broker: MemoryBroker, folder: Path) -> None:
    async def write() -> None:
        with open_archive(folder, SystemClock()) as archive:
            await export(broker.connect(), archive)

    asyncio.run(write())


def read(folder: Path) -> None:
    async def all_of() -> None:
        log = open_folder(folder)
        last = (await log.info(Stream.OBSERVATIONS)).last
        reader, position = await log.read(Stream.OBSERVATIONS), 0
        while position < last:
            position = (await reader.next())[-1].sequence

    asyncio.run(all_of())


def packed(data: bytes, folder: Path) -> None:
    for at in range(0, len(data), SEGMENT_BYTES):
        with (folder / f"{at}.gz").open("wb") as file:
            file.write(gzip.compress(data[at : at + SEGMENT_BYTES], LEVEL, mtime=0))
            file.flush()
            os.fsync(file.fileno())


def unpacked(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        gzip.decompress(path.read_bytes())


def main() -> None:
    chosen = arguments(__doc__)
    frames = 500 if chosen.short else 5000
    report = Report("files")
    broker = filled(frames)
    data = b"".join(each.data for each in broker.streams[Stream.OBSERVATIONS].messages)
    size, events = len(data) / _MEBI, frames * _EVENTS
    with tempfile.TemporaryDirectory(prefix="mcs-bench-") as scratch:
        ours, bare = Path(scratch) / "ours", Path(scratch) / "bare"
        bare.mkdir()
        mine, floor = timed(lambda: written(broker, ours)), timed(lambda: packed(data, bare))
        report.add("export", size / mine, "MiB/s", size / floor)
        report.add("export", events / mine, "events/s")
        mine, floor = timed(lambda: read(ours)), timed(lambda: unpacked(bare))
        report.add("read", size / mine, "MiB/s", size / floor)
        report.add("read", events / mine, "events/s")
        report.add("size", folder_size(ours), "MiB", folder_size(bare))
    report.show()


def folder_size(folder: Path) -> float:
    """MiB of all files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir()) / _MEBI


if __name__ == "__main__":
    main()
