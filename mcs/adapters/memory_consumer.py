"""A JetStream consumer in memory: pulled from, without acknowledgements (ADR-13, ADR-9).

It numbers what it sends. While a pull is open and nothing comes, it says once in a heartbeat how
far it is; a pull that lasts too long is ended, with what it still wanted; who does not listen any
more is not sent anything, and a consumer of which nobody wants anything is forgotten.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from mcs.adapters.memory_stream import MemoryStream, matches
from mcs.ports import Stored, Stream

if TYPE_CHECKING:  # it has consumers
    from mcs.adapters.memory_nats import MemoryNats

_S: Final = 1_000_000_000
TIMEOUT: Final = {"Status": "408", "Description": "Request Timeout"}
DELETED: Final = {"Status": "409", "Description": "Consumer Deleted"}


class _Pull:
    """A request for messages: how many more, for whom, until when."""

    def __init__(self, request: dict[str, Any], inbox: str, now_s: float) -> None:
        self.left: int = request["batch"]
        self.inbox = inbox
        self.ends_s = now_s + request["expires"] / _S
        self.heartbeat_s: float = request["idle_heartbeat"] / _S


class Consumer:
    """Sends the messages of ``stream`` that ``config`` asks for, as they are pulled."""

    def __init__(
        self,
        stream: MemoryStream,
        name: str,
        config: dict[str, Any],
        *,
        server: MemoryNats,
        forget: Callable[[], None],
    ) -> None:
        self.stream: Stream = stream.name
        self._messages, self._name, self._server, self._forget = stream, name, server, forget
        self._subject: str = config.get("filter_subject", "")
        self._inactive_s: float = config["inactive_threshold"] / _S
        self._next: int = config["opt_start_seq"]
        self._sent = 0
        self._waiting = self._count()
        self._pulls: deque[_Pull] = deque()
        self._loop = asyncio.get_running_loop()
        self._spoke_s = self._loop.time()
        self._timer = self._loop.call_later(self._inactive_s, self._look)

    def pull(self, request: dict[str, Any], inbox: str) -> None:
        """Somebody wants messages."""
        pull = _Pull(request, inbox, self._loop.time())
        self._pulls.append(pull)
        self._again_in(pull.heartbeat_s)
        self._serve()

    def stored(self, message: Stored) -> None:
        """There is one more message."""
        self._waiting += matches(self._subject, message.subject)
        self._serve()

    def trimmed(self) -> None:
        """Some of those that wait may be gone."""
        self._waiting = self._count()

    def end(self) -> None:
        """Be deleted, and say so to who waits."""
        for pull in self._pulls:
            self._server.send(pull.inbox, b"", headers=DELETED)
        self._pulls.clear()
        self._timer.cancel()
        self._forget()

    def _serve(self) -> None:
        while self._pulls and (message := self._take()) is not None:
            pull = self._pulls[0]
            pull.left -= 1
            if not pull.left:
                self._pulls.popleft()
            self._sent += 1
            self._spoke_s = self._loop.time()
            numbers = f"{message.sequence}.{self._sent}.{message.time_ns}.{self._waiting}"
            self._server.send(
                pull.inbox,
                message.data,
                subject=message.subject,
                reply=f"$JS.ACK.{self.stream}.{self._name}.1.{numbers}",
            )

    def _count(self) -> int:
        stream = self._messages
        rest = stream.messages[max(0, self._next - stream.first) :]
        return sum(matches(self._subject, each.subject) for each in rest)

    def _take(self) -> Stored | None:
        """The next message of ours; what was trimmed, or is missing, is passed over."""
        stream = self._messages
        self._next = max(self._next, stream.first)
        while self._next <= stream.last:
            message = stream.get(self._next)
            self._next += 1
            if message is not None and matches(self._subject, message.subject):
                self._waiting -= 1
                return message
        return None

    def _look(self) -> None:
        """End what is over, and say that we live."""
        now_s = self._loop.time()
        if self._pulls and not self._server.interested(self._pulls[0].inbox):
            self._pulls.clear()
        while self._pulls and self._pulls[0].ends_s <= now_s:
            pull = self._pulls.popleft()
            left = {"Nats-Pending-Messages": str(pull.left), "Nats-Pending-Bytes": "0"}
            self._server.send(pull.inbox, b"", headers=TIMEOUT | left)
        if not self._pulls:
            if now_s - self._spoke_s >= self._inactive_s:
                self._forget()
            else:
                self._again_in(self._inactive_s)
            return
        pull = self._pulls[0]
        silent_s = now_s - self._spoke_s
        if silent_s >= pull.heartbeat_s:
            self._spoke_s, silent_s = now_s, 0.0
            place = {
                "Nats-Last-Consumer": str(self._sent),
                "Nats-Last-Stream": str(self._next - 1),
            }
            self._server.send(pull.inbox, b"", headers={"Status": "100"} | place)
        self._again_in(max(pull.heartbeat_s - silent_s, 0.01))  # else the rest might be nothing

    def _again_in(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._look)
