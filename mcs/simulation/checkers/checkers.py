"""All checkers of one world: what the world tells, and when it asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.adapters.memory_log import MemoryBroker
from mcs.adapters.memory_registry import Request
from mcs.names import Keys
from mcs.ports import Stream
from mcs.projections.state import State
from mcs.simulation.checkers.findings import Findings


class Checkers:
    """Attaches itself to the broker and to the API servers, and watches until the world ends.

    ``secrets``: texts that must be nowhere. ``pods``: how many proxies were ever seen.
    """

    def __init__(
        self,
        broker: MemoryBroker,
        clusters: Mapping[str, MemoryCluster],
        keys: Keys,
        *,
        secrets: Collection[str] = (),
    ) -> None:
        self.findings = Findings(broker.clock)
        self.pods = 0

    def act(self, process: str, cluster: str, request: Request) -> None:
        """An API server carried out a write of a process of mcs: told at once."""

    def read(self, process: str, subject: str) -> None:
        """A process reads a subject of a stream, or asks a question on one."""

    def acknowledged(
        self, process: str, stream: Stream, sequence: int, messages: Sequence[tuple[str, bytes]]
    ) -> None:
        """A process got the answer to an append whose last message has this sequence."""

    def folded(self, process: str, state: State) -> None:
        """The state of a live scheduler; it is looked at now, and not kept."""

    def check(self) -> None:
        """Check what has happened since the last time. Raises Violation."""
        self.findings.check()

    def check_end(self) -> None:
        """Check what must be true once everything is healed and quiet. Raises Violation."""
        self.check()
