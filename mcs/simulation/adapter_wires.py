"""The log of a process through our own adapter for NATS, as in production.

Elsewhere in the simulator (``wires``) a reader gives what its port promises. Here the adapter must
make that true, on a way that loses, doubles and delays single messages in both directions, to a
server that forgets its consumers. It costs several times as much to run, so few plans do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from mcs.adapters.jetstream import JetStream
from mcs.adapters.memory_nats import MemoryNats
from mcs.simulation.lives import Life
from mcs.simulation.weather import Weather
from mcs.simulation.wires import ANSWER_S, LATE_S, ProcessLog, Witness

R = TypeVar("R")

SLOW_S: Final = 1.0
"""How late a message may be that is doubled or delayed on the way."""


class AdapterLog(ProcessLog):
    """Over the adapter; what becomes of single messages is decided here."""

    def __init__(
        self, life: Life, server: MemoryNats, weather: Weather, witness: Witness, process: str
    ) -> None:
        self._client = server.client(way=self._way, going=life.alive)
        self._adapter = JetStream(self._client.connect(answer_timeout_s=ANSWER_S))
        super().__init__(
            life, self._client, self._adapter, weather, witness=witness, process=process
        )

    async def _store(self, taken: list[tuple[str, bytes]], expected_last: int | None) -> int:
        return await self._do(lambda: self._adapter.append(taken, expected_last=expected_last))

    async def _do(self, work: Callable[[], Coroutine[Any, Any, R]]) -> R:
        return await self._life.do(work)

    async def ask(self, subject: str, data: bytes = b"", *, timeout_s: float = 2.0) -> bytes:
        """See ``mcs.ports.Requests.ask``."""
        self._witness.read(self._process, subject)
        return await self._do(lambda: self._adapter.ask(subject, data, timeout_s=timeout_s))

    async def answer(
        self, subject: str, reply: Callable[[str, bytes], Awaitable[bytes]]
    ) -> Callable[[], Awaitable[None]]:
        """See ``mcs.ports.Requests.answer``."""
        return await self._do(lambda: self._adapter.answer(subject, reply))

    def die(self) -> None:
        """Its process is gone: so is the connection, with everything that hangs on it."""
        self._client.end()

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
