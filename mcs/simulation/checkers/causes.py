"""Every decision that ends something, or starts it again, has its cause in the log before it.

I1  A pod is tried again only if its last delegate never ran: it was rejected, or never created, or
    withdrawn without having had a node.
I7  A placement is withdrawn because its proxy was deleted or is gone, or, if unbound, because its
    delegate found no node; a proxy is evicted because its delegate is being deleted, and not by us;
    it is released because it was deleted and nothing runs for it, because a person said so, or
    because its source or its target was removed, which a person said; a cluster is lost because it
    was silent for long enough.
"""

from __future__ import annotations

from collections.abc import Mapping

from mcs.events import subjects
from mcs.events.decisions import (
    ClusterLost,
    ClusterRemoved,
    Decision,
    PlacementWithdrawn,
    PodPlaced,
    PolicyActivated,
    ProxyEvicted,
    ProxyReleased,
)
from mcs.events.frames import ObservationFrame
from mcs.events.observations import (
    DelegateGone,
    DelegateObserved,
    DelegateRejected,
    End,
    Observation,
    OperatorCommanded,
    ProxyDeleted,
    ProxyGone,
    ProxyObserved,
    ResyncCompleted,
    ResyncStarted,
    Verb,
)
from mcs.simulation.checkers.findings import Findings


class Causes:
    """Told of each frame that counts, and of each cycle before it is folded."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._lost_after_s = 0
        self._heard_ns: dict[str, int] = {}
        self._dead: set[str] = set()  # clusters of which a person said so
        self._removed: set[str] = set()
        self._given_up: set[tuple[str, str, str]] = set()  # proxies of which a person said so
        self._named: dict[str, tuple[str, int]] = {}  # proxies: source, and the account
        self._accounts: dict[str, int] = {}  # the newest ResyncStarted for proxies, by source
        self._leaving: set[str] = set()  # proxies that were deleted, or are gone
        self._seen: dict[str, DelegateObserved] = {}
        self._deleting: set[str] = set()
        self._had_node: set[str] = set()
        self._ends: dict[str, End | None] = {}  # None: rejected
        self._withdrawn: dict[str, bool] = {}  # only if unbound
        self._last: dict[str, str] = {}  # the newest placement of each proxy

    def command(self, frame: ObservationFrame) -> None:
        """A person's command is in the log."""
        for event in frame.events:
            if isinstance(event, OperatorCommanded) and event.verb is Verb.REMOVE:
                self._dead.add(event.cluster)
            elif isinstance(event, OperatorCommanded) and event.verb is Verb.RELEASE:
                self._given_up.add((event.cluster, event.namespace, event.name))

    def observe(self, frame: ObservationFrame, sequence: int, time_ns: int) -> None:
        """Take a cluster's frame that counts."""
        self._heard_ns[frame.source] = time_ns
        for event in frame.events:
            self._observe(frame.source, frame.channel, event, sequence)

    def decide(
        self, cycle: int, events: list[Decision], live: Mapping[str, str], now_ns: int
    ) -> None:
        """Judge a cycle; ``live`` are the placements before it, by proxy."""
        for event in events:
            problem = self._problem(event, live, now_ns)
            if problem:
                invariant = "I1" if isinstance(event, PodPlaced) else "I7"
                self._findings.add(invariant, f"cycle {cycle} {problem}")
        for event in events:
            self._note(event)

    def leaves(self, uid: str) -> bool:
        """Whether a proxy was deleted, or is gone."""
        return uid in self._leaving

    def holds(self, uid: str) -> bool:
        """Whether a proxy was placed, and is not to be tried again."""
        return uid in self._last and not self._never_ran(self._last[uid])

    def _observe(self, source: str, channel: str, event: Observation, sequence: int) -> None:
        match event:
            case ResyncStarted():
                if channel == subjects.PROXY:
                    self._accounts[source] = sequence
            case ResyncCompleted(started=started):
                begun = self._accounts.get(source, 0)
                if channel == subjects.PROXY and started >= begun:
                    self._leaving |= {
                        uid
                        for uid, (home, named) in self._named.items()
                        if home == source and named < begun
                    }
            case ProxyObserved():
                self._named[event.uid] = (source, self._accounts.get(source, 0))
            case ProxyDeleted() | ProxyGone():
                self._leaving.add(event.uid)
            case DelegateObserved():
                self._seen[event.placement] = event
                if event.deleting:
                    self._deleting.add(event.placement)
                if event.node:
                    self._had_node.add(event.placement)
            case DelegateGone():
                self._ends[event.placement] = event.end
            case DelegateRejected():
                self._ends[event.placement] = None
            case _:
                pass

    def _note(self, event: Decision) -> None:
        match event:
            case PolicyActivated():
                self._lost_after_s = event.policy.lost_after_s
            case ClusterRemoved():
                self._removed.add(event.cluster)
            case PodPlaced():
                self._last[event.uid] = event.placement
            case PlacementWithdrawn():
                before = self._withdrawn.get(event.placement, True)
                self._withdrawn[event.placement] = before and event.unbound_only
            case _:
                pass

    def _problem(self, event: Decision, live: Mapping[str, str], now_ns: int) -> str:
        match event:
            case PodPlaced():
                return self._placed(event)
            case PlacementWithdrawn():
                return self._withdrew(event)
            case ProxyReleased():
                return self._released(event, live)
            case ProxyEvicted(placement=id):
                by_others = id in self._deleting or self._ends.get(id) is End.DELETED
                if not by_others or not self._withdrawn.get(id, True):
                    return f"evicts {event.namespace}/{event.name}: nobody else deletes {id}"
            case ClusterRemoved() if event.cluster not in self._dead:
                return f"removes {event.cluster}, and nobody said that it is dead"
            case ClusterLost():
                silent_s = (now_ns - self._heard_ns.get(event.cluster, 0)) / 1e9
                if silent_s < self._lost_after_s:
                    return f"gives up {event.cluster} after {silent_s:.1f} s of silence"
            case _:
                pass
        return ""

    def _placed(self, event: PodPlaced) -> str:
        if not self.holds(event.uid):
            return ""
        return f"places {event.placement}, though {self._last[event.uid]} may have run"

    def _never_ran(self, placement: str) -> bool:
        if placement not in self._ends:
            return False
        tried = self._withdrawn.get(placement, False) and placement not in self._had_node
        return tried or self._ends[placement] in {None, End.NEVER_CREATED}

    def _withdrew(self, event: PlacementWithdrawn) -> str:
        what = f"withdraws {event.placement} ({event.namespace}/{event.name})"
        if event.unbound_only:
            seen = self._seen.get(event.placement)
            if seen is None or seen.node or not seen.unschedulable:
                return f"{what} as unschedulable, which its delegate was not seen to be"
        elif event.uid not in self._leaving and event.source not in self._removed:
            return f"{what}, and nobody deleted its proxy"
        return ""

    def _released(self, event: ProxyReleased, live: Mapping[str, str]) -> str:
        what = f"releases {event.namespace}/{event.name} ({event.uid})"
        leaving = event.uid in self._leaving or event.source in self._removed
        if (event.source, event.namespace, event.name) in self._given_up and leaving:
            return ""
        if event.target in self._removed and event.placement:
            return ""
        if event.uid in live:
            return f"{what} while {live[event.uid]} may run"
        return "" if leaving else f"{what}, and nobody deleted it"
