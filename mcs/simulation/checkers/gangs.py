"""The real groups of pods, by the manifests of all proxies: nothing of mcs is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from mcs.names import Keys
from mcs.objects.grouping import SPREAD
from mcs.simulation.checkers.rooms import Rooms
from mcs.simulation.checkers.sightings import Json, Life, Sightings

INCOMPLETE = "its group waits for members: "
PARTLY = "not enough room for the whole group"


class Gang(NamedTuple):
    """A group as it is now: ``lacking`` members are to be placed at once, ``waiting`` ones are
    ready for it. ``led``: the cluster that they follow the others to, or nothing.
    """

    size: int
    spread: bool
    lacking: int
    waiting: tuple[Life, ...]
    led: str

    @property
    def ready(self) -> int:
        """How many wait to be placed."""
        return len(self.waiting)


class Gangs:
    """The groups of all clusters."""

    def __init__(self, sightings: Sightings, rooms: Rooms, keys: Keys) -> None:
        self._sightings, self._rooms, self._keys = sightings, rooms, keys

    def of(self, proxy: Life) -> Gang | None:
        """The group of a proxy, if it has one."""
        notes, keys = _annotations(proxy), self._keys
        if keys.group not in notes:
            return None
        members = [
            each
            for each in self._sightings.proxies.values()
            if (each.cluster, each.namespace) == (proxy.cluster, proxy.namespace)
            and _annotations(each).get(keys.group) == notes[keys.group]
            and not (each.gone or each.deleting)
        ]
        homes = {each.uid: self._home(each) for each in members}
        served = {each.uid for each in members if each.ended or homes[each.uid]}
        waiting = [
            each
            for each in members
            if each.uid not in served and not each.manifest["spec"].get("schedulingGates")
        ]
        size, spread = int(notes[keys.group_size]), notes.get(keys.group_placement) == SPREAD
        running = Counter(home for home in homes.values() if home)
        follows = running and not spread and keys.clustername not in notes
        return Gang(
            size=size,
            spread=spread,
            lacking=max(size - len(served), 0),
            waiting=tuple(waiting),
            led=min(running, key=lambda name: (-running[name], name)) if follows else "",
        )

    def has_room(self, gang: Gang, spec: Json, clusters: Sequence[str]) -> bool:
        """Whether so many of ``spec`` as lack fit into one of the clusters, or all of them if the
        group is spread. Where ``spec`` asks for most, the whole of it surely fits then, in whatever
        order its members are placed; where it does not, it may fit all the same.
        """
        copies = [self._rooms.copies(name, spec) for name in clusters]
        return (sum(copies) if gang.spread else max(copies, default=0)) >= gang.lacking

    def _home(self, proxy: Life) -> str:
        """Where its delegate is."""
        delegates = self._sightings.delegates.get(proxy.uid, [])
        return next((each.cluster for each in delegates if not each.gone), "")


def _annotations(life: Life) -> dict[str, str]:
    return life.manifest["metadata"].get("annotations") or {}
