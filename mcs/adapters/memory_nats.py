"""A NATS server in memory, as far as our adapter needs one: below ``Connection``, as nats-py is.

So the adapter itself (appends, readers, questions) can be run on a way that loses, doubles and
delays single messages, in virtual time. ``memory_jetstream`` answers for JetStream; here are
subjects, clients, and the way between. What is different from the real thing: one task per client
hands out what arrived, not one per subscription, and there are no queue groups.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from mcs.adapters.jetstream_connection import Connection, Headers
from mcs.adapters.memory_jetstream import MemoryJetStream
from mcs.adapters.memory_log import MemoryBroker
from mcs.adapters.memory_stream import matches

Way = Callable[[str], Sequence[float]]
"""After how many seconds each copy of a message to this subject arrives: none, one, or more."""
Take = Callable[[Msg], Awaitable[None]]
NO_RESPONDERS: Headers = {"Status": "503"}


async def at_once() -> None:
    """Wait for nothing."""


def straight(_subject: str) -> Sequence[float]:
    """A way on which everything arrives, at once."""
    return (0.0,)


class MemoryNats:
    """The server: the streams of ``broker``, and clients."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        self.jetstream = MemoryJetStream(broker, self)
        self.clients: list[MemoryClient] = []
        self._numbers = itertools.count(1)

    def client(
        self, *, way: Way = straight, going: Callable[[], Awaitable[None]] = at_once
    ) -> MemoryClient:
        """Another client, connected. ``going`` is awaited before a message is sent or handed out: a
        process may stand still.
        """
        client = MemoryClient(self, next(self._numbers), way, going)
        self.clients.append(client)
        return client

    def interested(self, subject: str) -> bool:
        """Whether somebody who is connected listens on ``subject``."""
        return any(each.subscribed(subject) for each in self.clients)

    def send(
        self,
        to: str,
        data: bytes,
        *,
        subject: str = "",
        reply: str = "",
        headers: Headers | None = None,
    ) -> bool:
        """Send to who listens on ``to``, under another ``subject`` if one is given; tells whether
        anybody listens.
        """
        heard = False
        for client in list(self.clients):
            for subscription in client.subscribed(to):
                heard = True
                client.arrive(subscription, to, message(subject or to, data, reply, headers))
        return heard

    def take(self, subject: str, data: bytes, reply: str, headers: Headers | None) -> None:
        """What a client sent has arrived."""
        if self.jetstream.take(subject, data, reply, headers or {}):
            return
        if not self.send(subject, data, reply=reply, headers=headers) and reply:
            self.send(reply, b"", headers=NO_RESPONDERS)


class MemorySubscription:
    """What a client listens to."""

    def __init__(self, client: MemoryClient, subject: str, take: Take) -> None:
        self.subject, self.take = subject, take
        self._client = client

    async def unsubscribe(self) -> None:
        """End it."""
        self._client.subscriptions.pop(self, None)


class MemoryClient:
    """What ``Connection`` needs of nats-py's client."""

    def __init__(
        self, server: MemoryNats, number: int, way: Way, going: Callable[[], Awaitable[None]]
    ) -> None:
        self.connected = True
        self.is_closed = False
        self.max_payload = server.broker.most_bytes
        self.subscriptions: dict[MemorySubscription, None] = {}
        self._pending: list[bytes] = []  # nats-py has it; here nothing waits to be sent
        self._pending_data_size = 0
        self._server, self._way, self._going = server, way, going
        self._name, self._numbers = f"_INBOX.{number}", itertools.count(1)
        self._arrived: deque[tuple[MemorySubscription, Msg]] = deque()
        self._news = asyncio.Event()
        self._connection: Connection | None = None
        self._connected = 1  # times; what was on its way in an earlier one does not arrive
        self._tasks: set[asyncio.Task[None]] = set()
        self._handing = asyncio.create_task(self._hand_out())

    @property
    def is_connected(self) -> bool:
        """Whether what is published now is sent."""
        return self.connected

    def connect(self, *, answer_timeout_s: float) -> Connection:
        """The adapter's connection over this client; it is ``up`` in a moment, or when mended."""
        made = Connection(cast(Client, self), "nats://memory", answer_timeout_s=answer_timeout_s)
        self._connection = made
        if self.connected:
            self._run(self._welcome(made, again=False))
        return made

    def new_inbox(self) -> str:
        """A subject of this client alone."""
        return f"{self._name}.{next(self._numbers)}"

    async def publish(
        self, subject: str, data: bytes = b"", reply: str = "", headers: Headers | None = None
    ) -> None:
        """Send. Raises what nats-py raises."""
        await self._going()
        if not self.connected:
            raise nats.errors.ConnectionClosedError
        if len(data) > self.max_payload:
            raise nats.errors.MaxPayloadError
        for delay_s in self._way(subject):
            self._later(delay_s, lambda: self._server.take(subject, data, reply, headers))

    async def subscribe(self, subject: str, *, cb: Take, **_other: object) -> MemorySubscription:
        """Listen; what else nats-py may be told makes no difference here."""
        if not self.connected:
            raise nats.errors.ConnectionClosedError
        subscription = MemorySubscription(self, subject, cb)
        self.subscriptions[subscription] = None
        return subscription

    async def close(self) -> None:
        """Close for good."""
        self.end()

    def end(self) -> None:
        """As ``close``."""
        self.is_closed = True
        self.cut()
        if self in self._server.clients:
            self._server.clients.remove(self)
        self._handing.cancel()

    def subscribed(self, subject: str) -> list[MemorySubscription]:
        """Those that listen on ``subject`` while connected."""
        if not self.connected:
            return []
        return [each for each in self.subscriptions if matches(each.subject, subject)]

    def arrive(self, subscription: MemorySubscription, to: str, message: Msg) -> None:
        """The server sends a message."""
        for delay_s in self._way(to):
            self._later(delay_s, lambda: self._take(subscription, message))

    def cut(self) -> None:
        """The connection breaks, with all that was on its way."""
        if not self.connected:
            return
        self.connected = False
        self._connected += 1
        self._arrived.clear()
        if self._connection is not None:
            self._run(self._connection.disconnected())

    def mend(self) -> None:
        """The connection is there again, with the same subscriptions."""
        if self.connected or self.is_closed:
            return
        self.connected = True
        if self._connection is not None:
            self._run(self._welcome(self._connection, again=True))

    async def _welcome(self, connection: Connection, *, again: bool) -> None:
        if not self.connected:  # cut meanwhile
            return
        if not self.subscriptions:
            await connection.listen()
        if again:
            await connection.reconnected()

    def _take(self, subscription: MemorySubscription, message: Msg) -> None:
        self._arrived.append((subscription, message))
        self._news.set()

    def _later(self, delay_s: float, work: Callable[[], None]) -> None:
        if not delay_s:
            work()
            return
        connection = self._connected

        def arrive() -> None:
            if self._connected == connection:
                work()

        asyncio.get_running_loop().call_later(delay_s, arrive)

    async def _hand_out(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._arrived:
                await self._going()
                if not self._arrived:  # cut meanwhile
                    break
                subscription, message = self._arrived.popleft()
                if subscription in self.subscriptions:
                    await subscription.take(message)

    def _run(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def message(subject: str, data: bytes, reply: str, headers: Headers | None) -> Msg:
    """One of nats-py's messages, of no client."""
    return Msg(cast(Client, None), subject, reply, data, headers)
