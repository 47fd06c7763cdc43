"""A load on a real server: frames of many agents, published as they would, and their pods awaited.

The same process plays the targets, where a bench wants them to answer: a delegate that was decided
is told to be bound at once, so that bookings end as they do in life.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Final

import msgspec

from bench.cases import delegate, tell
from bench.feeding import Feed, chunks, cluster_names, proxy
from bench.shapes import node, shapes
from mcs.adapters.jetstream import JetStream
from mcs.events import subjects
from mcs.events.decisions import PodPlaced
from mcs.events.frames import DecisionFrame
from mcs.events.observations import Phase
from mcs.ports import Stored, Stream

SOURCES: Final = 8
IN_A_FRAME: Final = 64
_HEARTBEAT_S: Final = 5.0
_decisions = msgspec.json.Decoder(DecisionFrame)


class Load:
    """Eight agents, and the reader of what becomes of their pods."""

    def __init__(self, log: JetStream, clusters: int, *, mark: bytes, answers: bool) -> None:
        self.names = cluster_names(clusters)
        self.placed = self.submitted = 0
        self.decided: list[Stored] = []
        self._log, self._mark, self._answers = log, mark, answers
        self._outbox: deque[Stored] = deque()
        self.feed = Feed(self._outbox.append)
        self._shapes = shapes(32)
        self._more = asyncio.Event()

    async def set_up(self, nodes: int) -> None:
        """Clusters join and tell everything, before anybody else writes."""
        for name in self.names:
            self.feed.join(name)
            self.feed.account(name, subjects.CAPACITY, map(node, range(nodes)))
            self.feed.account(name, subjects.PROXY, ())
            if self._answers:
                for source in self.names[:SOURCES]:
                    self.feed.account(name, subjects.delegate_channel(source), ())
        await self.flush()

    async def flush(self) -> None:
        """Send what lies in the outbox, in order."""
        while self._outbox:
            stored = self._outbox.popleft()
            await self._log.append([(stored.subject, stored.data)])

    async def read(self) -> None:
        """Take what is decided, and have the targets answer; for ever."""
        reader = await self._log.read(Stream.DECISIONS)
        while True:
            arrived = await reader.next()
            self.decided += arrived
            self.placed += sum(stored.data.count(self._mark) for stored in arrived)
            if self._answers:
                for stored in arrived:
                    await self._answer(stored)
            self._more.set()

    async def heartbeats(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            self.feed.heartbeats()
            await self.flush()

    async def settled(self, timeout_s: float = 600) -> None:
        """Return when every pod has its place."""
        async with asyncio.timeout(timeout_s):
            while self.placed < self.submitted:
                self._more.clear()
                await self._more.wait()

    def frames(self, pods: int, size: int) -> Iterator[Stored]:
        """Frames of so many pods, sources in turn."""
        for number, part in enumerate(chunks(range(pods), size)):
            told = [
                proxy(self.submitted + at, self._shapes[(self.submitted + at) % 32])
                for at in range(len(part))
            ]
            self.submitted += len(part)
            self.feed.observe(self.names[number % SOURCES], subjects.PROXY, *told)
            yield self._outbox.pop()

    async def pace(self, per_s: int, seconds: float) -> set[str]:
        """One pod to a frame, so many a second; their uids."""
        first = self.submitted
        frames = list(self.frames(round(per_s * seconds), 1))
        began, sending = time.perf_counter(), set()
        for number, stored in enumerate(frames):
            await asyncio.sleep(max(0.0, began + number / per_s - time.perf_counter()))
            task = asyncio.create_task(self._log.append([(stored.subject, stored.data)]))
            sending.add(task)
            task.add_done_callback(sending.discard)
        await asyncio.gather(*sending)
        await self.settled()
        return {proxy(number, self._shapes[0]).uid for number in range(first, self.submitted)}

    async def burst(self, pods: int) -> float:
        """All at once; pods a second, by the server's times."""
        last = (await self._log.info(Stream.OBSERVATIONS)).last
        queues: dict[str, deque[Stored]] = {}
        for stored in list(self.frames(pods, IN_A_FRAME)):
            queues.setdefault(stored.subject, deque()).append(stored)

        async def agent(queue: deque[Stored]) -> None:
            for stored in queue:
                await self._log.append([(stored.subject, stored.data)])

        await asyncio.gather(*map(agent, queues.values()))
        await self.settled()
        first = await self._log.get(Stream.OBSERVATIONS, last + 1)
        assert first is not None
        return pods / ((self.decided[-1].time_ns - first.time_ns) / 1e9)

    async def _answer(self, stored: Stored) -> None:
        placed = [e for e in _decisions.decode(stored.data).events if isinstance(e, PodPlaced)]
        tell(self.feed, placed, partial(delegate, phase=Phase.RUNNING, bound=True))
        await self.flush()
