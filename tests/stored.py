"""A log given as two lists of messages, as it is: for tests that change what was stored."""

from mcs.errors import LogLost
from mcs.ports import Stored, Stream, StreamInfo


class StoredLog:
    """An ``EventLog`` to be read, over any messages at all, in the order of the lists."""

    def __init__(self, observations, decisions):
        self.streams = {
            Stream.OBSERVATIONS: list(observations),
            Stream.DECISIONS: list(decisions),
        }

    @classmethod
    def of(cls, world):
        """What a ``World`` wrote; decisions get the server time of what they were based on."""
        observations = [Stored(*message) for message in world.observations]
        times = {stored.sequence: stored.time_ns for stored in observations}
        decisions = [
            Stored(sequence, subject, times.get(frame.based_on, world.now_ns), data)
            for sequence, subject, data, frame in world.decisions
        ]
        return cls(observations, decisions)

    def copy(self):
        return StoredLog(self.streams[Stream.OBSERVATIONS], self.streams[Stream.DECISIONS])

    def trim(self, stream, first):
        self.streams[stream] = [each for each in self.streams[stream] if each.sequence >= first]

    async def info(self, stream):
        messages = self.streams[stream]
        if not messages:
            return StreamInfo(first=1, last=0, identity="stored")
        first, last = messages[0].sequence, messages[-1].sequence
        return StreamInfo(first=first, last=last, identity="stored")

    async def get(self, stream, sequence):
        found = [each for each in self.streams[stream] if each.sequence == sequence]
        return found[0] if found else None

    async def last(self, stream, subject):
        found = [each for each in self.streams[stream] if each.subject == subject]
        return found[-1] if found else None

    async def read(self, stream, *, after=0, subject=""):
        assert not subject, "whole streams only"
        return _Reader([each for each in self.streams[stream] if each.sequence > after])


class _Reader:
    def __init__(self, messages):
        self._messages = messages

    async def next(self, *, limit=1000, timeout_s=None):
        page, self._messages = self._messages[:limit], self._messages[limit:]
        if not page and timeout_s is None:
            raise LogLost("a reader would wait for ever")
        return page

    async def close(self):
        pass
