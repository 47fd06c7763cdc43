"""All nodes of this cluster, watched once: the real ones, and ours, which stand for others.

Virtual nodes are kept whole; of real ones, of which there may be thousands, what is said of them.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, KeysView, Sequence

import msgspec

from mcs.errors import BadQuantity
from mcs.events.observations import NodeObserved
from mcs.names import Keys
from mcs.objects.kinds import NODES, Node
from mcs.objects.observing import node_observed
from mcs.ports import Clock, Cluster
from mcs.quantities import shared
from mcs.services.reflector import Reflector

Subscriber = Callable[[Node | None, Node | None], None]
"""Called with a virtual node before (None: new) and after (None: gone), on each change and for each
node of each full list. It must not block, and must not raise.
"""

RealSubscriber = Callable[[NodeObserved | None, NodeObserved | None], None]
"""Called with a real node before and after, as a ``Subscriber`` is."""

_logger = logging.getLogger(__name__)


class Nodes:
    """What nodes there are, by name; ``run`` keeps it true. ``synced``: after the first list."""

    def __init__(self, cluster: Cluster, keys: Keys, clock: Clock) -> None:
        self.real: dict[str, NodeObserved] = {}
        self.virtual: dict[str, Node] = {}
        self.synced = asyncio.Event()
        self._keys = keys
        self._subscribers: list[Subscriber] = []
        self._real_subscribers: list[RealSubscriber] = []
        self._reflector = Reflector(cluster, NODES.keeping(self._kept), clock, self)

    @property
    def virtual_names(self) -> KeysView[str]:
        """Names of the virtual nodes; changes with them."""
        return self.virtual.keys()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Tell ``subscriber`` of every change from now on of virtual nodes."""
        self._subscribers.append(subscriber)

    def subscribe_real(self, subscriber: RealSubscriber) -> None:
        """Tell ``subscriber`` of every change from now on of real nodes."""
        self._real_subscribers.append(subscriber)

    async def run(self) -> None:
        """List and watch, until cancelled."""
        await self._reflector.run()

    async def relist(self) -> None:
        """Read all nodes anew; returns when every subscriber was told of each."""
        await self._reflector.relist()

    def replace(self, objects: Sequence[Node | NodeObserved | None]) -> None:
        """Take a full list (of real nodes, what is said): what it does not name is gone."""
        there = [node for node in objects if node is not None]
        named = {_name(node) for node in there}
        for name in [*self.real, *self.virtual]:
            if name not in named:
                self._drop(name)
        for node in there:
            self._take(node)
        self.synced.set()

    def change(self, object: Node) -> None:
        """Take a node as it is now."""
        kept = self._kept(object)
        if kept is None:
            self._drop(object.metadata.name)
        else:
            self._take(kept)

    def remove(self, object: Node) -> None:
        """Forget a node that is gone."""
        self._drop(object.metadata.name)

    def _kept(self, node: Node) -> Node | NodeObserved | None:
        """What is kept of a node; None for one that cannot be read."""
        try:
            observed = node_observed(node, self._keys)
        except BadQuantity as error:
            _logger.warning("node %s is left out: %s", node.metadata.name, error)
            return None
        return node if observed is None else _lean(observed)

    def _take(self, node: Node | NodeObserved) -> None:
        name = _name(node)
        if isinstance(node, NodeObserved):
            if name in self.virtual:
                self._drop(name)
            known = self.real.get(name)
            self.real[name] = node
            self._tell_real(known, node)
        else:
            if name in self.real:
                self._drop(name)
            before = self.virtual.get(name)
            self.virtual[name] = node
            self._tell(before, node)

    def _drop(self, name: str) -> None:
        if name in self.real:
            self._tell_real(self.real.pop(name), None)
        elif name in self.virtual:
            self._tell(self.virtual.pop(name), None)

    def _tell(self, before: Node | None, after: Node | None) -> None:
        for subscriber in self._subscribers:
            subscriber(before, after)

    def _tell_real(self, before: NodeObserved | None, after: NodeObserved | None) -> None:
        for subscriber in self._real_subscribers:
            subscriber(before, after)


def _name(node: Node | NodeObserved) -> str:
    return node.name if isinstance(node, NodeObserved) else node.metadata.name


def _lean(node: NodeObserved) -> NodeObserved:
    """The same, with the words and amounts that nodes share kept once."""
    intern = sys.intern
    return msgspec.structs.replace(
        node,
        allocatable=shared(node.allocatable),
        labels={intern(key): intern(value) for key, value in node.labels.items()},
        pool=intern(node.pool),
    )
