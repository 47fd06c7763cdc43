"""Channel ``capacity``: real nodes, node pools, and what pods that are not ours take of nodes."""

from __future__ import annotations

import logging
import sys
from collections import Counter

import msgspec

from mcs.errors import BadQuantity
from mcs.events import subjects
from mcs.events.observations import (
    NodeGone,
    NodeObserved,
    NodePoolGone,
    NodePoolObserved,
    PodGone,
    PodObserved,
)
from mcs.names import Keys
from mcs.objects.kinds import Node, Pod
from mcs.objects.observing import node_observed, pod_observed
from mcs.objects.owning import Role, is_virtual
from mcs.quantities import Resources
from mcs.services.accounts import Account
from mcs.services.nodes import Nodes
from mcs.services.publisher import Publisher
from mcs.services.usage import Usage

_logger = logging.getLogger(__name__)


class Capacity:
    """What the cluster has and what others use of it, as it was said."""

    def __init__(self, publisher: Publisher, keys: Keys, nodes: Nodes, usage: Usage) -> None:
        self.account = Account(publisher, subjects.CAPACITY)
        self.nodes: dict[str, NodeObserved] = {}
        self.pods: dict[str, PodObserved] = {}
        self._keys, self._virtual_nodes, self._usage = keys, nodes.virtual_names, usage
        self._pools: Counter[str] = Counter()
        self._requests: dict[tuple[tuple[str, int], ...], Resources] = {}
        self._whole = False

    def begin(self) -> None:
        """Say everything again; pools are counted when the list is whole."""
        self.account.begin()
        self._whole = False

    def complete(self) -> None:
        """The list is whole."""
        self._whole = True
        for pool in sorted(self._pools):
            self._say_pool(pool)

    def node(self, before: Node | None, after: Node | None) -> None:
        """Take a node's change."""
        node = after or before
        assert node is not None, "a change is of something"
        if is_virtual(node):
            return
        name = node.metadata.name
        known = self.nodes.pop(name, None)
        observed = self._observe(after) if after is not None else None
        if observed is None:
            self.account.end(f"node/{name}", NodeGone(name=name))
        else:
            self.nodes[name] = observed
            self.account.say(f"node/{name}", observed)
        self._count(known, observed)

    def pod(self, role: Role, before: Pod | None, after: Pod | None) -> None:
        """Take a pod's change."""
        pod = after or before
        if role is not Role.OTHER or pod is None:
            return
        uid = pod.metadata.uid
        observed = self._use(after) if after is not None else None
        if observed is None:
            self.pods.pop(uid, None)
            self._usage.discharge(uid)
            self.account.end(f"pod/{uid}", PodGone(uid=uid))
        elif self.pods.get(uid) != observed or not self._whole:
            self.pods[uid] = observed
            self._usage.charge(uid, observed.node, observed.requests)
            self.account.say(f"pod/{uid}", observed)

    def _observe(self, node: Node) -> NodeObserved | None:
        try:
            return node_observed(node, self._keys)
        except BadQuantity as error:
            _logger.warning("node %s is left out: %s", node.metadata.name, error)
            return None

    def _use(self, pod: Pod) -> PodObserved | None:
        try:
            observed = pod_observed(pod, self._keys, virtual_nodes=self._virtual_nodes)
        except BadQuantity as error:
            _logger.warning(
                "pod %s/%s is left out: %s", pod.metadata.namespace, pod.metadata.name, error
            )
            return None
        if observed is None:
            return None
        # Thousands of pods share a handful of namespaces, nodes and requests.
        requests = self._requests.setdefault(tuple(observed.requests.items()), observed.requests)
        return msgspec.structs.replace(
            observed,
            namespace=sys.intern(observed.namespace),
            node=sys.intern(observed.node),
            requests=requests,
        )

    def _count(self, before: NodeObserved | None, after: NodeObserved | None) -> None:
        pools = {node.pool: None for node in (before, after) if node is not None}
        if before is not None:
            self._pools[before.pool] -= 1
        if after is not None:
            self._pools[after.pool] += 1
        for pool in pools if self._whole else ():
            self._say_pool(pool)

    def _say_pool(self, pool: str) -> None:
        if nodes := self._pools[pool]:
            self.account.say(f"pool/{pool}", NodePoolObserved(name=pool, nodes=nodes))
        else:
            del self._pools[pool]
            self.account.end(f"pool/{pool}", NodePoolGone(name=pool))
