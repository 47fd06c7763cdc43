"""The event log and the requests between members, over NATS.

An append of one message is an awaited publish, of several an atomic batch (ADR-50): the messages go
out at once, only the first and the committing one are answered, and the fence stands on the first.
Nats-py's own JetStream client is not used: its asynchronous publish never tells a refusal, and its
update of a stream resets what is not named. What is sent here is sent once; a caller that gets
``Uncertain`` decides what to do about it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg

from mcs.adapters.appending import check_append
from mcs.adapters.jetstream_answers import Answerer, ask_member
from mcs.adapters.jetstream_api import (
    REFUSED,
    ApiError,
    PubAck,
    append_error,
    decoded,
    hole,
    message,
    sequence_in,
    stream_answer,
)
from mcs.adapters.jetstream_client import PatientClient
from mcs.adapters.jetstream_connection import Connection, Headers
from mcs.adapters.jetstream_login import Login, login_options, shown
from mcs.adapters.jetstream_reader import JetStreamReader
from mcs.errors import BadSettings, LogError, Refused, Unavailable, Uncertain
from mcs.ports import Stored, Stream, StreamInfo

logger = logging.getLogger(__name__)

_EXPECTED_LAST: Final = "Nats-Expected-Last-Sequence"
_PING_S: Final = 10
_RECONNECT_S: Final = 0.5


async def connect(
    url: str,
    *,
    login: Login = Login(),  # noqa: B008 (frozen)
    name: str = "mcs",
    timeout_s: float = 5.0,
    answer_timeout_s: float = 5.0,
) -> JetStream:
    """Connect to NATS at ``url`` (several servers: separated by commas).

    Tries for ``timeout_s`` seconds; once connected, it reconnects for ever. An answer that takes
    longer than ``answer_timeout_s`` is not waited for.

    Raises:
        BadSettings: not a NATS URL, or the server refuses the credentials or the certificate.
        Unavailable: no server answers.
    """
    options, public_key = login_options(login)
    client = PatientClient()
    if public_key:
        client._public_nkey = public_key  # noqa: SLF001 (nats-py sets it only through its nkeys extra)
    connection = Connection(client, shown(url), answer_timeout_s=answer_timeout_s)
    first = _FirstAttempts(connection)
    attempt = asyncio.create_task(
        client.connect(
            servers=[part.strip() for part in url.split(",")],
            name=name,
            error_cb=first.complained,
            disconnected_cb=connection.disconnected,
            reconnected_cb=connection.reconnected,
            max_reconnect_attempts=-1,
            reconnect_time_wait=_RECONNECT_S,  # type: ignore[arg-type]  # it only sleeps that long
            ping_interval=_PING_S,
            pending_size=0,  # nothing is kept while disconnected
            **options,
        )
    )
    await first.wait(attempt, timeout_s)
    await connection.listen()
    return JetStream(connection)


class JetStream:
    """``EventLog`` and ``Requests`` of ``mcs.ports`` over one NATS connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._readers: list[JetStreamReader] = []
        self._answerers: list[Answerer] = []

    @property
    def breaks(self) -> int:
        """See ``mcs.ports.EventLog.breaks``."""
        return self.connection.breaks

    async def append(
        self, messages: Sequence[tuple[str, bytes]], *, expected_last: int | None = None
    ) -> int:
        """See ``mcs.ports.EventLog.append``."""
        stream = check_append(messages, self.connection.most_bytes)
        fence = {} if expected_last is None else {_EXPECTED_LAST: str(expected_last)}
        if len(messages) == 1:
            subject, data = messages[0]
            answer = await self.connection.call(subject, data, headers=fence or None)
            ack = _pub_ack(answer)
        else:
            ack = await self._append_batch(messages, fence)
        if ack.error is not None:
            raise await self._append_error(ack.error, stream, expected_last)
        if ack.stream != stream:
            raise Uncertain(f"stream {ack.stream!r} took what belongs to {stream}")
        return ack.seq

    async def read(self, stream: Stream, *, after: int = 0, subject: str = "") -> JetStreamReader:
        """See ``mcs.ports.EventLog.read``; returns at once, the rest happens behind ``next``."""
        self._readers = [reader for reader in self._readers if not reader.closed]
        reader = JetStreamReader(self.connection, stream, after=after, subject=subject)
        self._readers.append(reader)
        return reader

    async def info(self, stream: Stream) -> StreamInfo:
        """See ``mcs.ports.EventLog.info``."""
        answer = await stream_answer(self.connection, stream)
        if (lost := hole(answer.state, stream)) is not None:
            raise lost
        last = answer.state.last_seq
        first = answer.state.first_seq if last else 1
        return StreamInfo(first=first, last=last, identity=answer.config.identity)

    async def get(self, stream: Stream, sequence: int) -> Stored | None:
        """See ``mcs.ports.EventLog.get``."""
        return await message(self.connection, stream, {"seq": sequence}) if sequence > 0 else None

    async def last(self, stream: Stream, subject: str) -> Stored | None:
        """See ``mcs.ports.EventLog.last``."""
        return await message(self.connection, stream, {"last_by_subj": subject})

    async def ask(self, subject: str, data: bytes = b"", *, timeout_s: float = 2.0) -> bytes:
        """See ``mcs.ports.Requests.ask``."""
        return await ask_member(self.connection, subject, data, timeout_s)

    async def answer(
        self, subject: str, reply: Callable[[str, bytes], Awaitable[bytes]]
    ) -> Callable[[], Awaitable[None]]:
        """See ``mcs.ports.Requests.answer``."""
        answerer = Answerer(self.connection, reply)
        await answerer.start(subject)
        self._answerers.append(answerer)
        return answerer.stop

    async def close(self) -> None:
        """Close readers, answerers and the connection."""
        for reader in self._readers:
            await reader.close()
        for answerer in self._answerers:
            await answerer.stop()
        await self.connection.close()

    async def _append_batch(self, messages: Sequence[tuple[str, bytes]], fence: Headers) -> PubAck:
        batch, last = uuid.uuid4().hex, len(messages)
        with (
            self.connection.expect() as (began, beginning),
            self.connection.expect() as (
                committed,
                commit,
            ),
        ):
            for number, (subject, data) in enumerate(messages, start=1):
                headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
                reply = ""
                if number == 1:
                    headers |= fence
                    reply = began
                elif number == last:
                    headers["Nats-Batch-Commit"] = "1"
                    reply = committed
                # Fails before the commit is sent, or not at all: then nothing is stored.
                await self.connection.publish(subject, data, reply=reply, headers=headers)
            ack = _pub_ack(await self.connection.answer(commit, messages[-1][0]))
            if ack.error is not None and beginning.done():
                first = beginning.result()
                if first is not None and first.data:  # the cause; the commit only met the effect
                    return _pub_ack(first)
            return ack

    async def _append_error(
        self, error: ApiError, stream: Stream, expected_last: int | None
    ) -> LogError:
        if error.err_code not in REFUSED or expected_last is None:
            return append_error(error, stream)
        actual = sequence_in(error)
        if actual is None:
            try:
                actual = (await self.info(stream)).last
            except LogError:
                actual = None  # for information only; the refusal is sure
        return Refused(expected_last, actual)


class _FirstAttempts:
    """Watches the first attempts to connect, which nats-py would repeat for ever."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last: Exception | None = None
        self._hopeless: asyncio.Future[BadSettings] = asyncio.get_running_loop().create_future()

    async def complained(self, error: Exception) -> None:
        """Called by nats-py, now and later."""
        if self._connection.up.is_set() or self._connection.client.is_connected:
            await self._connection.complained(error)
        self._last = error
        url = self._connection.shown_url
        if self._hopeless.done():
            return
        if isinstance(error, ssl.SSLError):
            remedy = f"TLS with {url} fails: {error}; check the CA, certificate and key files"
            self._hopeless.set_result(BadSettings(remedy))
        elif "authorization" in str(error).lower():  # nats-py has no more than the text here
            remedy = f"{url} refuses these credentials; check the credentials file, nkey or user"
            self._hopeless.set_result(BadSettings(remedy))

    async def wait(self, attempt: asyncio.Task[None], timeout_s: float) -> None:
        """Return when connected. Raises BadSettings, Unavailable."""
        waiting: set[asyncio.Future[object]] = {attempt, self._hopeless}  # type: ignore[arg-type]
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        url = self._connection.shown_url
        if attempt.done():
            error = attempt.exception()
            if error is not None:
                raise BadSettings(f"cannot use {url!r} as a NATS URL: {error}") from error
            return
        attempt.cancel()
        await asyncio.wait([attempt])
        await _abandon(self._connection.client)
        if self._hopeless.done():
            raise self._hopeless.result()
        reason = f" ({self._last})" if self._last else ""
        raise Unavailable(
            f"no NATS server answers at {url} within {timeout_s:g} s{reason}; "
            "is it running, and can this machine reach it?"
        )


async def _abandon(client: Client) -> None:
    """Close what an attempt that was given up left open."""
    await client.close()
    transport = client._transport  # noqa: SLF001 (close() leaves it when the attempt hung)
    if transport:
        transport.close()  # type: ignore[no-untyped-call]  # nats-py gives it no types


def _pub_ack(message: Msg) -> PubAck:
    try:
        return decoded(message, PubAck)
    except Unavailable as error:
        raise Uncertain(str(error)) from error
