"""The same world for both logs: connections, and what may happen to streams behind their back."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from mcs.adapters.clock import SystemClock
from mcs.adapters.files import FolderLog, open_folder
from mcs.adapters.files_archive import open_archive
from mcs.adapters.jetstream import JetStream, connect
from mcs.adapters.jetstream_api import Answer, ask
from mcs.adapters.jetstream_snapshots import CHUNKS, STREAM, JetStreamSnapshots
from mcs.adapters.memory_log import MemoryBroker, MemoryLog
from mcs.adapters.memory_nats import MemoryNats
from mcs.adapters.memory_snapshots import MemorySnapshots
from mcs.adapters.streams import apply_streams
from mcs.errors import Unavailable
from mcs.ports import Stored, Stream, StreamInfo
from mcs.services.exporting import export

SOON_S = 20.0  # a server that takes so long is broken


class MemoryWorld:
    """A broker in this process."""

    async def __aenter__(self) -> Self:
        self._broker = MemoryBroker(SystemClock())
        self._bucket: dict[str, bytes] = {}
        self._open = AsyncExitStack()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def connect(self) -> MemoryLog:
        log = self._broker.connect()
        self._open.push_async_callback(log.close)
        return log

    async def snapshots(self) -> MemorySnapshots:
        return MemorySnapshots(self._bucket)

    async def lose_snapshots(self) -> None:
        self._bucket.clear()

    async def trim(self, stream: Stream, first: int) -> None:
        self._broker.trim(stream, first)

    async def shorten(self, stream: Stream, last: int) -> None:
        self._broker.lose_tail(stream, last)

    async def rewrite(self, stream: Stream, last: int, messages: list[tuple[str, bytes]]) -> None:
        self._broker.rewrite_tail(stream, last, messages)

    async def damage(self, stream: Stream, last: int) -> None:
        self._broker.damage(stream, last)

    async def replace(self, stream: Stream) -> None:
        self._broker.replace(stream, "another")

    async def remove(self, stream: Stream) -> None:
        self._broker.remove(stream)

    async def break_connections(self) -> None:
        for connection in self._broker.connections:
            connection.cut()
            connection.mend()


class WireWorld(MemoryWorld):
    """A broker in this process, too, with our adapter for NATS before it."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._nats = MemoryNats(self._broker)
        return self

    async def connect(self) -> JetStream:  # type: ignore[override]  # it has the same methods
        connection = self._nats.client().connect(answer_timeout_s=SOON_S)
        await connection.up.wait()
        log = JetStream(connection)
        self._open.push_async_callback(log.close)
        return log

    async def rewrite(self, stream: Stream, last: int, messages: list[tuple[str, bytes]]) -> None:
        await super().rewrite(stream, last, messages)
        self._nats.jetstream.forget_consumers()

    async def damage(self, stream: Stream, last: int) -> None:
        await super().damage(stream, last)
        self._nats.jetstream.forget_consumers()

    async def break_connections(self) -> None:
        for client in self._nats.clients:
            client.cut()
            client.mend()


class FolderWorld(MemoryWorld):
    """What is stored in memory is exported before it is read, in segments of a few messages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def connect(self) -> Exported:  # type: ignore[override]  # it has the same methods
        log = Exported(await super().connect(), self._folder)
        self._open.push_async_callback(log.close)
        return log


class Exported:
    """Appends to a log in memory; reads from an export of it made at that moment."""

    def __init__(self, log: MemoryLog, folder: Path) -> None:
        self._log, self._folder = log, folder
        self._exports: list[FolderLog] = []
        self.append = log.append

    async def read(self, stream: Stream, *, after: int = 0, subject: str = "") -> object:
        return await (await self._export()).read(stream, after=after, subject=subject)

    async def info(self, stream: Stream) -> StreamInfo:
        return await (await self._export()).info(stream)

    async def get(self, stream: Stream, sequence: int) -> Stored | None:
        return await (await self._export()).get(stream, sequence)

    async def last(self, stream: Stream, subject: str) -> Stored | None:
        return await (await self._export()).last(stream, subject)

    async def close(self) -> None:
        for each in self._exports:
            await each.close()
        await self._log.close()

    async def _export(self) -> FolderLog:
        folder = self._folder / f"export-{len(self._exports)}"
        ends = [(await self._log.info(stream)).last for stream in Stream]
        with open_archive(folder, SystemClock(), segment_messages=max(3, max(ends) // 16)) as made:
            await export(self._log, made)
        self._exports.append(open_folder(folder))
        return self._exports[-1]


class NatsWorld:
    """A real server; every test finds fresh streams in it."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def __aenter__(self) -> Self:
        self._open = AsyncExitStack()
        self._logs: list[JetStream] = []
        self._admin = await self.connect()
        for stream in Stream:
            await self._api(f"STREAM.DELETE.{stream}")  # missing the first time
        await self._api(f"STREAM.DELETE.{STREAM}")
        await self._make()
        return self

    async def _make(self) -> None:
        """The streams; a server that has just dropped others of that name may need a moment until
        their files are gone.
        """
        async with asyncio.timeout(SOON_S):
            while True:
                try:
                    await apply_streams(self._admin)
                except Unavailable as error:
                    if "creating store" not in str(error):
                        raise
                    await asyncio.sleep(0.05)
                else:
                    return

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def connect(self) -> JetStream:
        log = await connect(self.url)
        self._open.push_async_callback(log.close)
        self._logs.append(log)
        return log

    async def snapshots(self) -> JetStreamSnapshots:
        return JetStreamSnapshots((await self.connect()).connection)

    async def lose_snapshots(self) -> None:
        """What names them stays; their content is lost."""
        answer = await self._api(f"STREAM.PURGE.{STREAM}", {"filter": CHUNKS + ">"})
        assert answer.error is None

    async def trim(self, stream: Stream, first: int) -> None:
        assert (await self._api(f"STREAM.PURGE.{stream}", {"seq": first})).error is None

    async def shorten(self, stream: Stream, last: int) -> None:
        """The same stream, by its identity, with fewer messages, as after a lost disk's tail."""
        await self.rewrite(stream, last, [])

    async def rewrite(self, stream: Stream, last: int, messages: list[tuple[str, bytes]]) -> None:
        """As ``shorten``, and then there are others in their place."""
        kept = await self._first(stream, last)
        await self._made_again(stream)
        for message in kept:
            await self._admin.append([(message.subject, message.data)])
        for each in messages:
            await self._admin.append([each])

    async def damage(self, stream: Stream, last: int) -> None:
        """The messages after ``last`` are missing, and counted: as a server says of files that were
        cut short.
        """
        end = (await self._admin.info(stream)).last
        kept = await self._first(stream, end)
        await self._made_again(stream, deny_delete=False)
        for message in kept:
            await self._admin.append([(message.subject, message.data)])
        for sequence in range(last + 1, end + 1):
            answer = await self._api(f"STREAM.MSG.DELETE.{stream}", {"seq": sequence})
            assert answer.error is None

    async def _first(self, stream: Stream, count: int) -> list[Stored]:
        """The first messages; a reader gives those that have come by now, which may be fewer."""
        reader = await self._admin.read(stream)
        found: list[Stored] = []
        while len(found) < count:
            some = await reader.next(limit=count - len(found), timeout_s=SOON_S)
            assert some, f"only {len(found)} of {count} messages came"
            found += some
        await reader.close()
        return found

    async def _made_again(self, stream: Stream, **changes: object) -> None:
        found = await ask(self._admin.connection, f"STREAM.INFO.{stream}", _Config)
        await self.remove(stream)
        async with asyncio.timeout(SOON_S):
            while (
                await self._api(f"STREAM.CREATE.{stream}", {**found.config, **changes})
            ).error is not None:
                await asyncio.sleep(0.05)  # as in ``_make``

    async def replace(self, stream: Stream) -> None:
        await self.remove(stream)
        await self._make()

    async def remove(self, stream: Stream) -> None:
        assert (await self._api(f"STREAM.DELETE.{stream}")).error is None

    async def break_connections(self) -> None:
        for log in self._logs:
            log.connection.client._transport.close()  # as a server that ends does

    async def _api(self, what: str, request: object = None) -> Answer:
        return await ask(self._admin.connection, what, Answer, request)


class _Config(Answer, frozen=True):
    config: dict[str, object] = {}
