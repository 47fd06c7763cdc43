"""A log that remembers what was read of it, by whomever in this process."""

from __future__ import annotations

from mcs.ports import EventLog, Reader, Stored, Stream, StreamInfo


class NotedLog:
    """Reads as an ``EventLog`` does; ``newest``: the last message of each stream that any of its
    readers gave.
    """

    def __init__(self, log: EventLog) -> None:
        self.newest: dict[Stream, Stored] = {}
        self._log = log

    @property
    def breaks(self) -> int:
        """See ``EventLog.breaks``."""
        return self._log.breaks

    async def read(self, stream: Stream, *, after: int = 0, subject: str = "") -> Reader:
        """See ``EventLog.read``."""
        reader = await self._log.read(stream, after=after, subject=subject)
        return _NotedReader(reader, stream, self.newest)

    async def info(self, stream: Stream) -> StreamInfo:
        """See ``EventLog.info``."""
        return await self._log.info(stream)

    async def get(self, stream: Stream, sequence: int) -> Stored | None:
        """See ``EventLog.get``."""
        return await self._log.get(stream, sequence)

    async def last(self, stream: Stream, subject: str) -> Stored | None:
        """See ``EventLog.last``."""
        return await self._log.last(stream, subject)


class _NotedReader:
    def __init__(self, reader: Reader, stream: Stream, newest: dict[Stream, Stored]) -> None:
        self._reader, self._stream, self._newest = reader, stream, newest

    async def next(self, *, limit: int = 1000, timeout_s: float | None = None) -> list[Stored]:
        """See ``Reader.next``."""
        found = await self._reader.next(limit=limit, timeout_s=timeout_s)
        known = self._newest.get(self._stream)
        if found and (known is None or found[-1].sequence > known.sequence):
            self._newest[self._stream] = found[-1]
        return found

    async def close(self) -> None:
        """See ``Reader.close``."""
        await self._reader.close()
