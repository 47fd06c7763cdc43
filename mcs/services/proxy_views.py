"""What is known of each proxy, beside the pod itself: folded from the log, forgotten with it."""

from __future__ import annotations

from mcs.decisions.reflecting import View
from mcs.events import Decision, Observation
from mcs.events.decisions import (
    PlacementWithdrawn,
    PodDeferred,
    PodPlaced,
    ProxyEvicted,
    ProxyReleased,
)
from mcs.events.observations import DelegateGone, DelegateObserved, DelegateRejected
from mcs.objects.kinds import Pod
from mcs.projections.ledger import Ledger, Placement
from mcs.services.standing import Standing


class ProxyViews:
    """What the decisions say of proxies, over a source's ``ledger``. ``name``: the source."""

    def __init__(self, name: str, ledger: Ledger, standing: Standing) -> None:
        self._name, self._ledger, self._standing = name, ledger, standing
        self._deferred: dict[str, PodDeferred] = {}
        self._released: dict[str, ProxyReleased] = {}
        self._evicted: set[str] = set()

    def take(self, event: Decision | Observation, placement: Placement | None) -> str:
        """Fold an event that the ledger has folded; the uid of the proxy it is about, or nothing.

        A deferral is news until the next placement; each of the others is final.
        """
        match event:
            case PodPlaced():
                self._deferred.pop(event.uid, None)
            case PodDeferred():
                self._deferred[event.uid] = event
            case ProxyEvicted():
                self._evicted.add(event.uid)
            case ProxyReleased():
                self._released[event.uid] = event
            case PlacementWithdrawn() | DelegateObserved() | DelegateRejected() | DelegateGone():
                return placement.uid if placement is not None else ""
            case _:
                return ""
        return event.uid

    def of(self, proxy: Pod) -> View:
        """All that is known of a proxy."""
        uid = proxy.metadata.uid
        return View(
            proxy=proxy,
            latest=self._ledger.latest(uid),
            deferred=self._deferred.get(uid),
            released=self._released.get(uid),
            evicted=uid in self._evicted,
            lost=self._standing.lost - {self._name},
        )

    def known(self) -> set[str]:
        """Proxies that anything is known of."""
        return self._ledger.by_proxy.keys() | self._deferred.keys() | self._released.keys()

    def forget(self, uid: str) -> None:
        """The proxy is gone."""
        self._ledger.forget(uid)
        self._deferred.pop(uid, None)
        self._released.pop(uid, None)
        self._evicted.discard(uid)
