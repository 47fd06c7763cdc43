"""JetStream's API in memory, over the streams of a ``MemoryBroker``: what our adapter asks of it.

Appends (single and atomic batches, ADR-50), STREAM.INFO, STREAM.MSG.GET, and consumers that are
pulled from (ADR-13): they number what they send, say that they live while nothing comes, end pulls
that last too long, and are forgotten when a server restarts. A pull's limit of bytes is not kept.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from mcs.adapters.appending import stream_of
from mcs.adapters.jetstream_api import IDENTITY, MESSAGE_NOT_FOUND, STREAM_NOT_FOUND
from mcs.adapters.memory_consumer import Consumer
from mcs.adapters.memory_log import MemoryBroker
from mcs.adapters.memory_stream import MemoryStream
from mcs.errors import BadSubject, Refused
from mcs.ports import Stored, Stream

if TYPE_CHECKING:  # it has a JetStream
    from mcs.adapters.memory_nats import MemoryNats

Answer = dict[str, Any]

API: Final = "$JS.API."
CONSUMER_NOT_FOUND: Final = 10014
WRONG_LAST: Final = 10071
INCOMPLETE: Final = 10176


class MemoryJetStream:
    """Answers on ``$JS.API`` and stores what is published on the streams' subjects."""

    def __init__(self, broker: MemoryBroker, server: MemoryNats) -> None:
        self._broker, self._server = broker, server
        self.consumers: dict[str, Consumer] = {}
        self._batches: dict[str, tuple[list[tuple[str, bytes]], int | None]] = {}
        broker.observers.append(self)

    def take(self, subject: str, data: bytes, reply: str, headers: Mapping[str, str]) -> bool:
        """A message has arrived; False when it is not JetStream's."""
        if subject.startswith(API):
            answer = self._ask(subject.removeprefix(API).split("."), data, reply)
        elif (stream := self._stream(subject)) is not None:
            answer = self._append(stream, subject, data, headers)
        else:
            return False
        if answer is not None and reply:
            self._server.send(reply, json.dumps(answer).encode() if answer else b"")
        return True

    def forget_consumers(self, name: Stream | None = None) -> None:
        """As after a restart; of one stream only, as when it is deleted."""
        for consumer in list(self.consumers.values()):
            if name is None or consumer.stream is name:
                consumer.end()

    # -- what the broker tells ---------------------------------------------------------------------

    def stored(self, stream: Stream, message: Stored) -> None:
        """See ``memory_log.Observer``."""
        for consumer in list(self.consumers.values()):
            if consumer.stream is stream:
                consumer.stored(message)

    def trimmed(self, stream: Stream, first: int) -> None:  # noqa: ARG002 (they see by themselves)
        """See ``memory_log.Observer``."""
        for consumer in self.consumers.values():
            if consumer.stream is stream:
                consumer.trimmed()

    def lost(self, stream: Stream, last: int) -> None:  # noqa: ARG002 (all look again)
        """See ``memory_log.Observer``."""
        self.forget_consumers(stream)

    # -- appends -----------------------------------------------------------------------------------

    def _stream(self, subject: str) -> MemoryStream | None:
        try:
            return self._broker.streams.get(stream_of(subject))
        except BadSubject:
            return None

    def _append(
        self, stream: MemoryStream, subject: str, data: bytes, headers: Mapping[str, str]
    ) -> Answer:
        fence = headers.get("Nats-Expected-Last-Sequence")
        expected = None if fence is None else int(fence)
        batch = headers.get("Nats-Batch-Id")
        if batch is None:
            return self._store([(subject, data)], expected)
        number = int(headers["Nats-Batch-Sequence"])
        if number == 1:
            if expected not in (None, stream.last):
                return error(WRONG_LAST, f"wrong last sequence: {stream.last}")
            self._batches[batch] = [], expected
        messages, expected = self._batches.get(batch, ([], None))
        if number != len(messages) + 1:
            self._batches.pop(batch, None)
            return error(INCOMPLETE, "batch incomplete")
        messages.append((subject, data))
        if "Nats-Batch-Commit" not in headers:
            return {}
        del self._batches[batch]
        return self._store(messages, expected)

    def _store(self, messages: list[tuple[str, bytes]], expected: int | None) -> Answer:
        try:
            last = self._broker.store(messages, expected)
        except Refused as refused:
            return error(WRONG_LAST, f"wrong last sequence: {refused.actual}")
        return {"stream": stream_of(messages[0][0]), "seq": last}

    # -- questions ---------------------------------------------------------------------------------

    def _ask(self, what: list[str], data: bytes, reply: str) -> Answer | None:
        request: dict[str, Any] = json.loads(data or b"{}")
        match what:
            case ["CONSUMER", "MSG", "NEXT", _, name]:
                if name in self.consumers:
                    self.consumers[name].pull(request, reply)
                return None
            case ["CONSUMER", "DELETE", _, name]:
                if name not in self.consumers:
                    return error(CONSUMER_NOT_FOUND, "consumer not found")
                self.consumers[name].end()
                return {"success": True}
            case ["STREAM", "INFO", name] | ["STREAM", "MSG", "GET", name]:
                stream = self._broker.streams.get(Stream(name))
                if stream is None:
                    return error(STREAM_NOT_FOUND, "stream not found")
                return _info(stream) if what[1] == "INFO" else _message(stream, request)
            case ["CONSUMER", "CREATE", name, consumer, *_]:
                return self._create(Stream(name), consumer, request["config"])
            case _:
                raise NotImplementedError(f"nobody here answers {'.'.join(what)}")

    def _create(self, name: Stream, consumer: str, config: dict[str, Any]) -> Answer:
        stream = self._broker.streams.get(name)
        if stream is None:
            return error(STREAM_NOT_FOUND, "stream not found")

        if consumer in self.consumers:  # asked twice for the same
            return {"name": consumer}

        def forget() -> None:
            self.consumers.pop(consumer, None)

        self.consumers[consumer] = Consumer(
            stream, consumer, config, server=self._server, forget=forget
        )
        return {"name": consumer}


def error(code: int, text: str) -> Answer:
    """An answer that says what went wrong, by its code (nats-server, server/errors.json)."""
    return {"error": {"code": 400, "err_code": code, "description": text}}


def _info(stream: MemoryStream) -> Answer:
    state = {
        "messages": len(stream.messages) - stream.lacks,
        "first_seq": stream.first if stream.last else 0,
        "last_seq": stream.last,
    }
    return {"config": {"metadata": {IDENTITY: stream.identity}}, "state": state}


def _message(stream: MemoryStream, request: Mapping[str, Any]) -> Answer:
    found = (
        stream.last_on(request["last_by_subj"])
        if "last_by_subj" in request
        else stream.get(request["seq"])
    )
    if found is None:
        return error(MESSAGE_NOT_FOUND, "no message found")
    seconds, fraction = divmod(found.time_ns, 1_000_000_000)
    time = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"
    data = base64.b64encode(found.data).decode()
    message = {"subject": found.subject, "seq": found.sequence, "time": time, "data": data}
    return {"message": message}
