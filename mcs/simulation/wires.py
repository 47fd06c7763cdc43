"""NATS and the clock as a process reaches them: slow, unreliable, and dead with the process. (Its
cluster's API server: ``cluster_wires``.)

Behind the wires are the in-memory adapters, which do what the contracts say; the wires add what may
happen between a process and them. Nothing here knows what a message or an object means.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Protocol, TypeVar

from mcs.adapters.appending import stream_of
from mcs.adapters.memory_log import MemoryBroker
from mcs.adapters.memory_registry import Request
from mcs.adapters.memory_snapshots import MemorySnapshots
from mcs.errors import LogLost, Unavailable, Uncertain
from mcs.ports import Clock, EventLog, Reader, Stored, Stream, StreamInfo
from mcs.simulation.lives import Life
from mcs.simulation.weather import Weather

R = TypeVar("R")

ANSWER_S: Final = 2.0
"""How long a process waits for the answer to an append."""

LATE_S: Final = 6.0
"""How long after that an append may still arrive, at most."""

SECOND_LOOK_S: Final = 0.5
"""How long after a reader found its log to be lost it says so: the adapter looks again first."""


class Witness(Protocol):
    """Who is told what processes do; the checkers are one."""

    def act(self, process: str, cluster: str, request: Request) -> None:
        """An API server carried out a write."""

    def read(self, process: str, subject: str) -> None:
        """A process reads, or asks on, a subject."""

    def acknowledged(
        self, process: str, stream: Stream, sequence: int, messages: Sequence[tuple[str, bytes]]
    ) -> None:
        """A process got the answer to an append; ``sequence`` is that of the last message."""

    def wrote_over_loss(self, process: str, stream: Stream, sequence: int) -> None:
        """A process appended to a log that no longer held what it knew."""


class WiredClock:
    """A process' own clock: its wall clock may be wrong, and it stands still with its process."""

    def __init__(self, life: Life, clock: Clock, skew_s: float) -> None:
        self._life, self._clock, self._skew_s = life, clock, skew_s

    def now(self) -> float:
        """See ``mcs.ports.Clock.now``."""
        return self._clock.now() + self._skew_s

    def monotonic(self) -> float:
        """See ``mcs.ports.Clock.monotonic``."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See ``mcs.ports.Clock.sleep``."""
        await self._clock.sleep(seconds)
        await self._life.alive()


class Connected(Protocol):
    """A connection to NATS, which may break."""

    connected: bool

    def cut(self) -> None:
        """It breaks."""

    def mend(self) -> None:
        """It is there again."""


class ProcessLog(ABC):
    """``EventLog`` and ``Requests`` of one process over a ``connection`` of its own; it reads by
    ``log``.
    """

    def __init__(
        self,
        life: Life,
        connection: Connected,
        log: EventLog,
        weather: Weather,
        *,
        witness: Witness,
        process: str,
    ) -> None:
        self.connection = connection
        self.reached = dict.fromkeys(Stream, 0)
        """The last sequence of each stream that its process has read, or was told to have written.
        """
        self.told = dict.fromkeys(Stream, 0)
        """The last sequence of each that its process was told to have written."""
        self.bereft = False
        """The log has lost what its process knew: that may append nothing to it."""
        self._life, self._log, self._weather = life, log, weather
        self._witness, self._process = witness, process

    @property
    def breaks(self) -> int:
        """See ``mcs.ports.EventLog.breaks``."""
        return self._log.breaks

    async def append(
        self, messages: Sequence[tuple[str, bytes]], *, expected_last: int | None = None
    ) -> int:
        """See ``mcs.ports.EventLog.append``."""
        taken, bereft = list(messages), self.bereft
        last = await self._store(taken, expected_last)
        name = stream_of(taken[0][0])
        if bereft:
            self._witness.wrote_over_loss(self._process, name, last)
        self.reached[name] = max(self.reached[name], last)
        self.told[name] = max(self.told[name], last)
        self._witness.acknowledged(self._process, name, last, taken)
        return last

    async def read(self, stream: Stream, *, after: int = 0, subject: str = "") -> WiredReader:
        """See ``mcs.ports.EventLog.read``."""
        self._witness.read(self._process, subject or _whole(stream))
        await self._life.alive()
        reader = await self._log.read(stream, after=after, subject=subject)
        return WiredReader(
            self._life,
            reader,
            self._weather,
            stream=stream,
            process=self._process,
            reached=self.reached,
        )

    async def info(self, stream: Stream) -> StreamInfo:
        """See ``mcs.ports.EventLog.info``."""
        return await self._do(lambda: self._log.info(stream))

    async def get(self, stream: Stream, sequence: int) -> Stored | None:
        """See ``mcs.ports.EventLog.get``."""
        return await self._do(lambda: self._log.get(stream, sequence))

    async def last(self, stream: Stream, subject: str) -> Stored | None:
        """See ``mcs.ports.EventLog.last``."""
        self._witness.read(self._process, subject)
        return await self._do(lambda: self._log.last(stream, subject))

    @abstractmethod
    async def ask(self, subject: str, data: bytes = b"", *, timeout_s: float = 2.0) -> bytes:
        """See ``mcs.ports.Requests.ask``."""

    @abstractmethod
    async def answer(
        self, subject: str, reply: Callable[[str, bytes], Awaitable[bytes]]
    ) -> Callable[[], Awaitable[None]]:
        """See ``mcs.ports.Requests.answer``."""

    @abstractmethod
    def die(self) -> None:
        """Its process is gone: so is the connection, with everything that hangs on it."""

    @abstractmethod
    async def _store(self, taken: list[tuple[str, bytes]], expected_last: int | None) -> int:
        """Append."""

    @abstractmethod
    async def _do(self, work: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """Have something done that takes a way to NATS and back."""


class WiredLog(ProcessLog):
    """On the log in memory; what becomes of appends and questions is decided here."""

    def __init__(
        self, life: Life, broker: MemoryBroker, weather: Weather, witness: Witness, process: str
    ) -> None:
        self._memory, self._broker = broker.connect(), broker
        super().__init__(
            life, self._memory, self._memory, weather, witness=witness, process=process
        )

    async def _store(self, taken: list[tuple[str, bytes]], expected_last: int | None) -> int:
        random, rate = self._life.random, self._weather.appends.get(self._process, 0)
        fate = random.randrange(4) if rate and random.randrange(100) < rate else 4
        if not self._memory.connected or fate == 0:
            await self._life.alive()
            await asyncio.sleep(self._life.hop())
            await self._life.alive()
            raise Unavailable("not connected")

        async def store() -> int:
            if not self._memory.connected and random.random() < 0.5:
                raise Uncertain("the connection broke")  # and what was on its way with it
            if fate in (1, 3):
                self._weather.happened[("", "append lost", "", "append late")[fate]] += 1
                await asyncio.sleep(ANSWER_S)
                if fate == 1:
                    raise Uncertain("no answer")
                late_s = random.uniform(0, LATE_S)
                asyncio.get_running_loop().call_later(
                    late_s, self._store_late, taken, expected_last
                )
                raise Uncertain("no answer")
            last = self._broker.store(taken, expected_last)
            if fate == 2:
                self._weather.happened["append unanswered"] += 1
                await asyncio.sleep(ANSWER_S)
            if fate == 2 or not self._memory.connected:
                raise Uncertain("no answer")
            return last

        return await self._life.ask(store)

    async def _do(self, work: Callable[[], Coroutine[Any, Any, R]]) -> R:
        return await self._life.ask(work)

    async def ask(self, subject: str, data: bytes = b"", *, timeout_s: float = 2.0) -> bytes:
        """See ``mcs.ports.Requests.ask``."""
        random, rate = self._life.random, self._weather.requests
        fate = random.randrange(2) if rate and random.randrange(100) < rate else 2
        self._witness.read(self._process, subject)

        async def put() -> bytes:
            if fate == 0:
                self._weather.happened["request lost"] += 1
                await asyncio.sleep(timeout_s)
                raise Unavailable("no answer")
            if fate == 1:
                self._weather.happened["request twice"] += 1
                await self._memory.ask(subject, data, timeout_s=timeout_s)
            return await self._memory.ask(subject, data, timeout_s=timeout_s)

        return await self._life.ask(put)

    async def answer(
        self, subject: str, reply: Callable[[str, bytes], Awaitable[bytes]]
    ) -> Callable[[], Awaitable[None]]:
        """See ``mcs.ports.Requests.answer``."""
        await self._life.alive()

        async def living(asked: str, data: bytes) -> bytes:
            await self._life.alive()
            return await reply(asked, data)

        return await self._memory.answer(subject, living)

    def die(self) -> None:
        """Its process is gone: so is the connection, with everything that hangs on it."""
        connection = self._memory
        connection.closed = True
        connection.cut()
        connection.answering.clear()
        if connection in self._broker.connections:
            self._broker.connections.remove(connection)

    def _store_late(self, messages: list[tuple[str, bytes]], expected_last: int | None) -> None:
        try:
            self._broker.store(messages, expected_last)
        except Exception:  # noqa: BLE001 (refused, or the stream is gone: nobody waits for it)
            self._weather.happened["append late, refused"] += 1


class WiredSnapshots:
    """``ports.Snapshots`` of one scheduler, on the connection of its log."""

    def __init__(
        self, life: Life, connection: Connected, bucket: dict[str, bytes], weather: Weather
    ) -> None:
        self._life, self._connection, self._weather = life, connection, weather
        self._snapshots = MemorySnapshots(bucket)

    async def names(self) -> list[str]:
        """See ``mcs.ports.Snapshots.names``."""
        return await self._life.ask(lambda: self._connected(self._snapshots.names))

    async def load(self, name: str) -> bytes:
        """See ``mcs.ports.Snapshots.load``."""
        return await self._life.ask(lambda: self._connected(lambda: self._snapshots.load(name)))

    async def save(self, name: str, data: bytes) -> None:
        """See ``mcs.ports.Snapshots.save``; what is kept may be damaged, though rarely."""
        random = self._life.random
        if random.randrange(20) == 0:
            self._weather.happened["snapshot damaged"] += 1
            at = random.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        await self._life.ask(lambda: self._connected(lambda: self._snapshots.save(name, data)))

    async def delete(self, name: str) -> None:
        """See ``mcs.ports.Snapshots.delete``."""
        await self._life.ask(lambda: self._connected(lambda: self._snapshots.delete(name)))

    async def _connected(self, work: Callable[[], Coroutine[Any, Any, R]]) -> R:
        if not self._connection.connected:
            raise Unavailable("not connected")
        return await work()


class WiredReader:
    """See ``mcs.ports.Reader``."""

    def __init__(
        self,
        life: Life,
        reader: Reader,
        weather: Weather,
        *,
        stream: Stream,
        process: str,
        reached: dict[Stream, int],
    ) -> None:
        self._life, self._reader, self._weather = life, reader, weather
        self._stream, self._process, self._reached = stream, process, reached

    async def next(self, *, limit: int = 1000, timeout_s: float | None = None) -> list[Stored]:
        """See ``mcs.ports.Reader.next``."""
        await self._life.alive()
        slow_s = self._weather.delivery_s.get(self._process, 0.0)
        delay_s = self._life.random.uniform(0, slow_s) if slow_s else 0.0
        # What is delayed has not been taken yet: a wait that is given up loses nothing.
        await asyncio.sleep(delay_s + self._life.hop())
        try:
            found = await self._reader.next(limit=limit, timeout_s=timeout_s)
        except LogLost:
            await asyncio.sleep(SECOND_LOOK_S)
            raise
        finally:
            await self._life.alive()
        if found:
            reached = max(self._reached[self._stream], found[-1].sequence)
            self._reached[self._stream] = reached
        return found

    async def close(self) -> None:
        """See ``mcs.ports.Reader.close``."""
        await self._reader.close()


def _whole(stream: Stream) -> str:
    """The subject of all messages of a stream."""
    return "mcs.dec.>" if stream is Stream.DECISIONS else "mcs.obs.>"
