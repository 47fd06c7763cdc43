"""Snapshots in memory: the twin of the NATS object store.

Several connections share one ``bucket``; as with the log's twin, what goes wrong in the world is
done to these objects. A test that wants a damaged snapshot changes the bucket.
"""

from __future__ import annotations

import asyncio

from mcs.errors import BadSnapshot, Unavailable


class MemorySnapshots:
    """``Snapshots`` of ``mcs.ports`` over a dict, newest last, which connections may share."""

    def __init__(self, bucket: dict[str, bytes] | None = None) -> None:
        self.bucket: dict[str, bytes] = {} if bucket is None else bucket
        self.connected = True

    def cut(self) -> None:
        """The connection breaks."""
        self.connected = False

    def mend(self) -> None:
        """It is there again."""
        self.connected = True

    async def names(self) -> list[str]:
        """See ``mcs.ports.Snapshots.names``."""
        await self._travel()
        return list(reversed(self.bucket))

    async def load(self, name: str) -> bytes:
        """See ``mcs.ports.Snapshots.load``."""
        await self._travel()
        data = self.bucket.get(name)
        if data is None:
            raise BadSnapshot(f"there is no snapshot {name}")
        return data

    async def save(self, name: str, data: bytes) -> None:
        """See ``mcs.ports.Snapshots.save``."""
        await self._travel()
        self.bucket.pop(name, None)
        self.bucket[name] = data
        await self._travel()

    async def delete(self, name: str) -> None:
        """See ``mcs.ports.Snapshots.delete``."""
        await self._travel()
        self.bucket.pop(name, None)

    async def _travel(self) -> None:
        """A call takes a while, and needs a connection at both ends of it."""
        for _ in range(2):
            if not self.connected:
                raise Unavailable("not connected")
            await asyncio.sleep(0)
