"""Tells the log what is in this cluster: nodes, pods, proxies, delegates; first all, then changes.

A full account of a channel begins with ``ResyncStarted``. Only when that is stored are lists read:
what is in them is then surely newer than anything said before. ``ResyncCompleted`` ends it: nodes,
pods and proxies that were not named in between are gone. Of delegates each end is told by itself;
those that an earlier epoch saw and that are not there any more are told to be gone.

The observer starts the watches of nodes and pods, since their first lists belong to the epoch's
first account; everybody else subscribes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from mcs.events import SCHEMA, subjects
from mcs.events.observations import ResyncCompleted, ResyncStarted
from mcs.names import Keys
from mcs.objects.kinds import Node, Pod
from mcs.objects.owning import Role
from mcs.objects.summary import Summary
from mcs.ports import Clock
from mcs.services.capacity import Capacity
from mcs.services.delegates import Delegates
from mcs.services.nodes import Nodes
from mcs.services.pods import Pods
from mcs.services.proxies import Proxies
from mcs.services.publisher import Publisher
from mcs.services.standing import Standing
from mcs.services.target_ledger import TargetLedger
from mcs.services.usage import Usage

RESYNC_EVERY_S: Final = 10.0  # a full account costs a list of all pods: no more often on demand

_logger = logging.getLogger(__name__)


class Observer:
    """The facts of one epoch. ``told`` is None where no delegates run (a source only), ``proxies``
    where no proxies are. Others run ``standing``.

    ``resyncs``: sequence of the ``ResyncStarted`` of each channel's last completed account.
    ``complete`` is set when the epoch's first one is.
    """

    def __init__(
        self,
        publisher: Publisher,
        clock: Clock,
        keys: Keys,
        nodes: Nodes,
        pods: Pods,
        *,
        standing: Standing,
        source: bool = True,
        told: TargetLedger | None = None,
        resync_every_s: float = RESYNC_EVERY_S,
    ) -> None:
        self.resyncs: dict[str, int] = {}
        self.complete = asyncio.Event()
        self.usage = Usage()
        self.capacity = Capacity(publisher, self.usage)
        self.proxies = Proxies(publisher, keys) if source else None
        self.delegates = Delegates(publisher, keys, pods, told, self.usage) if told else None
        self.told = told
        self._publisher, self._clock = publisher, clock
        self._nodes, self._pods, self._standing = nodes, pods, standing
        self._every_s = resync_every_s
        self._wanted: dict[str, bool] = {}  # channel → whether lists must be read for it
        self._begun_s: dict[str, float] = {}
        self._more = asyncio.Event()

    def ask(self, channel: str = "") -> bool:
        """Ask for a full account of a channel (empty: of all); False when it had one just now, or
        there is no such channel.
        """
        now_s = self._clock.monotonic()
        channels = [
            name
            for name in (subjects.CLUSTER, *self._channels())
            if channel in {"", name}
            and now_s >= self._begun_s.get(name, -self._every_s) + self._every_s
        ]
        for name in channels:
            self._want(name, listing=True)
        return bool(channels)

    def speak(self, schema: int) -> None:
        """Use the words of ``schema`` from now on; where that is a change, say everything anew."""
        if self._publisher.speak(schema):
            for channel in self._channels():
                self._want(channel, listing=True)

    def summary(self) -> Summary:
        """The cluster in a few numbers, as far as it was observed."""
        return self.capacity.totals.summary()

    async def run(self) -> None:
        """Tell all, then changes, until cancelled.

        Raises (in an exception group):
            LogLost: as ``Follower.run``.
            Unavailable: the publisher stopped.
        """
        self._publisher.on_open = self._on_open
        self._nodes.subscribe(self._on_node)
        self._nodes.subscribe_real(self.capacity.node)
        self._pods.subscribe(self._on_pod)
        self._pods.subscribe_use(self.capacity.use)
        async with asyncio.TaskGroup() as tasks:
            if self.told is not None:
                tasks.create_task(self.told.run())
                await self.told.caught_up()
            await self._standing.caught_up.wait()
            # The first account is in words that the active scheduler knows.
            self._publisher.speak(min(self._standing.schema or SCHEMA, SCHEMA))
            self._standing.subscribe_schema(self.speak)
            started = await self._start(dict.fromkeys(self._channels(), "a new epoch"))
            tasks.create_task(self._nodes.run())
            await self._nodes.synced.wait()  # which pods are strays, virtual nodes tell
            tasks.create_task(self._pods.run())
            await self._pods.synced.wait()
            await self._finish(started)
            self.complete.set()
            while True:
                await self._more.wait()
                self._more.clear()
                await self._resync()

    async def _resync(self) -> None:
        wanted, self._wanted = self._wanted, {}
        started = await self._start(
            {
                channel: "on request" if asked else "after first use"
                for channel, asked in wanted.items()
            }
        )
        if any(wanted.values()):
            await self._nodes.relist()
            await self._pods.relist()
        for channel in wanted:
            source = subjects.delegate_source(channel)
            if self.delegates is not None and source is not None and not wanted[channel]:
                self.delegates.restate(source)
        await self._finish(started)

    async def _start(self, reasons: dict[str, str]) -> dict[str, int]:
        """Begin accounts, each for its reason; the sequence that each began at."""
        started: dict[str, int] = {}
        for channel, reason in reasons.items():
            _logger.info("full account of %s: %s", channel, reason)
            self._begun_s[channel] = self._clock.monotonic()
            self._begin(channel)
            event = ResyncStarted(reason=reason)
            started[channel] = await self._publisher.publish(channel, event)
        return started

    def _begin(self, channel: str) -> None:
        """Forget what was said, at the moment in which ``ResyncStarted`` is offered."""
        source = subjects.delegate_source(channel)
        if channel == subjects.CAPACITY:
            self.capacity.begin()
        elif channel == subjects.PROXY and self.proxies is not None:
            self.proxies.account.begin()
        elif source is not None and self.delegates is not None:
            self.delegates.begin(source)

    async def _finish(self, started: dict[str, int]) -> None:
        """End accounts: all was said."""
        for channel, sequence in started.items():
            source = subjects.delegate_source(channel)
            if channel == subjects.CAPACITY:
                self.capacity.complete()
            elif source is not None and self.delegates is not None and self.told is not None:
                await self.told.observations.reached(sequence)
                self.delegates.complete(source)
            await self._publisher.publish(channel, ResyncCompleted(started=sequence))
            self.resyncs[channel] = sequence

    def _channels(self) -> list[str]:
        channels = [subjects.CAPACITY]
        if self.proxies is not None:
            channels.append(subjects.PROXY)
        if self.delegates is not None:
            channels += [subjects.delegate_channel(name) for name in self.delegates.sources()]
        return channels

    def _want(self, channel: str, *, listing: bool) -> None:
        self._wanted[channel] = listing or self._wanted.get(channel, False)
        self._more.set()

    def _on_open(self, channel: str) -> None:
        """A source's first placement here opened its channel: it has its account, from memory."""
        self._want(channel, listing=False)

    def _on_node(self, before: Node | None, after: Node | None) -> None:
        if self.proxies is not None:
            self.proxies.node(before, after)
        if before is None or after is None:
            self._pods.reclassify()

    def _on_pod(self, role: Role, before: Pod | None, after: Pod | None) -> None:
        if self.proxies is not None:
            self.proxies.pod(role, before, after)
        if self.delegates is not None:
            self.delegates.pod(role, before, after)
