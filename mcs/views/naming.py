"""Who is meant: events name proxies by uid and placements by id; people know pods by name."""

from __future__ import annotations

from typing import Final, NamedTuple

from mcs.errors import BadName
from mcs.events.decisions import (
    Decision,
    PlacementWithdrawn,
    PodDeferred,
    PodPlaced,
    ProxyEvicted,
    ProxyReleased,
)
from mcs.events.observations import (
    DelegateGone,
    DelegateObserved,
    DelegateRejected,
    Observation,
    OperatorCommanded,
    PodObserved,
    PodsObserved,
    ProxyDeleted,
    ProxyGone,
    ProxyObserved,
    Verb,
)
from mcs.names import split_placement
from mcs.views.words import Span, pod, quiet

_SHOWN: Final = 8  # characters of a uid that nobody named


class Proxied(NamedTuple):
    """A proxy's cluster and name."""

    cluster: str
    namespace: str
    name: str


class Names:
    """Learns names from the events that give them, to use them for those that do not."""

    def __init__(self) -> None:
        self.proxies: dict[str, Proxied] = {}
        self._pods: dict[tuple[str, str], tuple[str, str]] = {}

    def learn(self, event: Observation | Decision, source: str = "") -> None:
        """Note the names in an event; ``source`` is the cluster that observed it."""
        match event:
            case ProxyObserved() | ProxyDeleted() | ProxyGone():
                self.proxies[event.uid] = Proxied(source, event.namespace, event.name)
            case (
                PodPlaced()
                | PodDeferred()
                | PlacementWithdrawn()
                | ProxyEvicted()
                | ProxyReleased()
            ):
                self.proxies[event.uid] = Proxied(event.source, event.namespace, event.name)
            case PodObserved():
                self._pods[source, event.uid] = (event.namespace, event.name)
            case PodsObserved() if event.fits:
                for each in event.each():
                    self._pods[source, each.uid] = (each.namespace, each.name)
            case _:
                pass  # names nobody

    def subject_of(self, event: Observation | Decision) -> tuple[str, Proxied | None]:
        """Uid and name of the proxy that an event concerns; an empty uid where it concerns none."""
        match event:
            case ProxyObserved() | ProxyDeleted() | ProxyGone():
                return event.uid, self.proxies.get(event.uid)
            case (
                PodPlaced()
                | PodDeferred()
                | PlacementWithdrawn()
                | ProxyEvicted()
                | ProxyReleased()
            ):
                return event.uid, Proxied(event.source, event.namespace, event.name)
            case DelegateObserved() | DelegateRejected() | DelegateGone():
                uid, _ = _split(event.placement)
                return uid, self.proxies.get(uid)
            case OperatorCommanded(verb=Verb.RELEASE):
                named = Proxied(event.cluster, event.namespace, event.name)
                uids = [uid for uid, known in self.proxies.items() if known == named]
                return (uids[-1] if uids else ""), named
            case _:
                return "", None

    def of_placement(self, placement: str) -> tuple[Span, int]:
        """A placement's proxy and the number of the attempt."""
        uid, attempt = _split(placement)
        known = self.proxies.get(uid)
        shown = pod(known.namespace, known.name) if known else quiet(f"proxy {uid[:_SHOWN]}…")
        return shown, attempt

    def of_pod(self, cluster: str, uid: str) -> Span:
        """A pod that only uses capacity."""
        known = self._pods.get((cluster, uid))
        return pod(*known) if known else quiet(f"{uid[:_SHOWN]}…")

    def forget_pod(self, cluster: str, uid: str) -> None:
        """A pod's last mention has passed."""
        self._pods.pop((cluster, uid), None)


def _split(placement: str) -> tuple[str, int]:
    try:
        return split_placement(placement)
    except BadName:
        return placement, 0
