"""One leader per cluster, by a Lease, as Kubernetes' own controllers elect theirs.

The rules are client-go's (``tools/leaderelection``): nobody compares clocks. A candidate waits
until a Lease has not changed for its whole duration by the candidate's own clock; the holder stops
itself earlier, by its own clock, counted from before its last successful renewal was sent. Writes
carry the resourceVersion that was read, so of two candidates one wins.

The Lease also keeps what this cluster's agents know of the two logs, each stream's identity and the
position reached: whoever leads next can tell that it talks to another log, or to one that lost its
end.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import msgspec

from mcs.errors import ClusterError, Deposed, NotFound
from mcs.names import Keys
from mcs.objects.kinds import LEASES, Lease, LeaseSpec
from mcs.ports import Clock, Cluster, Stream
from mcs.services.timestamps import timestamp
from mcs.settings import LeaseSettings

_logger = logging.getLogger(__name__)
_LOGS: Final = "logs"  # the annotation's word


class KnownLog(msgspec.Struct, frozen=True):
    """A stream's identity, a sequence that it had reached, and the digest of the message there
    (empty: not known).
    """

    identity: str
    position: int = 0
    digest: str = ""


class Leadership:
    """One process's claim to lead in ``cluster``; ``identity`` is unique to the process's life.

    ``known``: what earlier leaders knew of the logs, after ``acquire``; ``remember`` adds to it.
    """

    def __init__(
        self, cluster: Cluster, clock: Clock, keys: Keys, settings: LeaseSettings, identity: str
    ) -> None:
        self.identity = identity
        self.known: dict[Stream, KnownLog] = {}
        self._cluster, self._clock, self._settings = cluster, clock, settings
        self._annotation = keys.key(_LOGS)
        self._uid = ""  # the Lease's
        self._renewed_s: float | None = None  # monotonic, before the renewal was sent
        self._seen: tuple[LeaseSpec, float] | None = None  # a foreign claim, and since when
        self._holder = ""

    @property
    def name(self) -> str:
        """Namespace and name of the Lease."""
        return f"{self._settings.namespace}/{self._settings.name}"

    def held(self) -> bool:
        """Whether this process still leads, by its own clock: ask before each write."""
        if self._renewed_s is None:
            return False
        return self._clock.monotonic() < self._renewed_s + self._settings.renew_s

    def remember(self, stream: Stream, known: KnownLog) -> None:
        """Keep this with the next renewal."""
        self.known[stream] = known

    async def acquire(self) -> None:
        """Wait until this process leads."""
        while not await self._try(reading=True):
            await self._clock.sleep(self._settings.retry_s)
        _logger.info("%s leads", self.identity)

    async def hold(self) -> None:
        """Renew the claim until cancelled.

        Raises:
            Deposed: somebody else holds the Lease, or it could not be renewed in time.
        """
        while True:
            await self._clock.sleep(self._settings.retry_s)
            lapsed = not self.held()  # somebody may have led meanwhile: what we know is stale
            renewed = await self._try(reading=False)
            if not renewed and self._holder not in {"", self.identity}:
                self._renewed_s = None
                raise Deposed(f"{self._holder} leads now")
            if lapsed or not self.held():
                self._renewed_s = None
                raise Deposed(f"the Lease was not renewed for {self._settings.renew_s} s")

    async def keep(self) -> None:
        """Write down what is remembered now, for the next one. Never raises."""
        if self.held():
            await self._try(reading=False)

    async def release(self) -> None:
        """Let somebody else lead at once. Never raises; the Lease runs out anyway."""
        if not self.held():
            return
        self._renewed_s = None
        try:
            lease = await self._read()
            if lease.spec.holder_identity == self.identity:
                await self._write(lease, {"holderIdentity": None, "leaseDurationSeconds": 1})
        except ClusterError as error:
            _logger.warning("Lease not released: %s", error)

    async def _try(self, *, reading: bool) -> bool:
        """One attempt to take or to renew the Lease."""
        sent_s = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._settings.renew_s):
                if not await self._claim(reading=reading):
                    return False
        except (ClusterError, TimeoutError) as error:
            _logger.warning("Lease %s: %s", self._settings.name, str(error) or "no answer")
            return False
        self._renewed_s, self._holder = sent_s, self.identity
        return True

    async def _claim(self, *, reading: bool) -> bool:
        try:
            lease = await self._read()
        except NotFound:
            if reading:
                self.known = {}  # to delete the Lease is how people say: forget what you knew
            await self._create()
            return True
        self._holder = lease.spec.holder_identity or ""
        if self._holder not in {"", self.identity} and not self._expired(lease.spec):
            return False
        if reading:
            self._recall(lease)
        self._uid = lease.metadata.uid
        await self._write(lease, self._spec(lease.spec))
        return True

    def _expired(self, spec: LeaseSpec) -> bool:
        now_s = self._clock.monotonic()
        if self._seen is None or self._seen[0] != spec:
            self._seen = spec, now_s
        return now_s >= self._seen[1] + (spec.lease_duration_seconds or self._settings.duration_s)

    def _recall(self, lease: Lease) -> None:
        """Know what the Lease does, and what this process knew beyond that when it led before; but
        not of another Lease: people deleted that one, so that it is forgotten.
        """
        text = (lease.metadata.annotations or {}).get(self._annotation, "{}")
        try:
            known = msgspec.json.decode(text, type=dict[Stream, KnownLog])
        except msgspec.DecodeError as error:
            _logger.warning("what the Lease knows of the logs cannot be read: %s", error)
            return
        for stream, mine in self.known.items() if lease.metadata.uid == self._uid else ():
            theirs = known.setdefault(stream, mine)
            if theirs.identity == mine.identity and theirs.position < mine.position:
                known[stream] = mine
        self.known = known

    def _spec(self, before: LeaseSpec) -> dict[str, object]:
        now = timestamp(self._clock.now())
        spec: dict[str, object] = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self._settings.duration_s,
            "renewTime": now,
        }
        if before.holder_identity != self.identity:
            spec |= {"acquireTime": now, "leaseTransitions": (before.lease_transitions or 0) + 1}
        return spec

    async def _read(self) -> Lease:
        settings = self._settings
        return await self._cluster.get(LEASES, settings.name, namespace=settings.namespace)

    async def _create(self) -> None:
        settings = self._settings
        manifest = {
            "apiVersion": LEASES.api,
            "kind": LEASES.name,
            "metadata": {"name": settings.name, "namespace": settings.namespace},
            "spec": self._spec(LeaseSpec()) | {"leaseTransitions": 0},
        }
        await self._cluster.create(LEASES, manifest, namespace=settings.namespace)

    async def _write(self, lease: Lease, spec: dict[str, object]) -> None:
        metadata = {
            "resourceVersion": lease.metadata.resource_version,
            "annotations": {self._annotation: msgspec.json.encode(self.known).decode()},
        }
        await self._cluster.patch(
            LEASES,
            self._settings.name,
            {"metadata": metadata, "spec": spec},
            namespace=self._settings.namespace,
        )
