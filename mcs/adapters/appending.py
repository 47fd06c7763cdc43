"""What both logs check of an append before anything is sent, so that they refuse the same things.

DECISIONS takes several messages at once (a cycle), OBSERVATIONS one at a time (a frame): only the
scheduler needs batches, and an agent that could open them could use up the server's limit of fifty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mcs.errors import BadSubject, TooLarge
from mcs.ports import Stream

MOST_MESSAGES: Final = 1000
"""Messages in one atomic batch (the server's limit, ADR-50)."""

MOST_BYTES: Final = 1024 * 1024
"""Bytes of one message in the streams, headers included (nats-server's default max_payload)."""

HEADER_ROOM: Final = 512
"""Bytes kept free for our headers: the server counts them in its limits."""

_PREFIXES: Final = {"mcs.obs.": Stream.OBSERVATIONS, "mcs.dec.": Stream.DECISIONS}


def check_append(messages: Sequence[tuple[str, bytes]], most_bytes: int = MOST_BYTES) -> Stream:
    """The stream that ``messages`` belong to.

    Raises:
        BadSubject: a subject of neither stream, or of two, or with wildcards.
        TooLarge: too many messages, or one of more than ``most_bytes`` minus ``HEADER_ROOM``.
    """
    if not messages:
        raise ValueError("an append needs a message")
    streams = {stream_of(subject) for subject, _ in messages}
    if len(streams) > 1:
        raise BadSubject("an append goes to one stream, not to two")
    stream = streams.pop()
    most = MOST_MESSAGES if stream is Stream.DECISIONS else 1
    if len(messages) > most:
        raise TooLarge(f"{stream} takes {most} messages at once, not {len(messages)}")
    for subject, data in messages:
        if len(data) > most_bytes - HEADER_ROOM:
            limit = most_bytes - HEADER_ROOM
            raise TooLarge(f"{len(data)} bytes for {subject}; the server takes {limit}")
    return stream


def stream_of(subject: str) -> Stream:
    """The stream that a message's subject belongs to. Raises BadSubject."""
    tokens = subject.split(".")
    stream = _PREFIXES.get(subject[:8])
    if stream is None or not all(tokens) or "*" in tokens or ">" in tokens or " " in subject:
        raise BadSubject(f"{subject!r} is not a subject of the two logs")
    return stream
