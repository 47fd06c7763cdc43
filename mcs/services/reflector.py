"""List and watch: what a cluster holds of one kind, handed to one handler, with nothing missed.

A full list comes first, then every change after it. When a watch ends or breaks, the next one
starts at the last resourceVersion seen (bookmarks move it on while nothing changes). When that is
too old, or a watch cannot be taken up again, everything is listed anew: so a gap is never passed
over, it turns into another full list. No error ends the loop; it waits and tries again.

The handler's methods are synchronous: between two of its calls its picture is whole.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from random import Random
from typing import Final, Generic, Protocol, TypeVar

from mcs.errors import Busy, ClusterError, Expired
from mcs.objects.kinds import Kind, Object
from mcs.ports import Change, Clock, Cluster

T = TypeVar("T", bound=Object)
T_contra = TypeVar("T_contra", bound=Object, contravariant=True)

FIRST_WAIT_S: Final = 0.1
LAST_WAIT_S: Final = 10.0
WAIT_MAX_S: Final = 60.0  # even if the server asks for more
RESUMES_MAX: Final = 3  # of a watch in vain, before everything is listed again
SHORT_S: Final = 1.0  # a watch that ends sooner, without a word, counts as failed

_logger = logging.getLogger(__name__)


class Handler(Protocol[T_contra]):
    """Who wants to know. Its methods must not block, and must not raise."""

    def replace(self, items: Sequence[T_contra], /) -> None:
        """Take a full list: what it does not name is gone."""

    def change(self, item: T_contra, /) -> None:
        """Take a new object, or an object as it is now."""

    def remove(self, item: T_contra, /) -> None:
        """Take the last state of an object that is gone."""


class Reflector(Generic[T]):
    """One kind in one cluster, narrowed by selectors, kept true in ``handler`` by ``run``.

    ``synced`` is set when the first full list was delivered. ``random`` spreads the waits; by
    default its sequence is fixed by the kind.
    """

    def __init__(
        self,
        cluster: Cluster,
        kind: Kind[T],
        clock: Clock,
        handler: Handler[T],
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        random: Random | None = None,
    ) -> None:
        self.synced = asyncio.Event()
        self._cluster, self._kind, self._clock, self._handler = cluster, kind, clock, handler
        self._namespace, self._labels, self._fields = namespace, labels, fields
        self._random = random or Random(kind.name)  # noqa: S311 - spreads waits, hides nothing
        self._wait_s = FIRST_WAIT_S
        self._position = ""
        self._asked = asyncio.Event()
        self._asking: list[asyncio.Future[None]] = []

    async def run(self) -> None:
        """List and watch, until cancelled."""
        try:
            while True:
                if await self._list():
                    await self._watch_until_asked()
        finally:
            for future in self._asking:
                future.cancel()

    async def relist(self) -> None:
        """Return when a full list that was begun after this call has been delivered."""
        future = asyncio.get_running_loop().create_future()
        self._asking.append(future)
        self._asked.set()
        await future

    async def _list(self) -> bool:
        self._asked.clear()
        asking, self._asking = self._asking, []
        try:
            listed = await self._cluster.list(
                self._kind, namespace=self._namespace, labels=self._labels, fields=self._fields
            )
        except ClusterError as error:
            self._asking = asking + self._asking
            await self._wait(error)
            return False
        except BaseException:
            self._asking = asking + self._asking  # cancelled: so are they, by ``run``
            raise
        self._wait_s = FIRST_WAIT_S
        self._position = listed.resource_version
        self._handler.replace(listed.items)
        self.synced.set()
        for future in asking:
            if not future.done():
                future.set_result(None)
        return True

    async def _watch_until_asked(self) -> None:
        watching = asyncio.create_task(self._watch())
        asked = asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait({watching, asked}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        finally:
            watching.cancel()
            asked.cancel()
            await asyncio.gather(watching, asked, return_exceptions=True)

    async def _watch(self) -> None:
        """Follow changes; return when the list has to be read again."""
        failures = 0
        while failures < RESUMES_MAX:
            opened, begun = self._position, self._clock.monotonic()
            error: ClusterError | None = None
            try:
                await self._follow()
            except Expired:
                _logger.info("%s: position %s has expired", self._kind, self._position)
                return
            except ClusterError as caught:
                error = caught
            if self._position != opened:
                failures, self._wait_s = 0, FIRST_WAIT_S
            if error is not None or (
                self._position == opened and self._clock.monotonic() - begun < SHORT_S
            ):
                failures += 1
                await self._wait(error)

    async def _follow(self) -> None:
        async with self._cluster.watch(
            self._kind,
            since=self._position,
            namespace=self._namespace,
            labels=self._labels,
            fields=self._fields,
        ) as events:
            async for event in events:
                if event.change is Change.DELETED:
                    self._handler.remove(event.object)
                elif event.change is not Change.BOOKMARK:
                    self._handler.change(event.object)
                self._position = event.object.metadata.resource_version

    async def _wait(self, error: ClusterError | None) -> None:
        wait_s = self._wait_s * self._random.uniform(0.5, 1.0)
        if isinstance(error, Busy):
            wait_s = min(max(wait_s, error.retry_after_s), WAIT_MAX_S)
        self._wait_s = min(self._wait_s * 2, LAST_WAIT_S)
        if error is not None:
            _logger.warning("%s: %s; next try in %.1f s", self._kind, error, wait_s)
        await self._clock.sleep(wait_s)
