"""Placements and what became of them: one attempt to run one proxy in one cluster each.

The scheduler folds every placement, an executor those of its target, feedback those of its source.
Members read decisions and delegate observations as two independent streams, so the order between
the two is not known to them; therefore every fold here commutes with those of the other stream:
a stage only moves forward, an intent only grows sterner, and a fact about a placement not yet read
makes a record that the decision completes.

    stage    DECIDED → PENDING → BOUND → ENDED → GONE,  or DECIDED → REJECTED
    intent   WANTED → WITHDRAWN_IF_UNBOUND → WITHDRAWN → RELEASED
"""

from __future__ import annotations

from enum import IntEnum
from typing import assert_never

import msgspec

from mcs.errors import BadName
from mcs.events.decisions import PlacementWithdrawn, PodPlaced, ProxyReleased
from mcs.events.observations import (
    DelegateGone,
    DelegateObserved,
    DelegateRejected,
    End,
    Phase,
)
from mcs.names import split_placement
from mcs.projections.digest import Digest

LedgerEvent = (
    PodPlaced
    | PlacementWithdrawn
    | ProxyReleased
    | DelegateObserved
    | DelegateRejected
    | DelegateGone
)
"""What the ledger reads."""


class Stage(IntEnum):
    """How far a placement's delegate has come; only ever grows."""

    DECIDED = 0  # nothing was seen of it
    PENDING = 1  # it exists, without a node
    BOUND = 2  # it has a real node
    ENDED = 3  # its phase is terminal
    REJECTED = 4  # the target would not take it: it never was
    GONE = 5  # it is no longer there

    @property
    def over(self) -> bool:
        """Whether there is nothing in the target, and never will be again."""
        return self >= REJECTED


DECIDED, PENDING, BOUND, ENDED, REJECTED, GONE = Stage
"""The stages by themselves: to look them up in their class costs several times as much."""


class Intent(IntEnum):
    """What the scheduler wants of a placement; only ever grows sterner."""

    WANTED = 0
    WITHDRAWN_IF_UNBOUND = 1
    WITHDRAWN = 2
    RELEASED = 3  # given up: the proxy was let go without the delegate's end


WANTED, WITHDRAWN_IF_UNBOUND, WITHDRAWN, RELEASED = Intent


class Placement(msgspec.Struct, kw_only=True, gc=False):
    """One attempt. Fields of the decision are empty until it was read (``decided`` == 0).

    ``decided`` and ``since_ms``: sequence of the decision, and log time at it (scheduler only).
    ``seen`` is the latest observation of the delegate, None before the first.
    """

    id: str
    uid: str
    attempt: int
    source: str = ""
    target: str = ""
    namespace: str = ""
    name: str = ""
    delegate: str = ""
    manifest: str = ""
    node: str = ""
    requests: dict[str, int] = {}
    decided: int = 0
    since_ms: int = 0
    stage: Stage = Stage.DECIDED
    intent: Intent = Intent.WANTED
    reason: str = ""  # of a withdrawal, a rejection or a release
    message: str = ""  # the API server's words with a rejection
    grace_s: int | None = None
    seen: DelegateObserved | None = None
    deleting: bool = False  # the delegate was seen with a deletionTimestamp
    end: End | None = None  # with stage GONE
    evicted: bool = False
    stranded: bool = False  # its target was removed since it was decided (scheduler only)

    @property
    def wanted(self) -> bool:
        """Whether the delegate shall run. A conditional withdrawal that came too late (the
        delegate had a node) leaves it wanted.
        """
        if self.intent is WITHDRAWN_IF_UNBOUND:
            return self.seen is not None and bool(self.seen.node)
        return self.intent is WANTED

    @property
    def live(self) -> bool:
        """Whether a delegate may exist or come to exist (invariant I1 counts these)."""
        return self.stage < REJECTED and self.intent is not RELEASED

    @property
    def evictable(self) -> bool:
        """Whether others deleted the delegate before its end, and its proxy was not told yet."""
        deleted = self.end is End.DELETED if self.end else self.deleting and self.stage < ENDED
        return deleted and self.wanted and not self.evicted

    @property
    def releasable(self) -> bool:
        """Whether it is to be given up: its target was removed, be it back by now or not."""
        return self.stranded and self.live

    @property
    def stuck(self) -> bool:
        """Whether the target's own scheduler finds no node for the delegate."""
        pending = self.stage is PENDING and self.live
        return pending and self.seen is not None and bool(self.seen.unschedulable)

    @property
    def phase(self) -> Phase:
        """The delegate's last known phase."""
        return self.seen.phase if self.seen else Phase.PENDING


class LedgerDump(msgspec.Struct):
    """Everything a ledger holds, in its order; names: (target, namespace, delegate, placement)."""

    placements: list[Placement] = []
    names: list[tuple[str, str, str, str]] = []


class Ledger:
    """All placements known, by id and by proxy."""

    def __init__(self) -> None:
        self.placements: dict[str, Placement] = {}
        self.by_proxy: dict[str, dict[int, Placement]] = {}
        self.names: dict[tuple[str, str, str], str] = {}
        self.living: dict[str, dict[str, None]] = {}  # decided and live, by target
        self._digest: Digest[str] = Digest()

    def apply(
        self, event: LedgerEvent, *, sequence: int = 0, elapsed_ms: int = 0
    ) -> Placement | None:
        """Fold one event; returns the placement it concerns (None: it names none).

        ``sequence`` and ``elapsed_ms`` are those of the decision, or the log time of a sighting.
        """
        placement = self.placements.get(event.placement)
        if placement is None:
            try:
                placement = self._record(event.placement)
            except BadName:
                return None  # a release without a placement, or a foreign label value
        match event:
            case DelegateObserved():
                _see(placement, event, elapsed_ms)
            case PodPlaced():
                self._place(placement, event, sequence, elapsed_ms)
            case PlacementWithdrawn():
                _withdraw(placement, event)
            case ProxyReleased():
                placement.intent = RELEASED
                placement.reason = event.reason
            case DelegateRejected():
                placement.stage = max(placement.stage, REJECTED)
                placement.reason, placement.message = event.reason, event.message
            case DelegateGone():
                placement.stage = GONE
                placement.end = event.end
            case _:
                assert_never(event)
        if placement.stage > DECIDED:
            placement.manifest = ""  # never created again: it was a delegate's only use
        self._index(placement)
        self._digest.touch(placement.id)
        return placement

    def evict(self, placement: str) -> Placement | None:
        """Note that the proxy of this placement, if there is one, was told to go."""
        if record := self.placements.get(placement):
            record.evicted = True
            self._digest.touch(placement)
        return record

    def strand(self, target: str) -> list[str]:
        """Note that a cluster was removed; returns the placements that were living there."""
        living = list(self.living.get(target, ()))
        for id in living:
            self.placements[id].stranded = True
            self._digest.touch(id)
        return living

    def of(self, uid: str) -> list[Placement]:
        """The placements of a proxy, oldest attempt first."""
        attempts = self.by_proxy.get(uid, {})
        return [attempts[number] for number in sorted(attempts)]

    def latest(self, uid: str) -> Placement | None:
        """The newest attempt for a proxy."""
        attempts = self.by_proxy.get(uid)
        return attempts[max(attempts)] if attempts else None

    def live(self, uid: str) -> Placement | None:
        """The proxy's live placement, if any."""
        attempts = self.by_proxy.get(uid)
        if not attempts:
            return None
        latest = attempts[max(attempts)]
        return latest if latest.live else None

    def forget(self, uid: str) -> None:
        """Drop every placement of a proxy that is gone."""
        for placement in self.by_proxy.pop(uid, {}).values():
            self._unname(placement)
            del self.placements[placement.id]
            self._digest.touch(placement.id)

    def dump(self) -> LedgerDump:
        """All there is, in order; not a copy."""
        names = [(*key, placement) for key, placement in self.names.items()]
        return LedgerDump(placements=list(self.placements.values()), names=names)

    def restore(self, dump: LedgerDump) -> None:
        """Take a dump, into a fresh one of these."""
        for placement in dump.placements:
            self.placements[placement.id] = placement
            self.by_proxy.setdefault(placement.uid, {})[placement.attempt] = placement
            self._digest.touch(placement.id)
            if placement.decided and placement.live:
                self.living.setdefault(placement.target, {})[placement.id] = None
        self.names = {(target, space, name): id for target, space, name, id in dump.names}

    def digest(self) -> str:
        """Digest of the whole ledger."""
        return self._digest.settle(self.placements.get)

    def _record(self, id: str) -> Placement:
        """A placement that is not known yet. Raises BadName."""
        uid, attempt = split_placement(id)
        placement = Placement(id=id, uid=uid, attempt=attempt)
        self.placements[id] = placement
        self.by_proxy.setdefault(uid, {})[attempt] = placement
        return placement

    def _place(self, placement: Placement, event: PodPlaced, sequence: int, now_ms: int) -> None:
        placement.source, placement.target = event.source, event.target
        placement.namespace, placement.name = event.namespace, event.name
        placement.delegate, placement.manifest = event.delegate, event.manifest
        placement.node, placement.requests = event.node, event.requests
        placement.decided = sequence
        placement.since_ms = max(placement.since_ms, now_ms)

    def _index(self, placement: Placement) -> None:
        if placement.decided and placement.live:
            self.names[placement.target, placement.namespace, placement.delegate] = placement.id
            self.living.setdefault(placement.target, {})[placement.id] = None
        else:
            self._unname(placement)

    def _unname(self, placement: Placement) -> None:
        self.living.get(placement.target, {}).pop(placement.id, None)
        key = (placement.target, placement.namespace, placement.delegate)
        if self.names.get(key) == placement.id:
            del self.names[key]


def _withdraw(placement: Placement, event: PlacementWithdrawn) -> None:
    intent = WITHDRAWN_IF_UNBOUND if event.unbound_only else WITHDRAWN
    placement.intent = max(placement.intent, intent)
    placement.reason = event.reason
    if event.grace_s is not None:
        placement.grace_s = event.grace_s
    # A withdrawal alone tells an executor that starts late all it needs.
    placement.source, placement.target = event.source, event.target
    placement.namespace, placement.name = event.namespace, event.name
    placement.delegate = event.delegate


def _see(placement: Placement, event: DelegateObserved, now_ms: int) -> None:
    stage = BOUND if event.node else PENDING
    if event.phase.ended:
        stage = ENDED
    if placement.stage is DECIDED:
        placement.since_ms = now_ms  # "unschedulable too long" counts from the first sighting
    placement.stage = max(placement.stage, stage)
    placement.seen = event
    placement.deleting = placement.deleting or event.deleting
