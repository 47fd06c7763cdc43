"""A World's log in memory as it happened: both streams, each message at its own time."""

from mcs.adapters.memory_log import MemoryBroker
from mcs.ports import Stream
from tests.services.clocks import LeapingClock


class WorldLog:
    """A World's messages; those of a cycle are stored a little after what it was based on."""

    def __init__(self, world):
        self.broker = MemoryBroker(LeapingClock())
        self.connection = self.broker.connect()
        for _, subject, time_ns, data in world.observations:
            self.broker.streams[Stream.OBSERVATIONS].add(subject, data, time_ns)
        time_ns = 1_700_000_000_000_000_000
        for _, subject, data, frame in world.decisions:
            if frame.based_on:
                time_ns = world.observations[frame.based_on - 1][2] + 200_000
            self.broker.streams[Stream.DECISIONS].add(subject, data, time_ns)
