"""The namespaces of this cluster, watched: at every create it is asked whether one takes
delegates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mcs.objects.kinds import NAMESPACES, Namespace
from mcs.ports import Clock, Cluster
from mcs.services.reflector import Reflector


class Namespaces:
    """Namespaces by name; ``run`` keeps them true. ``synced`` is set after the first list."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self.synced = asyncio.Event()
        self._known: dict[str, Namespace] = {}
        self._reflector = Reflector(cluster, NAMESPACES, clock, self)

    async def run(self) -> None:
        """Watch, until cancelled."""
        await self._reflector.run()

    def get(self, name: str) -> Namespace | None:
        """The namespace as last seen; None when there was none."""
        return self._known.get(name)

    def replace(self, objects: Sequence[Namespace]) -> None:
        """Take a full list."""
        self._known = {item.metadata.name: item for item in objects}
        self.synced.set()

    def change(self, object: Namespace) -> None:
        """Take a namespace as it is now."""
        self._known[object.metadata.name] = object

    def remove(self, object: Namespace) -> None:
        """Forget a namespace that is gone."""
        self._known.pop(object.metadata.name, None)
