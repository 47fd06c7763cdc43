"""Who could know of a loss: what was read of the lost messages, and is remembered elsewhere.

A loss must be said by whoever can know of it. Where everybody who had read the lost messages is
dead, and nothing that is kept names them (a later message, a heartbeat, a cluster's Lease), nobody
can tell the log from one in which they never were, and then nobody has to. Snapshots are no
witness: a scheduler passes over one that is ahead of the log, with a warning.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mcs.errors import BadFrame
from mcs.events import codec
from mcs.events.observations import ClusterHeartbeat
from mcs.objects.kinds import LEASES
from mcs.ports import Stored, Stream
from mcs.services.leadership import KnownLog
from mcs.simulation.lives import Life
from mcs.simulation.world import World


class Loss:
    """What lay after ``last`` in a stream is to be lost now. ``kept``: what names it and lasts."""

    def __init__(self, world: World, stream: Stream, last: int) -> None:
        self.kept = [*_named(world, stream, last), *_leases(world, stream, last)]
        self._readers = list(_readers(world, stream, last))

    @property
    def witnesses(self) -> list[str]:
        """Whatever can still tell of it."""
        return [*self.kept, *(life.name for life in self._readers if not life.dead)]


def _readers(world: World, stream: Stream, last: int) -> Iterator[Life]:
    """The lives that have read beyond ``last``, or were told that they have written there."""
    for name, process in world.processes.items():
        if process.life is not None and world.reached(name, stream) > last:
            yield process.life


def _leases(world: World, stream: Stream, last: int) -> Iterator[str]:
    """The clusters whose Lease remembers more."""
    for name, place in world.places.items():
        for lease in place.cluster.objects(LEASES):
            text = (lease["metadata"].get("annotations") or {}).get(world.keys.key("logs"), "{}")
            known = msgspec.json.decode(text, type=dict[Stream, KnownLog]).get(stream)
            if known is not None and known.position > last:
                yield f"the Lease of {name}"


def _named(world: World, stream: Stream, last: int) -> Iterator[str]:
    """The messages of the other stream that name a lost one."""
    for name, other in world.broker.streams.items():
        for message in other.messages if name is not stream else ():
            if _names(message) > last:
                yield f"{name} {message.sequence}"


def _names(message: Stored) -> int:
    """The highest sequence of the other stream that a message names."""
    try:
        if message.subject.startswith("mcs.dec."):
            return codec.decode_decision(message.subject, message.data)[0].based_on
        frame = codec.decode_observation(message.subject, message.data)[0]
    except BadFrame:
        return 0
    beats = [each for each in frame.events if isinstance(each, ClusterHeartbeat)]
    return max((beat.decision.sequence for beat in beats), default=0)
