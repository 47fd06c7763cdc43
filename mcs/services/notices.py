"""Kubernetes Events about proxies, at their own pace: people read them, nothing waits for them.

Names are made of what an Event says, so that the same notice told twice (after a restart, by a
deposed leader) is one Event. What an API server can take in a burst is better spent on bindings: so
what goes as it should is told at leisure, slowly while there is other work, and what is too much is
dropped, the oldest first. What goes wrong is told at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from mcs.decisions.announcing import Notice
from mcs.errors import AlreadyExists, ClusterError
from mcs.names import PROVIDER, PodKey
from mcs.objects.kinds import EVENTS
from mcs.ports import Clock, Cluster, Manifest
from mcs.services.timestamps import timestamp

BACKLOG: Final = 2_000
PER_SECOND: Final = 50.0  # kube-scheduler's own limit for all its requests
LEISURE_S: Final = 1.0  # by then a pod that finds its place at once runs
BUSY: Final = 10  # times slower while there is other work
_NAME_MAX: Final = 220  # of the pod's part; the digest makes it 237

_logger = logging.getLogger(__name__)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A notice about one pod."""

    pod: PodKey
    uid: str
    notice: Notice
    at_s: float


class Notices:
    """Writes notices into ``cluster``; ``dropped`` counts those that were not. ``busy``: whether
    the API server has more important work of ours.
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        *,
        busy: Callable[[], bool] = lambda: False,
        per_second: float = PER_SECOND,
        leisure_s: float = LEISURE_S,
    ) -> None:
        self.dropped = 0
        self._cluster, self._clock, self._busy = cluster, clock, busy
        self._gap_s, self._leisure_s = 1.0 / per_second, leisure_s
        self._warnings, self._news = _Queue(), _Queue()

    def tell(self, pod: PodKey, uid: str, notice: Notice, *, at_s: float) -> None:
        """Have a notice written at some time. ``at_s``: when it happened (Unix seconds)."""
        queue = self._warnings if notice.type == "Warning" else self._news
        if len(queue.waiting) >= BACKLOG:
            queue.waiting.popleft()
            self.dropped += 1
        queue.waiting.append(Told(pod=pod, uid=uid, notice=notice, at_s=at_s))
        queue.more.set()

    async def run(self) -> None:
        """Write, until cancelled. No failure stops it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._serve(self._warnings, 0.0))
            tasks.create_task(self._serve(self._news, self._leisure_s))

    async def _serve(self, queue: _Queue, leisure_s: float) -> None:
        while True:
            await queue.more.wait()
            queue.more.clear()
            await self._clock.sleep(leisure_s)
            while queue.waiting:
                await self._write(queue.waiting.popleft())
                await self._clock.sleep(self._gap_s * (BUSY if self._busy() else 1))

    async def _write(self, told: Told) -> None:
        try:
            await self._cluster.create(EVENTS, event(told), namespace=told.pod.namespace)
        except AlreadyExists:
            pass  # told before
        except ClusterError as error:
            self.dropped += 1
            _logger.info("no Event for %s: %s", told.pod, error)


class _Queue:
    """Notices that wait."""

    def __init__(self) -> None:
        self.waiting: deque[Told] = deque()
        self.more = asyncio.Event()


def event(told: Told) -> Manifest:
    """A notice as an Event (``v1``)."""
    notice, at = told.notice, timestamp(told.at_s)[:19] + "Z"  # metav1.Time has whole seconds
    words = f"{told.uid}\n{notice.reason}\n{notice.about}\n{notice.message}"
    digest = hashlib.blake2b(words.encode(), digest_size=8).hexdigest()
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{told.pod.name[:_NAME_MAX].rstrip('-.')}.{digest}",
            "namespace": told.pod.namespace,
        },
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": told.pod.namespace,
            "name": told.pod.name,
            "uid": told.uid,
        },
        "reason": notice.reason,
        "message": notice.message,
        "type": notice.type,
        "source": {"component": PROVIDER},
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
