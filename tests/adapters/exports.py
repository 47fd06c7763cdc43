"""Logs in memory and their exports, for tests."""

from mcs.adapters.clock import SystemClock
from mcs.adapters.files import open_folder
from mcs.adapters.files_archive import open_archive
from mcs.adapters.memory_log import MemoryBroker
from mcs.ports import Stream
from mcs.services.exporting import export

OBS, DEC = Stream.OBSERVATIONS, Stream.DECISIONS


def broker(observations=0, decisions=0, *, identity="test"):
    """A log in memory with so many messages."""
    made = MemoryBroker(SystemClock(), identity=identity)
    fill(made, observations, decisions)
    return made


def fill(made, observations=0, decisions=0):
    """So many messages more."""
    for _ in range(observations):
        number = made.streams[OBS].last + 1
        made.store([(f"mcs.obs.c{number % 3}.cluster", b'{"number":%d}' % number)])
    for _ in range(decisions):
        number = made.streams[DEC].last + 1
        made.store([("mcs.dec._._", b"decision %d" % number)])


async def export_of(made, folder, *, segment_messages=3, **limits):
    """Export a log; what was copied."""
    log = made.connect()
    try:
        with open_archive(
            folder, SystemClock(), segment_messages=segment_messages, **limits
        ) as archive:
            return await export(log, archive)
    finally:
        await log.close()


async def held(folder):
    """All that a folder holds, through its own reader."""
    log = open_folder(folder)
    try:
        return {stream: await all_of(log, stream) for stream in Stream}
    finally:
        await log.close()


async def all_of(log, stream):
    info = await log.info(stream)
    reader = await log.read(stream, after=info.first - 1)
    found = []
    while len(found) < info.last - info.first + 1:
        found += await reader.next(limit=7, timeout_s=1)
    return found


def stored(made):
    return {stream: list(made.streams[stream].messages) for stream in Stream}
