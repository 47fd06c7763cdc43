"""All nodes of this cluster, watched once: the real ones, and ours, which stand for others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, KeysView, Sequence

from mcs.objects.kinds import NODES, Metadata, Node
from mcs.objects.owning import is_virtual
from mcs.ports import Clock, Cluster
from mcs.services.reflector import Reflector

Subscriber = Callable[[Node | None, Node | None], None]
"""Called with a node before (None: new) and after (None: gone), on each change and for each node
of each full list. A real node before is no more than its name: thousands are not kept whole. It
must not block, and must not raise.
"""


class Nodes:
    """What nodes there are: the names of the real ones, the ``virtual`` ones by name; ``run`` keeps
    it true. ``synced``: after the first list.
    """

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self.real: set[str] = set()
        self.virtual: dict[str, Node] = {}
        self.synced = asyncio.Event()
        self._subscribers: list[Subscriber] = []
        self._reflector = Reflector(cluster, NODES, clock, self)

    @property
    def virtual_names(self) -> KeysView[str]:
        """Names of the virtual nodes; changes with them."""
        return self.virtual.keys()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Tell ``subscriber`` of every change from now on."""
        self._subscribers.append(subscriber)

    async def run(self) -> None:
        """List and watch, until cancelled."""
        await self._reflector.run()

    async def relist(self) -> None:
        """Read all nodes anew; returns when every subscriber was told of each."""
        await self._reflector.relist()

    def replace(self, objects: Sequence[Node]) -> None:
        """Take a full list: what it does not name is gone."""
        named = {node.metadata.name for node in objects}
        for name in [*self.real, *self.virtual]:
            if name not in named:
                self._drop(name)
        for node in objects:
            self.change(node)
        self.synced.set()

    def change(self, object: Node) -> None:
        """Take a node as it is now."""
        name, virtual = object.metadata.name, is_virtual(object)
        if name in (self.real if virtual else self.virtual):
            self._drop(name)
        before = self._known(name)
        if virtual:
            self.virtual[name] = object
        else:
            self.real.add(name)
        self._tell(before, object)

    def remove(self, object: Node) -> None:
        """Forget a node that is gone."""
        self._drop(object.metadata.name)

    def _known(self, name: str) -> Node | None:
        if name in self.real:
            return Node(metadata=Metadata(name=name))
        return self.virtual.get(name)

    def _drop(self, name: str) -> None:
        before = self._known(name)
        if before is not None:
            self.real.discard(name)
            self.virtual.pop(name, None)
            self._tell(before, None)

    def _tell(self, before: Node | None, after: Node | None) -> None:
        for subscriber in self._subscribers:
            subscriber(before, after)
