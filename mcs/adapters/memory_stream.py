"""A stream in memory, as a JetStream server keeps it, and readers of it.

Readers are served as a server serves them: what is stored goes at once to every reader that has
room, so what was sent before a trim is still read after it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from mcs.errors import LogError, LogLost, NoStream, Unavailable
from mcs.ports import Stored, Stream

WINDOW: Final = 3000
"""Messages sent to a reader and not yet taken by its owner."""


_REMEDY: Final = "the log lost acknowledged messages; restore NATS from its backup"


class MemoryStream:
    """Messages with dense sequences; trimmed at its beginning only. ``missing``: sequences whose
    messages a damaged server does not find any more, although it counts them.
    """

    def __init__(self, name: Stream, identity: str) -> None:
        self.name = name
        self.identity = identity
        self.first = 1
        self.messages: list[Stored] = []
        self.missing: set[int] = set()

    @property
    def last(self) -> int:
        """Sequence of the last message ever stored (0: none)."""
        return self.first + len(self.messages) - 1

    def add(self, subject: str, data: bytes, time_ns: int) -> int:
        """Store a message and return its sequence; time never goes back."""
        if self.messages:
            time_ns = max(time_ns, self.messages[-1].time_ns)
        self.messages.append(Stored(self.last + 1, subject, time_ns, bytes(data)))
        return self.last

    def get(self, sequence: int) -> Stored | None:
        """One message, or None."""
        if not self.first <= sequence <= self.last or sequence in self.missing:
            return None
        return self.messages[sequence - self.first]

    def last_on(self, subject: str) -> Stored | None:
        """The last message on a subject (wildcards allowed), or None."""
        there = (each for each in reversed(self.messages) if each.sequence not in self.missing)
        return next((each for each in there if matches(subject, each.subject)), None)

    def trim(self, first: int) -> None:
        """Remove what lies before ``first``."""
        count = max(0, min(first, self.last + 1) - self.first)
        del self.messages[:count]
        self.first += count

    def lose_tail(self, last: int) -> None:
        """Forget what lies after ``last``, as a power failure before the sync to disk does."""
        del self.messages[max(0, last - self.first + 1) :]

    @property
    def lacks(self) -> int:
        """How many messages it counts and does not find."""
        return sum(each >= self.first for each in self.missing)

    def hole(self) -> LogLost | None:
        """What is wrong with a stream that misses messages."""
        if not self.lacks:
            return None
        return LogLost(
            f"{self.name} counts from {self.first} to {self.last}, but {self.lacks} of these "
            f"messages are not in it; {_REMEDY}"
        )


class MemoryReader:
    """See ``mcs.ports.Reader``."""

    def __init__(
        self,
        find: Callable[[], MemoryStream | None],
        *,
        name: Stream,
        after: int,
        subject: str,
    ) -> None:
        self._find = find
        self.name = name
        self._subject = subject
        self._identity: str | None = None
        self._newest: Stored | None = None
        self._position = after
        self._held: deque[Stored] = deque()
        self._arrived = asyncio.Event()
        self._failure: LogError | None = None
        self.connected = True

    async def next(self, *, limit: int = 1000, timeout_s: float | None = None) -> list[Stored]:
        """See ``mcs.ports.Reader.next``."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._held and self._failure is None:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return []
        if not self._held:
            assert self._failure is not None
            raise self._failure
        taken = [self._held.popleft() for _ in range(min(limit, len(self._held)))]
        self.serve()
        return taken

    @property
    def ended(self) -> bool:
        """Whether it was closed, or the log is lost."""
        return self._failure is not None

    async def close(self) -> None:
        """See ``mcs.ports.Reader.close``."""
        self.fail(Unavailable("the reader was closed"))
        self._held.clear()

    def fail(self, failure: LogError) -> None:
        """End: ``next`` gives what is held, then raises."""
        self._failure = self._failure or failure
        self._arrived.set()

    def serve(self) -> None:
        """Take what there is, as far as there is room."""
        if not self.connected or self._failure is not None:
            return
        stream = self._find()
        if stream is None:
            self.fail(NoStream(f"there is no stream {self.name}; `mcs streams apply` makes it"))
            return
        if (lost := self._lost(stream)) is not None:
            self.fail(lost)
            return
        while len(self._held) < WINDOW:
            message = stream.get(self._position + 1)
            if message is None:
                break
            self._position += 1
            if matches(self._subject, message.subject):
                self._newest = message
                self._held.append(message)
                self._arrived.set()

    def _lost(self, stream: MemoryStream) -> LogLost | None:
        if self._identity is None:
            self._identity = stream.identity
        if stream.identity != self._identity:
            text = f"is another stream now: {stream.identity}, not {self._identity}"
        elif stream.last < self._position:
            text = f"ends at {stream.last}, before position {self._position}; {_REMEDY}"
        elif stream.first > self._position + 1:
            text = f"begins at {stream.first}, after position {self._position} + 1"
        elif self._rewritten(stream):
            text = f"{self._position} is not what was read; {_REMEDY}"
        else:
            return stream.hole() if stream.missing else None
        return LogLost(f"{self.name} {text}")

    def _rewritten(self, stream: MemoryStream) -> bool:
        newest = self._newest
        if newest is None or newest.sequence < stream.first:
            return False
        found = stream.get(newest.sequence)
        return found is not newest and found != newest


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject matches a pattern (``*``: one token, ``>``: the rest; empty: all)."""
    if not pattern or pattern == subject:
        return True
    wanted, tokens = pattern.split("."), subject.split(".")
    for at, want in enumerate(wanted):
        if want == ">":
            return at < len(tokens)
        if at >= len(tokens) or want not in ("*", tokens[at]):
            return False
    return len(wanted) == len(tokens)
