"""All nodes of this cluster, watched once: the real ones, and ours, which stand for others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, KeysView, Sequence

from mcs.objects.kinds import NODES, Node
from mcs.objects.owning import is_virtual
from mcs.ports import Clock, Cluster
from mcs.services.reflector import Reflector

Subscriber = Callable[[Node | None, Node | None], None]
"""Called with a node before (None: new) and after (None: gone), on each change and for each node
of each full list. It must not block, and must not raise.
"""


class Nodes:
    """What nodes there are, by name; ``run`` keeps it true. ``synced``: after the first list."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self.real: dict[str, Node] = {}
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
        for table in (self.real, self.virtual):
            for node in [node for name, node in table.items() if name not in named]:
                self.remove(node)
        for node in objects:
            self.change(node)
        self.synced.set()

    def change(self, object: Node) -> None:
        """Take a node as it is now."""
        name = object.metadata.name
        table, other = (self.real, self.virtual)[:: -1 if is_virtual(object) else 1]
        if name in other:
            self.remove(other[name])
        before = table.get(name)
        table[name] = object
        self._tell(before, object)

    def remove(self, object: Node) -> None:
        """Forget a node that is gone."""
        name = object.metadata.name
        before = self.real.pop(name, None) or self.virtual.pop(name, None)
        if before is not None:
            self._tell(before, None)

    def _tell(self, before: Node | None, after: Node | None) -> None:
        for subscriber in self._subscribers:
            subscriber(before, after)
