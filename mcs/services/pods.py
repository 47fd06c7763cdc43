"""All pods of this cluster, watched once for every service of its agent.

Proxies and delegates are kept whole. All others only count as use of capacity: of them we keep
names, node and phase, so that a cluster of twenty thousand pods fits in little memory.

A pod is known by its uid: one that was deleted and made again under its name while nobody watched
is two pods, and subscribers hear of the end of the first.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, assert_never

import msgspec

from mcs.names import Keys
from mcs.objects.kinds import PODS, Metadata, Pod, PodSpec, PodStatus
from mcs.objects.owning import Role, owner, role
from mcs.ports import Clock, Cluster
from mcs.services.reflector import Reflector

Subscriber = Callable[[Role, Pod | None, Pod | None], None]
"""Called with a pod's role, the pod before (None: new) and after (None: gone), on each change and
for each pod of each full list. The pod before is slim for ``Role.OTHER``. It must not block, and
must not raise.
"""

_UNSHOWN: Final = "unshown"  # a deletion whose time nobody saw

_logger = logging.getLogger(__name__)


class Pods:
    """What pods there are, by role; ``run`` keeps it true.

    ``proxies``, ``strays`` (not ours, yet bound to a virtual node) and ``others`` (slim) are keyed
    by uid, ``delegates`` by placement id. ``synced`` is set after the first list. ``virtual_nodes``
    holds the names of this cluster's virtual nodes and may change: then call ``reclassify``.
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
        self.others: dict[str, Pod] = {}
        self.synced = asyncio.Event()
        self._keys, self._virtual_nodes = keys, virtual_nodes
        self._entries: dict[str, tuple[Role, str]] = {}  # role and key in its table, by uid
        self._subscribers: list[Subscriber] = []
        self._reflector = Reflector(cluster, PODS, clock, self)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Tell ``subscriber`` of every change from now on."""
        self._subscribers.append(subscriber)

    async def run(self) -> None:
        """List and watch, until cancelled."""
        await self._reflector.run()

    async def relist(self) -> None:
        """Read all pods anew; returns when every subscriber was told of each."""
        await self._reflector.relist()

    def replace(self, pods: Sequence[Pod]) -> None:
        """Take a full list: what it does not name is gone."""
        named = {pod.metadata.uid for pod in pods}
        for uid in [uid for uid in self._entries if uid not in named]:
            self._drop(uid)
        for pod in pods:
            self.change(pod)
        self.synced.set()

    def change(self, pod: Pod) -> None:
        """Take a pod as it is now."""
        uid = pod.metadata.uid
        role, key = self._classify(pod)
        if self._entries.get(uid, (role, key)) != (role, key):
            self._drop(uid)
        table = self._table(role)
        before = table.get(key)
        table[key] = _slim(pod) if role is Role.OTHER else pod
        self._entries[uid] = role, key
        self._tell(role, before, pod)

    def remove(self, pod: Pod) -> None:
        """Take a pod's last state: it is gone."""
        if pod.metadata.uid not in self._entries:
            return
        if pod.metadata.deletion_timestamp is None:
            # Deleted with grace 0: the API server removes it without ever showing the request.
            metadata = msgspec.structs.replace(pod.metadata, deletion_timestamp=_UNSHOWN)
            pod = msgspec.structs.replace(pod, metadata=metadata)
        self.change(pod)  # the last state may tell more than the one before
        self._drop(pod.metadata.uid)

    def reclassify(self) -> None:
        """Look again at pods that virtual nodes concern."""
        moved = [
            pod
            for table in (self.others, self.strays)
            for pod in table.values()
            if (pod.spec.node_name in self._virtual_nodes) != (table is self.strays)
        ]
        for pod in moved:
            self.change(pod)

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

    def _table(self, role: Role) -> dict[str, Pod]:
        match role:
            case Role.PROXY:
                return self.proxies
            case Role.DELEGATE:
                return self.delegates
            case Role.STRAY:
                return self.strays
            case Role.OTHER:
                return self.others
            case _:
                assert_never(role)

    def _drop(self, uid: str) -> None:
        role, key = self._entries.pop(uid)
        before = self._table(role).pop(key)
        self._tell(role, before, None)

    def _tell(self, role: Role, before: Pod | None, after: Pod | None) -> None:
        for subscriber in self._subscribers:
            subscriber(role, before, after)


def _slim(pod: Pod) -> Pod:
    """What is kept of a pod that only uses capacity."""
    metadata = pod.metadata
    return Pod(
        metadata=Metadata(
            name=metadata.name, namespace=sys.intern(metadata.namespace), uid=metadata.uid
        ),
        spec=PodSpec(node_name=sys.intern(pod.spec.node_name or "")),
        status=PodStatus(phase=sys.intern(pod.status.phase or "")),
    )
