"""The log of a process through our own adapter for NATS, as in production.

Elsewhere in the simulator (``wires``) a reader gives what its port promises. Here the adapter must
make that true, on a way that loses, doubles and delays single messages in both directions, to a
server that forgets its consumers. It costs several times as much to run, so few plans do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from mcs.adapters.jetstream import JetStream
from mcs.adapters.memory_nats import MemoryNats
from mcs.ports import Stored, Stream, StreamInfo
from mcs.simulation.lives import Life
from mcs.simulation.weather import Weather
from mcs.simulation.wires import ANSWER_S, LATE_S, WiredReader, Witness, whole_stream

SLOW_S: Final = 1.0
"""How late a message may be that is doubled or delayed on the way."""


class AdapterLog:
    """``EventLog`` and ``Requests`` of one process over a connection of its own."""

    def __init__(
        self, life: Life, server: MemoryNats, weather: Weather, witness: Witness, process: str
    ) -> None:
        self.connection = server.client(way=self._way, going=life.alive)
        self.reached = dict.fromkeys(Stream, 0)
        """As of a ``WiredLog``."""
        self._log = JetStream(self.connection.connect(answer_timeout_s=ANSWER_S))
        self._life, self._weather = life, weather
        self._witness, self._process = witness, process

    async def append(
        self, messages: Sequence[tuple[str, bytes]], *, expected_last: int | None = None
    ) -> int:
        """See ``mcs.ports.EventLog.append``."""
        taken = list(messages)
        last = await self._life.do(lambda: self._log.append(taken, expected_last=expected_last))
        name = Stream.DECISIONS if taken[0][0].startswith("mcs.dec.") else Stream.OBSERVATIONS
        self.reached[name] = max(self.reached[name], last)
        self._witness.acknowledged(self._process, name, last, taken)
        return last

    async def read(self, stream: Stream, *, after: int = 0, subject: str = "") -> WiredReader:
        """See ``mcs.ports.EventLog.read``."""
        self._witness.read(self._process, subject or whole_stream(stream))
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
        return await self._life.do(lambda: self._log.info(stream))

    async def get(self, stream: Stream, sequence: int) -> Stored | None:
        """See ``mcs.ports.EventLog.get``."""
        return await self._life.do(lambda: self._log.get(stream, sequence))

    async def last(self, stream: Stream, subject: str) -> Stored | None:
        """See ``mcs.ports.EventLog.last``."""
        self._witness.read(self._process, subject)
        return await self._life.do(lambda: self._log.last(stream, subject))

    async def ask(self, subject: str, data: bytes = b"", *, timeout_s: float = 2.0) -> bytes:
        """See ``mcs.ports.Requests.ask``."""
        self._witness.read(self._process, subject)
        return await self._life.do(lambda: self._log.ask(subject, data, timeout_s=timeout_s))

    async def answer(
        self, subject: str, reply: Callable[[str, bytes], Awaitable[bytes]]
    ) -> Callable[[], Awaitable[None]]:
        """See ``mcs.ports.Requests.answer``."""
        return await self._life.do(lambda: self._log.answer(subject, reply))

    def die(self) -> None:
        """Its process is gone: so is the connection, with everything that hangs on it."""
        self.connection.end()

    def _way(self, subject: str) -> Sequence[float]:
        """What becomes of a message to ``subject``, on its way there or to us."""
        random, weather = self._life.random, self._weather
        happens = random.randrange(100)
        if subject.startswith("mcs.ctl.") and happens < weather.requests:
            return self._doubled() if random.random() < 0.5 else self._lost()
        if subject.startswith(("mcs.obs.", "mcs.dec.")):
            if happens >= weather.appends.get(self._process, 0):
                return (0.0,)
            if random.random() < 0.5:
                return self._lost()
            weather.happened["append late"] += 1
            return (ANSWER_S + random.uniform(0, LATE_S),)
        if happens >= weather.losses.get(self._process, 0):
            return (0.0,)
        return random.choice((self._lost, self._doubled, self._delayed))()

    def _lost(self) -> Sequence[float]:
        self._weather.happened["message lost"] += 1
        return ()

    def _doubled(self) -> Sequence[float]:
        self._weather.happened["message twice"] += 1
        return (0.0, self._life.random.uniform(0, SLOW_S))

    def _delayed(self) -> Sequence[float]:
        self._weather.happened["message late"] += 1
        return (self._life.random.uniform(0, SLOW_S),)
