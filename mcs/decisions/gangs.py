"""Places for a group of pods, all or none.

A gang is tried as a whole: its members are booked one after another, and when one finds no room
everything is given back. In one cluster, or spread: each member where the policy sends it.

Members of the fewest places come first, since all members are placed at once anyway. For pods of
one shape this finds a place whenever there is one. For mixed shapes it is a heuristic, as packing
them is a problem for which nothing better than trying everything is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

S = TypeVar("S", bound=Hashable)
S_contra = TypeVar("S_contra", bound=Hashable, contravariant=True)


class Room(Protocol[S_contra]):
    """Capacity, as far as gangs look at it; ``shape`` is all of a pod that decides where it fits.

    Bookings count at once in everything that is asked afterwards.
    """

    def replicas(self, shape: S_contra, cluster: str) -> int:
        """How many more such pods fit in the cluster; none: 0 or less."""
        ...

    def best(self, shape: S_contra, clusters: Sequence[str]) -> str:
        """The cluster, of these, that the policy chooses for one such pod; empty: none has room."""
        ...

    def book(self, shape: S_contra, cluster: str) -> str:
        """Charge such a pod to a node of the cluster, where there is room; the node's name."""
        ...

    def unbook(self, shape: S_contra, cluster: str, node: str) -> None:
        """Give back what ``book`` charged."""
        ...


class Member(msgspec.Struct, Generic[S], frozen=True):
    """A pod that waits. ``clusters``: those that are open to it, in the order of names."""

    shape: S
    clusters: tuple[str, ...]


class Place(msgspec.Struct, frozen=True):
    """Where a member goes."""

    cluster: str
    node: str


def needed(size: int, *, placed: int, waiting: int) -> int | None:
    """How many of a group's waiting members must be placed at once; 0: each by itself, as ``size``
    have a place or had one; None: too few are there.
    """
    short = max(size - placed, 0)
    return short if short <= waiting else None


def anchor(placed: Mapping[str, int]) -> str:
    """The cluster that further members of a group in one cluster follow the others to, given how
    many live in which; empty: it is free to go anywhere.
    """
    return min(placed, key=lambda name: (-placed[name], name), default="")


def place_gang(
    members: Sequence[Member[S]], room: Room[S], *, spread: bool
) -> tuple[Place, ...] | None:
    """A place for each member, in their order, and booked; None, and nothing booked: there is none
    for all of them.
    """
    if not members:
        return ()
    return _spread(members, room) if spread else _in_one(members, room)


def _in_one(members: Sequence[Member[S]], room: Room[S]) -> tuple[Place, ...] | None:
    """Cluster by cluster, in the order in which the policy prefers them for the first member."""
    shapes = Counter(member.shape for member in members)
    clusters = _common(members)
    while cluster := room.best(members[0].shape, clusters):
        clusters.remove(cluster)
        places = {shape: room.replicas(shape, cluster) for shape in shapes}
        if any(places[shape] < count for shape, count in shapes.items()):
            continue
        order = sorted(range(len(members)), key=lambda index: places[members[index].shape])

        def there(member: Member[S], cluster: str = cluster) -> str:
            return cluster if room.replicas(member.shape, cluster) > 0 else ""

        if found := _book(members, order, room, there):
            return found
    return None


def _spread(members: Sequence[Member[S]], room: Room[S]) -> tuple[Place, ...] | None:
    kinds = dict.fromkeys(members)
    places = {
        kind: sum(max(room.replicas(kind.shape, name), 0) for name in kind.clusters)
        for kind in kinds
    }
    order = sorted(range(len(members)), key=lambda index: places[members[index]])
    return _book(members, order, room, lambda member: room.best(member.shape, member.clusters))


def _common(members: Sequence[Member[S]]) -> list[str]:
    """The clusters that are open to all."""
    others = [set(clusters) for clusters in {member.clusters for member in members}]
    return [name for name in members[0].clusters if all(name in each for each in others)]


def _book(
    members: Sequence[Member[S]],
    order: Sequence[int],
    room: Room[S],
    choose: Callable[[Member[S]], str],
) -> tuple[Place, ...] | None:
    """Book members in ``order``, each in the cluster that is chosen for it; give all back when
    there is none for one of them.
    """
    booked: dict[int, Place] = {}
    for index in order:
        member = members[index]
        cluster = choose(member)
        if not cluster:
            for earlier, place in reversed(booked.items()):
                room.unbook(members[earlier].shape, place.cluster, place.node)
            return None
        booked[index] = Place(cluster, room.book(member.shape, cluster))
    return tuple(booked[index] for index in range(len(members)))
