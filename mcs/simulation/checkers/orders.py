"""What the log allows at this moment: read when it is stored, not when it is folded.

Who acts on the world must be able to point at something that was in the log before.
"""

from __future__ import annotations

from mcs.events.decisions import (
    ClusterLost,
    ClusterRemoved,
    Decision,
    PlacementWithdrawn,
    PodDeferred,
    PodPlaced,
    ProxyEvicted,
    ProxyReleased,
)
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.events.observations import DelegateGone, DelegateObserved, DelegateRejected, End
from mcs.ports import Stored
from mcs.simulation.checkers.findings import Findings
from mcs.simulation.checkers.sightings import Life


class Orders:
    """Everything ever decided about proxies and placements, and every end that was told.

    ``answered_s``: when a proxy was first placed, deferred or released; ``ends``: by placement,
    ``""`` where only its being over is known; ``late``: placements whose end was told only after a
    release had let go of their proxy, which shows it no more.
    """

    def __init__(self, findings: Findings) -> None:
        self.placed: dict[str, PodPlaced] = {}
        self.withdrawn: dict[str, list[PlacementWithdrawn]] = {}
        self.released: dict[str, list[ProxyReleased]] = {}  # by proxy uid
        self.evicted: set[str] = set()
        self.lost: set[str] = set()  # ever
        self.removed: set[str] = set()
        self.ends: dict[str, str] = {}
        self.late: set[str] = set()
        self.rejected: set[str] = set()
        self.observed: set[str] = set()  # uids of delegates
        self.answered_s: dict[str, float] = {}
        self._findings = findings

    def stored(self, _message: Stored, frame: DecisionFrame | ObservationFrame | None) -> None:
        """A message is in the log."""
        if isinstance(frame, DecisionFrame):
            for event in frame.events:
                self._decided(event)
        elif frame is not None:
            for told in frame.events:
                if isinstance(told, DelegateObserved | DelegateGone | DelegateRejected):
                    self._ended(told)

    def releases(self, placement: str) -> bool:
        """Whether a release names this placement."""
        uid = placement.rpartition(".")[0]
        return any(each.placement == placement for each in self.released.get(uid, ()))

    def awaits(self, uid: str) -> bool:
        """Whether the end of a placement of a proxy is still to be told."""
        return any(
            each.placement not in self.ends and not self.releases(each.placement)
            for each in self.of(uid)
        )

    def unseen(self, delegate: Life) -> bool:
        """Whether a delegate was gone before anybody told of it."""
        return delegate.gone and delegate.uid not in self.observed

    def of(self, uid: str) -> list[PodPlaced]:
        """All placements of a proxy, oldest first."""
        return [placed for placed in self.placed.values() if placed.uid == uid]

    def _decided(self, event: Decision) -> None:
        match event:
            case PodPlaced():
                self.placed[event.placement] = event
                self.answered_s.setdefault(event.uid, self._findings.now_s())
            case PodDeferred():
                self.answered_s.setdefault(event.uid, self._findings.now_s())
            case PlacementWithdrawn():
                self.withdrawn.setdefault(event.placement, []).append(event)
            case ProxyReleased():
                self.released.setdefault(event.uid, []).append(event)
                self.answered_s.setdefault(event.uid, self._findings.now_s())
            case ProxyEvicted():
                self.evicted.add(event.uid)
            case ClusterLost():
                self.lost.add(event.cluster)
            case ClusterRemoved():
                self.removed.add(event.cluster)
            case _:
                pass

    def _ended(self, event: DelegateObserved | DelegateGone | DelegateRejected) -> None:
        if event.placement not in self.ends and self.releases(event.placement):
            self.late.add(event.placement)
        match event:
            case DelegateObserved():
                self.observed.add(event.uid)
                if event.phase.ended:
                    self.ends[event.placement] = event.phase.value
            case DelegateGone():
                told = {End.SUCCEEDED: "Succeeded", End.FAILED: "Failed"}.get(event.end, "")
                self.ends[event.placement] = self.ends.get(event.placement) or told
            case DelegateRejected():
                self.rejected.add(event.placement)
                self.ends.setdefault(event.placement, "")
