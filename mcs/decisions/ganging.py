"""Groups in a cycle: whether one is whole, has its room, and where its members go.

A group is looked at once in a cycle, when the first of its waiting members has its turn. As long as
fewer than its size have a place, those that lack are placed together or not at all (``gangs``);
later ones follow one by one, to the cluster where the others run unless they may be spread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from mcs.decisions.choosing import Choice, Choosing
from mcs.decisions.gangs import Member, anchor, needed, place_gang
from mcs.events.decisions import BeyondBudget, Fits, Incomplete, Partly
from mcs.projections.groups import Gang, Members
from mcs.projections.lines import Line, Reasons, Told
from mcs.projections.state import State


class Outcome(NamedTuple):
    """What becomes of a group in this cycle: ``places`` by uid, booked; or ``told``, while it
    waits; or, with neither, its members are on their own. They follow others to ``led``, if that
    names a cluster.
    """

    places: dict[str, Choice] = {}
    told: Told | None = None
    room: bool = True
    led: str = ""


class _Room:
    """Room for pods, as gangs see it; the shape of a pod is its line."""

    def __init__(self, choosing: Choosing) -> None:
        self._choosing = choosing

    def replicas(self, shape: Line, cluster: str) -> int:
        return self._choosing.replicas(shape, cluster)

    def best(self, shape: Line, clusters: Sequence[str]) -> str:
        choice = self._choosing.choose(shape, tuple(clusters))
        return choice.target if choice is not None else ""

    def book(self, shape: Line, cluster: str) -> str:
        node = self._choosing.scores.fit(shape.requests, shape.constraints, cluster).node
        self._choosing.book(Choice(cluster, node), shape.requests)
        return node

    def unbook(self, shape: Line, cluster: str, node: str) -> None:
        self._choosing.unbook(Choice(cluster, node), shape.requests)


def look_at(state: State, choosing: Choosing, gang: Gang) -> Outcome:
    """What becomes of a group now; places are booked."""
    members = state.backlog.groups[gang]
    waiting = [uid for *_, uid in members.waiting]
    count = needed(members.size, placed=len(members.served), waiting=len(waiting))
    if count is None:
        return Outcome(told=Told({}, Incomplete(size=members.size)))
    led = "" if members.spread else anchor(_living(state, members))
    if not count:
        return Outcome(led=led)
    if _bytes(state, waiting[:count]) > state.policy.cycle_bytes:
        return Outcome(told=Told({}, BeyondBudget()))
    lines = [line for uid in waiting[:count] if (line := state.backlog.line_of(uid)) is not None]
    each = [Member(shape=line, clusters=_clusters(choosing, line, led)) for line in lines]
    places = place_gang(each, _Room(choosing), spread=members.spread)
    if places is None:
        return Outcome(room=False, led=led)
    chosen = [Choice(place.cluster, place.node) for place in places]
    return Outcome(places=dict(zip(waiting[:count], chosen, strict=True)))


def led_line(line: Line, cluster: str) -> Line:
    """The line of pods that follow their group to a cluster."""
    if not cluster or line.kind.pin:
        return line
    return Line(line.kind._replace(pin=cluster, led=True), line.requests, line.constraints)


def partly(reasons: Reasons) -> Reasons:
    """What is said to a member whose group has no room as a whole."""
    return {name: Partly() if why == Fits() else why for name, why in reasons.items()}


def _clusters(choosing: Choosing, line: Line, led: str) -> tuple[str, ...]:
    return tuple(name for name in choosing.open_to(line) if not led or name == led)


def _living(state: State, members: Members) -> Counter[str]:
    """Live placements by target."""
    found = (state.ledger.live(uid) for uid in members.stated)
    return Counter(placement.target for placement in found if placement is not None)


def _bytes(state: State, uids: Sequence[str]) -> int:
    return sum(len(state.backlog.proxies[uid].manifest) for uid in uids)
