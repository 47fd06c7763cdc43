"""Kubernetes Events about proxies, at their own pace: people read them, nothing waits for them.

Names are made of what an Event says, so that the same notice told twice (after a restart, by a
deposed leader) is one Event. What is too much is dropped, the oldest first: what an API server can
take in a burst is better spent on bindings.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
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
_NAME_MAX: Final = 220  # of the pod's part; the digest makes it 237

_logger = logging.getLogger(__name__)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A notice about one pod."""

    pod: PodKey
    uid: str
    notice: Notice
    at_s: float


class Notices:
    """Writes notices into ``cluster``; ``dropped`` counts those that were not."""

    def __init__(self, cluster: Cluster, clock: Clock, *, per_second: float = PER_SECOND) -> None:
        self.dropped = 0
        self._cluster, self._clock, self._gap_s = cluster, clock, 1.0 / per_second
        self._waiting: deque[Told] = deque()
        self._more = asyncio.Event()

    def tell(self, pod: PodKey, uid: str, notice: Notice, *, at_s: float) -> None:
        """Have a notice written at some time. ``at_s``: when it happened (Unix seconds)."""
        if len(self._waiting) >= BACKLOG:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(Told(pod=pod, uid=uid, notice=notice, at_s=at_s))
        self._more.set()

    async def run(self) -> None:
        """Write, until cancelled. No failure stops it."""
        while True:
            await self._more.wait()
            while self._waiting:
                await self._write(self._waiting.popleft())
                await self._clock.sleep(self._gap_s)
            self._more.clear()

    async def _write(self, told: Told) -> None:
        try:
            await self._cluster.create(EVENTS, event(told), namespace=told.pod.namespace)
        except AlreadyExists:
            pass  # told before
        except ClusterError as error:
            self.dropped += 1
            _logger.info("no Event for %s: %s", told.pod, error)


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
