"""A plain account of groups: who is in one, and who of them has a place.

I5  A cycle books no part of a group: those that it places of one, and those that have a place or
    had one to their end, are as many as the group asks for. All that run are in one cluster, unless
    it may be spread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from mcs.events.decisions import ClusterRemoved, Decision, PodPlaced
from mcs.events.frames import ObservationFrame
from mcs.events.observations import ProxyObserved
from mcs.simulation.checkers.accounts import Accounts
from mcs.simulation.checkers.causes import Causes
from mcs.simulation.checkers.findings import Findings

Name = tuple[str, str, str]
"""A group's source, namespace and name."""


class Groups:
    """Told of each frame that counts, and of each cycle before ``accounts`` is: of it, it asks
    where placements live; of ``causes``, who was deleted, and who was placed and is not to be tried
    again.
    """

    def __init__(self, accounts: Accounts, causes: Causes, findings: Findings) -> None:
        self._accounts, self._causes, self._findings = accounts, causes, findings
        self._members: dict[str, tuple[Name, ProxyObserved]] = {}

    def observe(self, frame: ObservationFrame) -> None:
        """Take a cluster's frame that counts."""
        for event in frame.events:
            if isinstance(event, ProxyObserved) and event.group:
                name = (frame.source, event.namespace, event.group.name)
                self._members[event.uid] = name, event

    def decide(self, cycle: int, events: Sequence[Decision]) -> None:
        """Judge a cycle."""
        placing: dict[Name, dict[str, str]] = defaultdict(dict)
        for event in events:
            if isinstance(event, PodPlaced) and event.uid in self._members:
                placing[self._members[event.uid][0]][event.uid] = event.target
        for name, targets in placing.items():
            for problem in self._problems(name, targets):
                text = f"cycle {cycle} places {len(targets)} of group {'/'.join(name)}: {problem}"
                self._findings.add("I5", text)
        for event in events:
            if isinstance(event, ClusterRemoved):  # should it return, it names them again
                gone = [uid for uid, (name, _) in self._members.items() if name[0] == event.cluster]
                for uid in gone:
                    del self._members[uid]

    def _problems(self, name: Name, placing: Mapping[str, str]) -> Iterator[str]:
        members = [event for whose, event in self._members.values() if whose == name]
        there = [each for each in members if not self._causes.leaves(each.uid)]
        groups = [each.group for each in there if each.group]
        others = [each for each in there if each.uid not in placing]
        served = [each for each in others if each.ended or self._causes.holds(each.uid)]
        size = max((group.size for group in groups), default=0)
        if len(placing) + len(served) < size:
            yield f"{len(served)} others have a place, and {size} are placed at once, or none"
        spread = all(group.spread for group in groups)
        where = {**self._accounts.running, **placing}
        clusters = {where[each.uid] for each in there if each.uid in where and not each.cluster}
        if len(clusters) > 1 and not spread:
            yield f"it is in {' and '.join(sorted(clusters))} then, and may not be spread"
