"""All pods of this cluster, watched once for every service of its agent.

Proxies and delegates are kept whole. All others only count as use of capacity: of them we keep just
that, one ``PodObserved`` each with shared words and requests, so that a cluster of twenty thousand
pods fits in little memory (``bench.agent`` measures it).

A pod is known by its uid: one that was deleted and made again under its name while nobody watched
is two pods, and subscribers hear of the end of the first.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from mcs.errors import BadQuantity
from mcs.events.observations import PodObserved
from mcs.names import Keys
from mcs.objects.kinds import PODS, Metadata, Pod, PodSpec
from mcs.objects.observing import pod_observed
from mcs.objects.owning import Role, owner, role
from mcs.ports import Clock, Cluster
from mcs.quantities import shared
from mcs.services.reflector import Reflector

Subscriber = Callable[[Role, Pod | None, Pod | None], None]
"""Called with the role of a pod that is not ``Role.OTHER``, the pod before (None: new) and after
(None: gone), on each change and for each pod of each full list. It must not block, and must not
raise.
"""

UseSubscriber = Callable[[PodObserved | None, PodObserved | None], None]
"""Called with what another pod used before (None: nothing) and uses now (None: nothing any more),
as a ``Subscriber`` is; never with twice None.
"""

_UNSHOWN: Final = "unshown"  # a deletion whose time nobody saw

_logger = logging.getLogger(__name__)


class Pods:
    """What pods there are, by role; ``run`` keeps it true.

    ``proxies``, ``strays`` (not ours, yet bound to a virtual node) and ``others`` (those that use
    capacity, as far as that) are keyed by uid, ``delegates`` by placement id. ``synced`` is set
    after the first list. ``virtual_nodes`` holds the names of this cluster's virtual nodes and may
    change: then call ``reclassify``.
    """

    def __init__(
        self,
        cluster: Cluster,
        keys: Keys,
        clock: Clock,
        *,
        virtual_nodes: AbstractSet[str] = frozenset(),
    ) -> None:
        self.proxies: dict[str, Pod] = {}
        self.delegates: dict[str, Pod] = {}
        self.strays: dict[str, Pod] = {}
        self.others: dict[str, PodObserved] = {}
        self.synced = asyncio.Event()
        self._keys, self._virtual_nodes = keys, virtual_nodes
        self._tables = {
            Role.PROXY: self.proxies,
            Role.DELEGATE: self.delegates,
            Role.STRAY: self.strays,
        }
        self._entries: dict[str, tuple[Role, str]] = {}  # role and key in these tables, by uid
        self._subscribers: list[Subscriber] = []
        self._use_subscribers: list[UseSubscriber] = []
        self._reflector = Reflector(cluster, PODS.keeping(self._kept), clock, self)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Tell ``subscriber`` of every change from now on of pods that concern us."""
        self._subscribers.append(subscriber)

    def subscribe_use(self, subscriber: UseSubscriber) -> None:
        """Tell ``subscriber`` of every change from now on of what other pods use."""
        self._use_subscribers.append(subscriber)

    async def run(self) -> None:
        """List and watch, until cancelled."""
        await self._reflector.run()

    async def relist(self) -> None:
        """Read all pods anew; returns when every subscriber was told of each."""
        await self._reflector.relist()

    def replace(self, pods: Sequence[Pod | PodObserved | None]) -> None:
        """Take a full list (of others, what they use): what it does not name is gone."""
        there = [pod for pod in pods if pod is not None]
        named = {_uid(pod) for pod in there}
        for uid in [uid for table in (self._entries, self.others) for uid in table]:
            if uid not in named:
                self._drop(uid)
        for pod in there:
            self._take(pod)
        self.synced.set()

    def change(self, pod: Pod) -> None:
        """Take a pod as it is now."""
        kept = self._kept(pod)
        if kept is None:
            self._drop(pod.metadata.uid)
        else:
            self._take(kept)

    def remove(self, pod: Pod) -> None:
        """Take a pod's last state: it is gone."""
        uid = pod.metadata.uid
        if uid in self._entries:
            if pod.metadata.deletion_timestamp is None:
                # Deleted with grace 0: the API server removes it without showing the request.
                metadata = msgspec.structs.replace(pod.metadata, deletion_timestamp=_UNSHOWN)
                pod = msgspec.structs.replace(pod, metadata=metadata)
            self.change(pod)  # the last state may tell more than the one before
        self._drop(uid)

    def reclassify(self) -> None:
        """Look again at pods that virtual nodes concern."""
        moved = [_as_pod(used) for used in self.others.values() if used.node in self._virtual_nodes]
        moved += [
            pod for pod in self.strays.values() if pod.spec.node_name not in self._virtual_nodes
        ]
        for pod in moved:
            self.change(pod)

    def _kept(self, pod: Pod) -> Pod | PodObserved | None:
        """What is kept of a pod: of another one, what it uses; None when that is nothing."""
        found = role(pod, self._keys, virtual_nodes=self._virtual_nodes)
        return _used(pod) if found is Role.OTHER else pod

    def _take(self, kept: Pod | PodObserved) -> None:
        uid = _uid(kept)
        role, key = (Role.OTHER, uid) if isinstance(kept, PodObserved) else self._classify(kept)
        if uid in (self._entries if role is Role.OTHER else self.others):
            self._drop(uid)
        if isinstance(kept, PodObserved):
            return self._use(uid, kept)
        if role is Role.OTHER:
            return self._use(uid, _used(kept))
        if self._entries.get(uid, (role, key)) != (role, key):
            self._drop(uid)
        table = self._tables[role]
        before = table.get(key)
        table[key] = kept
        self._entries[uid] = role, key
        return self._tell(role, before, kept)

    def _classify(self, pod: Pod) -> tuple[Role, str]:
        found = role(pod, self._keys, virtual_nodes=self._virtual_nodes)
        owned = owner(pod, self._keys) if found is Role.DELEGATE else None
        if owned is None:
            return found, pod.metadata.uid
        first = self.delegates.get(owned.placement)
        if first is None or first.metadata.uid == pod.metadata.uid:
            return found, owned.placement
        _logger.warning(
            "pod %s/%s carries the placement of pod %s: somebody copied its labels",
            pod.metadata.namespace,
            pod.metadata.name,
            first.metadata.name,
        )
        return Role.OTHER, pod.metadata.uid

    def _use(self, uid: str, after: PodObserved | None) -> None:
        before = self.others.get(uid)
        if after is not None:
            self.others[uid] = after
        elif before is not None:
            del self.others[uid]
        else:
            return
        for subscriber in self._use_subscribers:
            subscriber(before, after)

    def _drop(self, uid: str) -> None:
        if uid not in self._entries:
            self._use(uid, None)
            return
        role, key = self._entries.pop(uid)
        before = self._tables[role].pop(key)
        self._tell(role, before, None)

    def _tell(self, role: Role, before: Pod | None, after: Pod | None) -> None:
        for subscriber in self._subscribers:
            subscriber(role, before, after)


def _uid(pod: Pod | PodObserved) -> str:
    return pod.uid if isinstance(pod, PodObserved) else pod.metadata.uid


def _used(pod: Pod) -> PodObserved | None:
    """What another pod uses. Thousands share a handful of namespaces, nodes and requests."""
    try:
        observed = pod_observed(pod)
    except BadQuantity as error:
        where = f"{pod.metadata.namespace}/{pod.metadata.name}"
        _logger.warning("pod %s is left out: %s", where, error)
        return None
    if observed is None:
        return None
    return msgspec.structs.replace(
        observed,
        namespace=sys.intern(observed.namespace),
        node=sys.intern(observed.node),
        requests=shared(observed.requests),
    )


def _as_pod(used: PodObserved) -> Pod:
    """What we still know of a pod that turned out to be a stray."""
    return Pod(
        metadata=Metadata(name=used.name, namespace=used.namespace, uid=used.uid),
        spec=PodSpec(node_name=used.node),
    )
