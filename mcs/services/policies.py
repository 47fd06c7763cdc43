"""Keeps the admission policies in force that guard virtual nodes and saved manifests.

A virtual node is covered before it is created: a taint alone does not keep others' pods from it.
Afterwards the policies are looked after every minute, so that whoever deletes or changes one finds
it repaired.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from mcs.errors import ClusterError
from mcs.names import Keys
from mcs.ports import Clock
from mcs.services.nodes import Nodes
from mcs.services.registration import Registration

INTERVAL_S: Final = 60.0
RETRY_S: Final = 2.0
_logger: Final = logging.getLogger(__name__)


class Policies:
    """The policies of one cluster, for all targets that it ever had a virtual node for."""

    def __init__(self, registration: Registration, clock: Clock, keys: Keys) -> None:
        self._registration, self._clock, self._keys = registration, clock, keys
        self._targets: set[str] = set()
        self._writing = asyncio.Lock()

    async def cover(self, target: str) -> None:
        """Put the policies in force for this target too.

        Raises:
            ClusterError: the API server does not let us; do not create the node.
        """
        if target not in self._targets:
            await self._ensure(self._targets | {target})

    async def run(self, nodes: Nodes) -> None:
        """Look after them, until cancelled; nodes of an earlier life are covered, too."""
        await nodes.synced.wait()
        while True:
            found = (node.metadata.labels or {} for node in nodes.virtual.values())
            targets = {labels.get(self._keys.target, "") for labels in found} - {""}
            try:
                await self._ensure(self._targets | targets)
            except ClusterError as error:
                _logger.warning("admission policies: %s", error)
                await self._clock.sleep(RETRY_S)
            else:
                await self._clock.sleep(INTERVAL_S)

    async def _ensure(self, targets: set[str]) -> None:
        async with self._writing:
            await self._registration.ensure_policies(sorted(targets | self._targets))
            self._targets |= targets
