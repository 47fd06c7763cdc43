"""JetStream's JSON API: the answers as structs, and its error codes as our errors.

Errors are told apart by their code, never by their text. The codes below that mean "not stored" are
those the server sends before it proposes or stores anything; every other error of an append is
``Uncertain``, since on three replicas a failed store may have succeeded elsewhere.
Source: nats-server, server/errors.json.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeVar

import msgspec
from nats.aio.msg import Msg

from mcs.adapters.jetstream_connection import Connection
from mcs.errors import LogError, LogLost, NoStream, TooLarge, Unavailable, Uncertain
from mcs.ports import Stored, Stream

IDENTITY: Final = "mcs.identity"
"""Key of a stream's identity in its metadata."""

REMEDY: Final = "the log lost acknowledged messages; restore NATS from its backup"
"""What a finding of loss ends with."""

STREAM_NOT_FOUND: Final = 10059
MESSAGE_NOT_FOUND: Final = 10037
NOT_ENABLED: Final = frozenset({10076, 10039})
REFUSED: Final = frozenset(
    {
        10071,  # wrong last sequence: {seq}
        10164,  # wrong last sequence, while another one with the same expectation is in flight
        10201,  # an earlier copy of the batch is stored
    }
)
_TOO_LARGE: Final = frozenset({10054, 10097, 10199})
_ATOMIC_DISABLED: Final = 10174
_NOT_STORED: Final = frozenset(
    {
        10002,  # resource limits exceeded for account
        10023,  # insufficient resources
        10028,  # insufficient memory resources
        10039,  # JetStream not enabled for account
        10047,  # insufficient storage resources
        10076,  # JetStream not enabled
        10109,  # sealed stream
        10175,  # batch sequence missing
        10176,  # batch incomplete
        10177,  # unsupported header in a batch
        10179,  # invalid batch id
        10200,  # invalid batch commit
        10210,  # too many batches in flight
    }
)

T = TypeVar("T", bound="Answer")


class ApiError(msgspec.Struct, frozen=True):
    """What JetStream says went wrong."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class Answer(msgspec.Struct, frozen=True):
    """Any answer of the API."""

    error: ApiError | None = None


class PubAck(Answer, frozen=True):
    """The answer to an append."""

    stream: str = ""
    seq: int = 0


class StreamState(msgspec.Struct, frozen=True):
    """What a stream holds."""

    messages: int = 0
    first_seq: int = 0
    last_seq: int = 0


class StreamConfig(msgspec.Struct, frozen=True):
    """The part of a stream's configuration that readers need."""

    metadata: dict[str, str] = {}

    @property
    def identity(self) -> str:
        """The random id made with the stream; empty for a stream that is not ours."""
        return self.metadata.get(IDENTITY, "")


class StreamAnswer(Answer, frozen=True):
    """The answer to STREAM.INFO."""

    config: StreamConfig = StreamConfig()
    state: StreamState = StreamState()


class RawMessage(msgspec.Struct, frozen=True):
    """A message in the answer to STREAM.MSG.GET."""

    subject: str
    seq: int
    time: str
    data: str = ""


class MessageAnswer(Answer, frozen=True):
    """The answer to STREAM.MSG.GET."""

    message: RawMessage | None = None


def decoded(message: Msg, type: type[T]) -> T:
    """An API answer as a struct. Raises Unavailable when it is none."""
    try:
        return msgspec.json.decode(message.data, type=type)
    except msgspec.DecodeError as error:
        raise Unavailable(f"not an answer of JetStream: {message.data[:200]!r}") from error


async def ask(connection: Connection, what: str, type: type[T], request: object = None) -> T:
    """Ask the API on ``$JS.API.<what>``; errors in the answer are left to the caller.

    Raises:
        Unavailable: no answer (asking changes nothing, so uncertainty does not matter).
    """
    data = b"" if request is None else msgspec.json.encode(request)
    try:
        return decoded(await connection.call(f"$JS.API.{what}", data), type)
    except Uncertain as error:
        raise Unavailable(str(error)) from error


async def stream_answer(connection: Connection, stream: Stream) -> StreamAnswer:
    """STREAM.INFO, answered by the stream's leader. Raises LogLost, Unavailable."""
    answer = await ask(connection, f"STREAM.INFO.{stream}", StreamAnswer)
    if answer.error is not None:
        raise reading_error(answer.error, stream)
    return answer


def hole(state: StreamState, stream: Stream) -> LogLost | None:
    """What is wrong with a stream that has fewer messages than sequences.

    Nobody deletes messages but at a stream's beginning. A server whose files were damaged while it
    was stopped may count what it misses (seen of 2.15: a block cut short after an orderly stop).
    """
    missing = state.last_seq + 1 - state.first_seq - state.messages
    if not state.last_seq or missing <= 0:
        return None
    return LogLost(
        f"{stream} counts from {state.first_seq} to {state.last_seq}, but {missing} of these "
        f"messages are not in it; {REMEDY}"
    )


async def message(
    connection: Connection, stream: Stream, request: Mapping[str, object]
) -> Stored | None:
    """STREAM.MSG.GET, answered by the stream's leader; None: there is no such message.

    Raises:
        LogLost: there is no such stream.
        Unavailable: no answer.
    """
    answer = await ask(connection, f"STREAM.MSG.GET.{stream}", MessageAnswer, request)
    if answer.error is not None:
        if answer.error.err_code == MESSAGE_NOT_FOUND:
            return None
        raise reading_error(answer.error, stream)
    if answer.message is None:
        raise Unavailable(f"{stream}: an answer without a message")
    return stored(answer.message)


def reading_error(error: ApiError, stream: Stream) -> LogError:
    """What an error means to somebody who reads."""
    if error.err_code == STREAM_NOT_FOUND:
        return NoStream(f"there is no stream {stream}; `mcs streams apply` makes it")
    return Unavailable(f"{stream}: {error.description} ({error.err_code})")


def append_error(error: ApiError, stream: Stream) -> LogError:
    """What an error means to somebody who appends; codes in ``REFUSED`` are the caller's."""
    text = f"{stream}: {error.description} ({error.err_code})"
    if error.err_code in _TOO_LARGE:
        return TooLarge(text)
    if error.err_code == _ATOMIC_DISABLED:
        return Unavailable(f"{text}; `mcs streams apply --change` allows it")
    if error.err_code in _NOT_STORED:
        return Unavailable(text)
    return Uncertain(text)


def sequence_in(error: ApiError) -> int | None:
    """The actual last sequence that a refusal (10071) carries at its end, for information."""
    found = re.search(r"(\d+)$", error.description)
    return int(found[1]) if found else None


def stored(raw: RawMessage) -> Stored:
    """A message of the API as ours."""
    data = base64.b64decode(raw.data)
    return Stored(sequence=raw.seq, subject=raw.subject, time_ns=time_ns(raw.time), data=data)


def time_ns(text: str) -> int:
    """RFC 3339 with up to nine fractional digits, as nanoseconds since 1970."""
    found = re.fullmatch(r"([^.]+?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", text)
    if found is None:
        raise ValueError(f"{text!r} is not a time")
    seconds = int(datetime.fromisoformat(found[1] + found[3]).timestamp())
    return seconds * 1_000_000_000 + int((found[2] or "").ljust(9, "0"))
