"""One life of a consumer: messages pulled by hand, each proved to be the next one.

``fetch`` and ``async for`` of nats-py read 30 k messages a second, its push consumers lose messages
for good when a queue fills. So here: a core subscription whose callback takes each message, and
pull requests sent by hand, of which several are outstanding, as many messages as there is room for.

What is lost on the way shows: the consumer numbers what it delivers without gaps (also in idle
heartbeats, once a second), and the stream's own sequences are dense when nothing is filtered. A
consumer that misbehaves, vanishes or falls silent is *broken*: nothing more is taken from it, and
the reader makes another one from its own position. So no error here needs more than a word.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from mcs.adapters.jetstream_api import Answer, ask, reading_error
from mcs.adapters.jetstream_connection import Connection
from mcs.adapters.jetstream_pulls import Pulls
from mcs.errors import Unavailable
from mcs.ports import Stored, Stream

WINDOW: Final = 3000
"""Messages asked for and not yet taken by the reader's owner."""
HEARTBEAT_S: Final = 1.0
"""How often a silent consumer says that it lives."""
_PULL: Final = WINDOW // 3
_PULL_BYTES: Final = 4 * 1024 * 1024
"""Bytes of one pull: three pulls of a few readers must stay below the 64 MiB that a server keeps
for a connection before it cuts it as a slow consumer.
"""
_HELD_BYTES: Final = 8 * 1024 * 1024
"""Bytes that may wait to be taken before more is asked for."""
_PULL_S: Final = 60.0
_INACTIVE_S: Final = 60.0
_NS: Final = 1_000_000_000


class Delivery:
    """A consumer and what it delivered; used once, thrown away when ``broken``."""

    def __init__(
        self,
        connection: Connection,
        stream: Stream,
        subject: str,
        *,
        after: int,
        floor: int,
        take: Callable[[Stored], None],
        on_news: Callable[[], None],
    ) -> None:
        self.position = after
        """All matching messages up to this sequence were taken."""
        self.broken = ""
        """Why nothing more comes from here; empty while it works."""
        self.gap = False
        """Broken because the stream's sequences jumped."""
        self.heard = 0
        """Counts messages of any kind, so that silence can be told."""
        self.pulls = Pulls()
        self.waiting = 1
        """Messages that waited in the stream when the last one was sent."""
        self.counted = 0
        """The last sequence of a stream that counts messages which it misses; else 0."""
        self.floor = floor
        """What lies up to here is known to be whole; beyond it a trim may have removed some unseen,
        if the reader is ``behind``, so that messages waited in the stream.
        """
        self.behind = True
        self.looking = False
        """Whether somebody asks where the stream begins: what comes meanwhile proves nothing."""
        self._connection = connection
        self._stream = stream
        self._subject = subject
        self._take = take
        self._on_news = on_news
        self._delivered = 0
        self._name = f"mcs-{uuid.uuid4().hex}"
        self._inbox = ""
        self._subscription: Subscription | None = None

    async def open(self) -> None:
        """Create the consumer; nothing comes before the first ``pull``. Raises LogError."""
        self._inbox = self._connection.client.new_inbox()
        self._subscription = await self._connection.subscribe(self._inbox, self._arrived)
        config: dict[str, object] = {
            "name": self._name,
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self.position + 1,
            "replay_policy": "instant",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(_INACTIVE_S * _NS),
        }
        what = f"CONSUMER.CREATE.{self._stream}.{self._name}"
        if self._subject:
            config["filter_subject"] = self._subject
            what = f"{what}.{self._subject}"
        request = {"stream_name": self._stream, "config": config, "action": "create"}
        answer = await ask(self._connection, what, Answer, request)
        if answer.error is not None:
            raise reading_error(answer.error, self._stream)

    async def pull(self, held: int, held_bytes: int) -> None:
        """Ask for more when there is room beside the ``held`` messages that wait to be taken."""
        room = WINDOW - held - self.pulls.open
        if self.broken or room < min(_PULL, WINDOW - held) or held_bytes > _HELD_BYTES:
            return
        most_bytes = max(_PULL_BYTES, 2 * self._connection.most_bytes)
        while room > 0 and not self.broken:
            batch = min(room, _PULL)
            room -= batch
            self.pulls.send(batch)
            request = {
                "batch": batch,
                "max_bytes": most_bytes,
                "expires": int(_PULL_S * _NS),
                "idle_heartbeat": int(HEARTBEAT_S * _NS),
            }
            try:
                await self._connection.publish(
                    f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}",
                    msgspec.json.encode(request),
                    reply=self._inbox,
                )
            except Unavailable as error:
                self.stop(str(error))

    def stop(self, why: str) -> None:
        """Take nothing more from here."""
        if not self.broken:
            self.broken = why
            self._on_news()

    async def close(self) -> None:
        """Stop, and remove what can be removed; the server forgets the rest by itself."""
        self.stop("closed")
        if self._subscription is None:
            return
        await self._connection.unsubscribe(self._subscription)
        with suppress(Unavailable):
            await self._connection.publish(
                f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._name}", b""
            )

    @property
    def caught_up(self) -> bool:
        """Whether nothing waits in the stream, and what comes will surely be sent at once."""
        return self.waiting == 0 and self.pulls.arrived > 0

    async def _arrived(self, message: Msg) -> None:
        if self.broken:
            return
        self.heard += 1
        parts = message.reply.split(".")
        if len(parts) < 9 or parts[1] != "ACK":
            self._status(message.headers or {})
            return
        # $JS.ACK.<stream>.<consumer>.<count>.<stream seq>.<consumer seq>.<time>.<pending>, or
        # with <domain>.<account> before the stream.
        at = 5 if len(parts) == 9 else 7
        sequence, number, time_ns, self.waiting = map(int, parts[at : at + 4])
        if number != self._delivered + 1 or sequence <= self.position:
            self.stop(f"message {number} of the consumer came after {self._delivered}")
            return
        if not self._subject and sequence != self.position + 1:
            self.gap = True
            self.stop(f"sequence {sequence} came after {self.position}")
            return
        self._delivered = number
        self.position = sequence
        self.pulls.take()
        self.behind = self.behind or not self.caught_up
        self._keep_floor()
        self._take(Stored(sequence, message.subject, time_ns, message.data))

    def _status(self, headers: dict[str, str]) -> None:
        match headers.get("Status"):
            case "100":
                self.pulls.hear()
                self._heartbeat(headers)
            case "404" | "408" | "409" if "Nats-Pending-Messages" in headers:
                self.pulls.take(int(headers["Nats-Pending-Messages"]))  # this pull is over
                self._on_news()  # the reader's keeper pulls again
            case status:
                self.stop(f"{status} {headers.get('Description', '')}")

    def _heartbeat(self, headers: dict[str, str]) -> None:
        if int(headers.get("Nats-Last-Consumer", self._delivered)) != self._delivered:
            self.stop("a heartbeat names a message that did not come")
            return
        last = int(headers.get("Nats-Last-Stream", self.position))
        if self._subject:  # nothing on our subject up to there
            self.position = max(self.position, last)
            self._keep_floor()
        elif max(last, self.counted) > self.position:
            self.gap = True
            self.stop(f"a heartbeat names sequence {last}, after {self.position}")

    def _keep_floor(self) -> None:
        if not self.behind and not self.looking:
            self.floor = self.position
