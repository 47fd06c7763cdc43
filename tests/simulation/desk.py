"""One process' wires, and a witness that takes notes, for tests."""

from random import Random

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.adapters.memory_log import MemoryBroker
from mcs.ports import Stream
from mcs.simulation.cluster_wires import WiredCluster
from mcs.simulation.lives import Couriers, Life
from mcs.simulation.loop import VirtualClock
from mcs.simulation.weather import Weather
from mcs.simulation.wires import WiredLog

TICKS = "mcs.obs._clock"


class Notes:
    def __init__(self):
        self.acts, self.reads, self.answers, self.over_loss = [], [], [], []

    def act(self, process, cluster, request):
        self.acts.append((process, cluster, request.verb, request.name))

    def read(self, process, subject):
        self.reads.append((process, subject))

    def acknowledged(self, process, stream, sequence, messages):
        self.answers.append((process, stream, sequence, messages))

    def wrote_over_loss(self, process, stream, sequence):
        self.over_loss.append((process, stream, sequence))


class Desk:
    def __init__(self):
        self.clock, self.weather, self.notes = VirtualClock(), Weather(), Notes()
        self.broker = MemoryBroker(self.clock)
        self.life = Life("p#1", Couriers(), Random(3))
        self.log = WiredLog(self.life, self.broker, self.weather, self.notes, "p")
        self.bucket = {}
        self.api = MemoryCluster("c1", self.clock, Random(4))
        self.cluster = WiredCluster(self.life, self.api, self.weather, self.notes, "p")

    @property
    def stored(self):
        return [stored.data for stored in self.broker.streams[Stream.OBSERVATIONS].messages]
