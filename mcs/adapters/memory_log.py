"""The event log and the requests between members in memory: the faithful twin of JetStream.

A ``MemoryBroker`` stands for the servers, ``connect()`` gives a connection to them. What can go
wrong in the world is done to these objects: a connection is cut and mended, the fate of an append
is chosen, a stream is trimmed, cut short, replaced or removed. There is no chance in here, and no
clock but the one given; every call lets others run in between, as a network would.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto
from typing import Protocol

from mcs.adapters.appending import MOST_BYTES, check_append
from mcs.adapters.memory_stream import MemoryReader, MemoryStream, matches
from mcs.errors import NoStream, Refused, TooLarge, Unavailable, Uncertain
from mcs.ports import Clock, Stored, Stream, StreamInfo

Messages = Sequence[tuple[str, bytes]]
Reply = Callable[[str, bytes], Awaitable[bytes]]


class Fate(Enum):
    """What becomes of an append on its way."""

    DELIVERED = auto()
    UNSENT = auto()
    """It never leaves: ``Unavailable``."""
    LOST = auto()
    """It leaves and never arrives: ``Uncertain``."""
    ANSWER_LOST = auto()
    """It arrives, but the answer does not: ``Uncertain``."""


class Observer(Protocol):
    """Who watches a broker from outside. It is told at once, and must neither wait nor raise."""

    def stored(self, stream: Stream, message: Stored) -> None:
        """A message is in the stream."""

    def trimmed(self, stream: Stream, first: int) -> None:
        """What lay before ``first`` was removed, as it may be."""

    def lost(self, stream: Stream, last: int) -> None:
        """What lay after ``last`` is lost; the whole stream, if it was replaced or removed."""


class MemoryBroker:
    """The servers: two streams, and the connections to them. ``observers`` watch from outside."""

    def __init__(
        self, clock: Clock, *, identity: str = "memory", most_bytes: int = MOST_BYTES
    ) -> None:
        self.clock = clock
        self.most_bytes = most_bytes
        self.streams: dict[Stream, MemoryStream] = {
            name: MemoryStream(name, f"{identity}-{name.lower()}") for name in Stream
        }
        self.connections: list[MemoryLog] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.observers: list[Observer] = []

    def connect(self) -> MemoryLog:
        """Another connection."""
        connection = MemoryLog(self)
        self.connections.append(connection)
        return connection

    def store(self, messages: Messages, expected_last: int | None = None) -> int:
        """Take an append that arrived. Raises Refused, Unavailable (no such stream)."""
        name = check_append(messages, self.most_bytes)
        stream = self.streams.get(name)
        if stream is None:
            raise Unavailable(f"no stream takes {messages[0][0]}")
        if expected_last is not None and expected_last != stream.last:
            raise Refused(expected_last, stream.last)
        time_ns = int(self.clock.now() * 1_000_000_000)
        for subject, data in messages:
            stream.add(subject, data, time_ns)
            for observer in self.observers:
                observer.stored(name, stream.messages[-1])
        self.serve(name)
        return stream.last

    def trim(self, name: Stream, first: int) -> None:
        """Remove what lies before sequence ``first``."""
        self.streams[name].trim(first)
        for observer in self.observers:
            observer.trimmed(name, self.streams[name].first)

    def lose_tail(self, name: Stream, last: int) -> None:
        """Lose what lies after ``last``, with a restart, so that all readers look again."""
        self.streams[name].lose_tail(last)
        self._tell_lost(name, last)
        self.serve()

    def rewrite_tail(self, name: Stream, last: int, messages: Messages) -> None:
        """Lose what lies after ``last``, and store others in its place before any reader looks."""
        stream, time_ns = self.streams[name], int(self.clock.now() * 1_000_000_000)
        stream.lose_tail(last)
        for subject, data in messages:
            stream.add(subject, data, time_ns)
        self.serve()

    def damage(self, name: Stream, last: int) -> None:
        """Lose what lies after ``last``, but not the count of it: files cut short behind the back
        of a server that was stopped in order.
        """
        stream = self.streams[name]
        stream.missing |= set(range(last + 1, stream.last + 1))
        self.serve()

    def replace(self, name: Stream, identity: str) -> None:
        """Put an empty stream in the place of one."""
        self.streams[name] = MemoryStream(name, identity)
        self._tell_lost(name, 0)
        self.serve()

    def remove(self, name: Stream) -> None:
        """Delete a stream."""
        del self.streams[name]
        self._tell_lost(name, 0)
        self.serve()

    def serve(self, name: Stream | None = None) -> None:
        """Send every reader (of the stream ``name``, if one is named) what it has not got."""
        for connection in self.connections:
            for reader in connection.readers:
                if name is None or reader.name is name:
                    reader.serve()

    def _tell_lost(self, name: Stream, last: int) -> None:
        for observer in self.observers:
            observer.lost(name, last)


class MemoryLog:
    """``EventLog`` and ``Requests`` of ``mcs.ports`` over one connection to a broker."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        self.fate: Callable[[Messages], Fate] = lambda _: Fate.DELIVERED
        """Chooses what becomes of each append."""
        self.connected = True
        self.closed = False
        self.breaks = 0
        self.readers: list[MemoryReader] = []
        self.answering: dict[int, tuple[str, Reply]] = {}
        self._numbers = itertools.count()

    def cut(self) -> None:
        """The connection breaks; appends in flight become ``Uncertain``."""
        self.breaks += self.connected
        self.connected = False
        for reader in self.readers:
            reader.connected = False

    def mend(self) -> None:
        """The connection is there again; readers go on where they were."""
        if self.closed:
            return
        self.connected = True
        for reader in self.readers:
            reader.connected = True
            reader.serve()

    async def close(self) -> None:
        """Close for good."""
        self.closed = True
        self.cut()
        self.answering.clear()
        for reader in self.readers:
            await reader.close()
        if self in self.broker.connections:
            self.broker.connections.remove(self)

    async def append(self, messages: Messages, *, expected_last: int | None = None) -> int:
        """See ``mcs.ports.EventLog.append``."""
        check_append(messages, self.broker.most_bytes)
        self._check_connected()
        fate = self.fate(messages)
        if fate is Fate.UNSENT:
            raise Unavailable("not connected")
        await asyncio.sleep(0)
        if fate is Fate.LOST or not self.connected:
            raise Uncertain("no answer")
        last = self.broker.store(messages, expected_last)
        await asyncio.sleep(0)
        if fate is Fate.ANSWER_LOST or not self.connected:
            raise Uncertain("no answer")
        return last

    async def read(self, stream: Stream, *, after: int = 0, subject: str = "") -> MemoryReader:
        """See ``mcs.ports.EventLog.read``."""
        reader = MemoryReader(
            lambda: self.broker.streams.get(stream), name=stream, after=after, subject=subject
        )
        reader.connected = self.connected
        self.readers = [old for old in self.readers if not old.ended]
        self.readers.append(reader)
        reader.serve()
        if self.closed:
            await reader.close()
        return reader

    async def info(self, stream: Stream) -> StreamInfo:
        """See ``mcs.ports.EventLog.info``."""
        found = await self._stream(stream)
        if (hole := found.hole()) is not None:
            raise hole
        return StreamInfo(first=found.first, last=found.last, identity=found.identity)

    async def get(self, stream: Stream, sequence: int) -> Stored | None:
        """See ``mcs.ports.EventLog.get``."""
        return (await self._stream(stream)).get(sequence)

    async def last(self, stream: Stream, subject: str) -> Stored | None:
        """See ``mcs.ports.EventLog.last``."""
        return (await self._stream(stream)).last_on(subject)

    async def ask(self, subject: str, data: bytes = b"", *, timeout_s: float = 2.0) -> bytes:
        """See ``mcs.ports.Requests.ask``."""
        if len(data) > self.broker.most_bytes:
            raise TooLarge(f"{len(data)} bytes exceed the limit")
        self._check_connected()
        await asyncio.sleep(0)
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        answerers = [
            (connection, reply)
            for connection in self.broker.connections
            if connection.connected
            for pattern, reply in connection.answering.values()
            if matches(pattern, subject)
        ]
        if not answerers:
            raise Unavailable(f"nobody listens on {subject}")
        for connection, reply in answerers:
            # An answer is made to its end, whether or not somebody still waits for it.
            task = asyncio.create_task(_answer(connection, reply, subject, data, answered))
            self.broker.tasks.add(task)
            task.add_done_callback(self.broker.tasks.discard)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await answered
        except TimeoutError:
            raise Unavailable(f"no answer on {subject} within {timeout_s:g} s") from None
        self._check_connected()
        return answer

    async def answer(self, subject: str, reply: Reply) -> Callable[[], Awaitable[None]]:
        """See ``mcs.ports.Requests.answer``."""
        self._check_connected()
        number = next(self._numbers)
        self.answering[number] = (subject, reply)

        async def stop() -> None:
            self.answering.pop(number, None)

        return stop

    async def _stream(self, name: Stream) -> MemoryStream:
        self._check_connected()
        await asyncio.sleep(0)
        self._check_connected()
        stream = self.broker.streams.get(name)
        if stream is None:
            raise NoStream(f"there is no stream {name}; `mcs streams apply` makes it")
        return stream

    def _check_connected(self) -> None:
        if not self.connected:
            raise Unavailable("not connected")


async def _answer(
    connection: MemoryLog,
    reply: Reply,
    subject: str,
    data: bytes,
    answered: asyncio.Future[bytes],
) -> None:
    """Answer, if it is the first answer and its connection lasts until then."""
    try:
        answer = await reply(subject, data)
    except Exception as error:  # noqa: BLE001 (whatever it is, the asker is told and we go on)
        if connection.connected and not answered.done():
            text = f"{subject}: the answer failed: {type(error).__name__}"
            answered.set_exception(Unavailable(text))
    else:
        if connection.connected and not answered.done():
            answered.set_result(answer)
