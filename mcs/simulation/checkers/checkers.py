"""All checkers of one world: what the world tells, and when it asks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.adapters.memory_log import MemoryBroker
from mcs.adapters.memory_registry import Request
from mcs.errors import BadSnapshot, LogLost
from mcs.names import Keys
from mcs.ports import Stream
from mcs.projections.dumping import restore
from mcs.projections.state import State
from mcs.services.snapshots import unpack
from mcs.simulation.checkers.borders import Borders, Secrecy
from mcs.simulation.checkers.comparing import (
    copied,
    differences,
    digest_defects,
    stale_digests,
)
from mcs.simulation.checkers.deeds import Deeds
from mcs.simulation.checkers.endings import (
    Endings,
    check_answers,
    check_inventory,
    check_known,
)
from mcs.simulation.checkers.findings import Findings
from mcs.simulation.checkers.journal import Journal
from mcs.simulation.checkers.orders import Orders
from mcs.simulation.checkers.rooms import Rooms
from mcs.simulation.checkers.sightings import Sightings
from mcs.simulation.checkers.waiting import Waiting

SNAPSHOTS = 3
"""The newest so many that were saved are checked at the end."""

RARE = 4
"""Each so many checks, digests are computed afresh."""


class Checkers:
    """Attaches itself to the broker and to the API servers, and watches until ``close``.

    ``secrets``: texts that must be nowhere. Processes are named ``scheduler…`` or
    ``agent-<cluster>-<number>``.
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
        self.sightings = Sightings(clusters, keys, self.findings.now_s)
        self.orders = Orders(self.findings)
        self.journal = Journal(broker, keys, self.findings)
        self._keys = keys
        self._saved: list[tuple[str, bytes]] = []
        self._checks = 0
        self._rooms = Rooms(self.sightings)
        self._deeds = Deeds(self.sightings, self.orders, keys, self.findings)
        self._borders = Borders(self.findings)
        self._secrecy = Secrecy(secrets, self.findings)
        listeners = self._secrecy.stored, self._borders.stored, self.orders.stored
        self.journal.listeners.extend(listeners)
        self.sightings.listeners.append(self._deeds.changed)
        self.sightings.writes.append(self._secrecy.written)
        self.journal.begin()
        self.sightings.begin()

    @property
    def pods(self) -> int:
        """How many proxies were ever seen."""
        return len(self.sightings.proxies)

    def close(self) -> None:
        """Watch no more (log records are watched in all of this process)."""
        self._secrecy.close()

    # -- what the world tells ------------------------------------------------------------------

    def act(self, process: str, cluster: str, request: Request) -> None:
        """An API server carried out a write of a process of mcs: to be told before anything else
        happens.
        """
        self._deeds.act(process, cluster, request)

    def read(self, process: str, subject: str) -> None:
        """A process reads a subject of a stream, or asks a question on one."""
        self._borders.read(process, subject)

    def acknowledged(
        self, process: str, stream: Stream, sequence: int, messages: Sequence[tuple[str, bytes]]
    ) -> None:
        """A process got the answer to an append whose last message has this sequence."""
        self._borders.wrote(process, messages)
        self.journal.acknowledged(process, stream, sequence, messages)

    def wrote_over_loss(self, process: str, stream: Stream, sequence: int) -> None:
        """A process appended to a log that no longer held what it knew."""
        text = f"{process} wrote {stream} {sequence} over what it knew and the log has lost"
        self.findings.add("I6", text)

    def saved(self, process: str, data: bytes) -> None:
        """A scheduler saved a snapshot (``services.snapshots``): at the end it is folded on."""
        self._saved = [*self._saved[1 - SNAPSHOTS :], (process, data)]

    def said(self, process: str, text: str) -> None:
        """A process said this to people, beside its log records: an error by which it ended."""
        self._secrecy.look_at(f"what {process} said", text)

    def folded(self, process: str, state: State) -> None:
        """The state of a live scheduler, compared with the replay of the same history (I3). It is
        looked at now, and not kept; it is passed over where the replay has read on already.
        """
        journal, replayed = self.journal, self.journal.replayed
        journal.follow()
        ahead = state.observed.sequence - replayed.observed.sequence
        if journal.stopped or state.decided != replayed.decided or ahead < 0:
            return
        mine: State = replayed
        if ahead:
            mine = copied(replayed)
            journal.observe_to(mine, state.observed.sequence)
        for text in differences(mine, state):
            at = f"after decision {state.decided.sequence}, observation {state.observed.sequence}"
            self.findings.add("I3", f"{process} {at} differs from the replay: {text}")

    # -- when the world asks -------------------------------------------------------------------

    def check(self) -> None:
        """Check what has happened since the last time. Raises Violation."""
        self.journal.follow()
        self._checks += 1
        for text in stale_digests(self.journal.replayed) if self._checks % RARE == 0 else ():
            self.findings.add("I3", text)
        self.findings.check()

    def check_answers(self, bound_s: float, uids: Collection[str], *, since_s: float = 0) -> None:
        """I8: these proxies (by uid) were placed, or told why not, within ``bound_s`` seconds of
        their creation, or of ``since_s``. Raises Violation.
        """
        check_answers(
            self.findings, self.sightings, self.orders, uids, bound_s=bound_s, since_s=since_s
        )
        self.findings.check()

    def check_end(self) -> None:
        """Check what must be true once everything is healed and quiet: the last question, since
        history is followed here beyond its last decision. Raises Violation.
        """
        self.check()
        journal, findings, state = self.journal, self.findings, self.journal.replayed
        if journal.damaged:
            return  # the world asks who said so; nobody can go on
        journal.check_kept()
        journal.observe_to(state, journal.last(Stream.OBSERVATIONS))
        self._check_snapshots()
        for text in digest_defects(state):
            findings.add("I3", text)
        waiting = Waiting(self.sightings, self._rooms, self.orders, self._keys, state)
        Endings(self.sightings, self.orders, self._rooms, waiting).check(findings)
        clusters, forged = self.sightings.nodes, journal.forged()
        check_inventory(findings, self._rooms, state, clusters, forged)
        check_known(findings, state, clusters, forged)
        findings.check()

    def forged(self) -> list[str]:
        """Clusters whose account somebody else began, and left open: what would run there waits."""
        forged, members = self.journal.forged(), self.journal.replayed.membership.members
        return [
            name
            for name, member in members.items()
            if any(
                channel.resync in forged and channel.completed < channel.resync
                for channel in member.channels.values()
            )
        ]

    def _check_snapshots(self) -> None:
        """I3: a snapshot and the tail are the whole log."""
        snapshots: dict[str, Callable[[], State]] = {}
        if self.journal.dumped:
            snapshots["a dump"] = partial(restore, self.journal.dumped)
        for number, (process, data) in enumerate(self._saved):
            snapshots[f"snapshot {number} of {process}"] = partial(_unpacked, data)
        for what, load in snapshots.items():
            try:
                state = load()
                self.journal.end_of(state)
            except (BadSnapshot, LogLost) as error:
                self.findings.add("I3", f"{what} cannot be folded on: {error}")
                continue
            for text in differences(self.journal.replayed, state):
                self.findings.add("I3", f"the replay differs from {what}, folded on: {text}")


def _unpacked(data: bytes) -> State:
    return unpack(data)[1]
