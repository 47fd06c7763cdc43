"""Which clusters are open to a pod at all, before anybody looks at what is free there."""

from __future__ import annotations

import numpy as np

from mcs.decisions.scoring import Open
from mcs.events.decisions import Fits, Never, Verdict
from mcs.projections.lines import Kind
from mcs.projections.membership import Member
from mcs.projections.state import State


class Openness:
    """Of all targets, in the order of their names, in one cycle."""

    def __init__(self, state: State) -> None:
        members = state.membership.members
        self.members = [
            members[name]
            for name in sorted(members)
            if not members[name].removed and "target" in members[name].roles
        ]
        self.clusters = tuple(member.name for member in self.members)
        self._homes = members
        self._shut = [_shut(member) for member in self.members]
        self.key = (
            self.clusters,
            self._shut,
            [member.removing for member in self.members],
            [name for name in members if self.speaks(name)],
            [(name, dict(home.cordons)) for name, home in sorted(members.items()) if home.cordons],
        )
        self._made: dict[tuple[str, str, tuple[str, ...]], Open] = {}

    def speaks(self, source: str) -> bool:
        """Whether a pod's author can be heard: else nothing new is started for it."""
        home = self._homes.get(source)
        return home is not None and not (home.lost or home.removed or home.removing)

    def of(self, kind: Kind) -> Open:
        """The targets that take pods of a kind, if there is room."""
        blocked = tuple(cluster for cluster, _ in kind.blocked)
        key = (kind.source, kind.pin, blocked)
        made = self._made.get(key)
        if made is None:
            flags = [
                not self.closed(kind, number) and not member.removing
                for number, member in enumerate(self.members)
            ]
            made = self._made[key] = np.array(flags, np.bool_)
        return made

    def closed(self, kind: Kind, number: int) -> str:
        """Why a cluster takes no new pod of a kind, whatever is free there; or nothing."""
        name = self.clusters[number]
        if kind.pin and kind.pin != name:
            return f"its group runs in {kind.pin}" if kind.led else f"pinned to {kind.pin}"
        if shut := self._shut[number]:
            return shut
        if self._homes[kind.source].cordons.get(name):
            return f"virtual node cordoned in {kind.source}"
        return next((f"tried: {why}" for cluster, why in kind.blocked if cluster == name), "")

    def verdict(self, number: int, found: Verdict) -> Verdict:
        """What is said of an open cluster, in which ``found`` was found."""
        removing = self.members[number].removing  # by this very cycle
        return Never(constraint="cluster removed") if removing and found == Fits() else found


def _shut(member: Member) -> str:
    """Why a cluster takes nobody's pods."""
    if member.lost:
        return "cluster lost"
    if member.left:
        return "agent stopped"
    if member.cordoned:
        return "cluster cordoned"
    if not member.current:
        return "capacity not known yet"
    return ""
