"""Clusters: who is a member, in which epoch, what was last heard, and which frames count.

A frame counts only if (source, epoch, channel, number) is the next one and follows the digest of
the one before it. An older one was folded already; a gap breaks the channel until its agent starts
a resync, which is then taken whatever its number.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from mcs.events import subjects
from mcs.events.decisions import ClusterLost, ClusterRecovered, ClusterRemoved
from mcs.events.event import Last
from mcs.events.frames import ObservationFrame
from mcs.events.observations import (
    ClusterHeartbeat,
    ClusterJoined,
    OperatorCommanded,
    ResyncStarted,
    Verb,
)
from mcs.projections.digest import Digest


class Admission(StrEnum):
    """What becomes of a frame."""

    TAKEN = "taken"
    OLD = "old"  # folded before, or of an epoch that is over
    GAP = "gap"  # something before it is missing: ask for a resync
    STRANGER = "stranger"  # another cluster (uid) under a known name
    FOREIGN = "foreign"  # of an epoch that no join began


class Channel(msgspec.Struct):
    """The last frame taken on one channel of an epoch, and its resyncs (by sequence)."""

    number: int = -1
    digest: str = ""
    resync: int = 0  # sequence of the newest ResyncStarted
    completed: int = 0  # the newest resync that was completed
    broken: bool = False


class Member(msgspec.Struct):
    """One cluster. ``epoch`` is 0 when nobody may speak for it."""

    name: str
    uid: str
    epoch: int = 0
    join: str = ""  # id of the join that made the epoch
    roles: tuple[str, ...] = ()
    version: str = ""
    channels: dict[str, Channel] = {}
    heard_ms: int = 0
    left: bool = False
    lost: bool = False
    removed: bool = False
    removing: bool = False  # a person said that it is dead; not decided yet
    cordoned: bool = False
    cordons: dict[str, bool] = {}  # its virtual nodes that people cordoned, by target
    stranger: str = ""  # uid of a cluster that tried to join under this name
    heartbeat: ClusterHeartbeat = ClusterHeartbeat()

    @property
    def current(self) -> bool:
        """Whether its capacity is completely known in this epoch."""
        channel = self.channels.get(subjects.CAPACITY)
        return channel is not None and channel.completed > 0 and not channel.broken


class Membership:
    """All clusters ever known, by name."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self._digest: Digest[str] = Digest()

    def admit(
        self, frame: ObservationFrame, sequence: int, digest: str, elapsed_ms: int
    ) -> Admission:
        """Judge a cluster's frame and note it; only TAKEN ones may be folded.

        ``digest`` is that of the message; ``elapsed_ms`` the log time.
        """
        first = frame.events[0] if frame.events else None
        if isinstance(first, ClusterJoined) and frame.channel == subjects.CLUSTER:
            return self._join(first, frame.source, sequence, digest, elapsed_ms)
        member = self.members.get(frame.source)
        if member is None or frame.epoch != member.epoch or member.epoch == 0:
            foreign = member is None or (frame.epoch > member.epoch and not member.removed)
            return Admission.FOREIGN if foreign else Admission.OLD
        self._digest.touch(frame.source)
        member.heard_ms = elapsed_ms
        channel = member.channels.get(frame.channel)
        if channel is None:
            channel = member.channels[frame.channel] = Channel()
        if frame.number <= channel.number:
            return Admission.OLD
        follows = frame.number == channel.number + 1 and frame.previous == channel.digest
        if isinstance(first, ResyncStarted):
            # Not at once after a gap: a wrong number would make all that come after it look old.
            counts = follows or channel.broken
        else:
            counts = follows and not channel.broken and channel.number >= 0
        if not counts:
            channel.broken = True
            return Admission.GAP
        channel.number, channel.digest, channel.broken = frame.number, digest, False
        return Admission.TAKEN

    def start_resync(self, source: str, channel: str, sequence: int) -> None:
        """A channel's full account begins at ``sequence``."""
        self.members[source].channels[channel].resync = sequence
        self._digest.touch(source)

    def complete_resync(self, source: str, channel: str, started: int) -> bool:
        """The account is whole; False when it is not the newest one. ``started`` is the sequence
        that its agent was told, which may be that of a second copy of the frame it began with.
        """
        state = self.members[source].channels[channel]
        if started < state.resync:
            return False
        state.completed = started
        self._digest.touch(source)
        return True

    def hear(self, source: str, heartbeat: ClusterHeartbeat) -> None:
        """Note a heartbeat's summary."""
        self.members[source].heartbeat = heartbeat
        self._digest.touch(source)

    def leave(self, source: str) -> None:
        """Note that the agent stopped in good order."""
        self.members[source].left = True
        self._digest.touch(source)

    def cordon_virtual(self, source: str, target: str, *, cordoned: bool) -> None:
        """Note whether people cordoned the virtual node for ``target`` in ``source``."""
        self.members[source].cordons[target] = cordoned
        self._digest.touch(source)

    def command(self, event: OperatorCommanded) -> None:
        """Note what a person commands of a cluster."""
        member = self.members.get(event.cluster)
        if member is None:
            return
        match event.verb:
            case Verb.CORDON | Verb.UNCORDON:
                member.cordoned = event.verb is Verb.CORDON
            case Verb.REMOVE:
                member.removing = not member.removed
            case Verb.RELEASE:
                pass  # concerns a proxy, not a cluster
        self._digest.touch(event.cluster)

    def decide(self, event: ClusterLost | ClusterRecovered | ClusterRemoved) -> None:
        """Fold a decision about a cluster."""
        member = self.members.get(event.cluster)
        if member is None:
            return
        match event:
            case ClusterLost():
                member.lost = True
            case ClusterRecovered():
                member.lost = False
            case ClusterRemoved():
                member.removed, member.removing, member.epoch = True, False, 0
        self._digest.touch(event.cluster)

    def broken(self) -> list[tuple[str, str]]:
        """Channels (cluster, channel) that wait for a resync."""
        return [
            (name, channel)
            for name in sorted(self.members)
            for channel in sorted(self.members[name].channels)
            if self.members[name].channels[channel].broken and not self.members[name].removed
        ]

    def known_decision(self) -> Last:
        """The newest decision that any agent says it has read."""
        heard = (member.heartbeat.decision for member in self.members.values())
        return max(heard, key=lambda last: last.sequence, default=Last())

    def dump(self) -> list[Member]:
        """All there is, in order; not a copy."""
        return list(self.members.values())

    def restore(self, members: list[Member]) -> None:
        """Take a dump, into a fresh one of these."""
        for member in members:
            self.members[member.name] = member
            self._digest.touch(member.name)

    def digest(self) -> str:
        """Digest of all members."""
        return self._digest.settle(self.members.get)

    def _join(
        self, join: ClusterJoined, name: str, sequence: int, digest: str, elapsed_ms: int
    ) -> Admission:
        member = self.members.get(name)
        self._digest.touch(name)
        if member is not None and not member.removed:
            if member.join == join.id:
                return Admission.OLD
            if member.uid != join.uid:
                member.stranger = join.uid
                return Admission.STRANGER
        if member is None or member.removed:
            member = self.members[name] = Member(name=name, uid=join.uid)
        member.epoch, member.join, member.uid = sequence, join.id, join.uid
        member.roles, member.version = join.roles, join.kubernetes
        member.channels = {subjects.CLUSTER: Channel(number=0, digest=digest)}
        member.heard_ms, member.left, member.stranger = elapsed_ms, False, ""
        return Admission.TAKEN
