"""Proxies: every one that is known, and those that wait for a place, in order.

The order is (priority, highest first; creationTimestamp; uid).
"""

from __future__ import annotations

from bisect import bisect_left, insort

import msgspec

from mcs.events.constraints import Constraints
from mcs.events.decisions import Verdict
from mcs.events.observations import ProxyObserved
from mcs.projections.digest import Digest
from mcs.quantities import Resources


class Backoff(msgspec.Struct):
    """A cluster that failed this proxy is not tried before ``until_ms`` of log time."""

    until_ms: int
    wait_ms: int
    reason: str


class Proxy(msgspec.Struct):
    """A proxy as last observed, and what was decided about it."""

    uid: str
    source: str
    namespace: str
    name: str
    created: str
    manifest: str
    requests: Resources
    constraints: Constraints
    priority: int
    gates: tuple[str, ...]
    cluster: str  # the pin
    ended: bool
    resync: int = 0
    deleting: bool = False
    grace_s: int | None = None  # of its deletion; None: its own
    gone: bool = False
    released: bool = False
    releasing: bool = False  # a person commanded its release
    stranded: bool = False  # its source was removed after it had been placed
    attempts: int = 0
    placed: bool = False  # it has a live placement
    backoff: dict[str, Backoff] = {}
    deferred: dict[str, Verdict] | None = None  # reasons of the last deferral

    @property
    def waits(self) -> bool:
        """Whether it has arrived and needs a place."""
        over = self.ended or self.deleting or self.gone or self.released or self.stranded
        return not over and not self.placed and not self.gates

    @property
    def leaving(self) -> bool:
        """Whether somebody asked for its end, or it had one."""
        return self.deleting or self.gone or self.releasing or self.stranded

    @property
    def order(self) -> tuple[int, str, str]:
        """Sort key among those that wait."""
        return (-self.priority, self.created, self.uid)


class BacklogDump(msgspec.Struct):
    """Everything a backlog holds, in its order."""

    proxies: list[Proxy] = []
    waiting: list[tuple[int, str, str]] = []
    leaving: list[str] = []


class Backlog:
    """All proxies by uid; ``waiting`` is sorted, ``leaving`` are those whose end was asked for."""

    def __init__(self) -> None:
        self.proxies: dict[str, Proxy] = {}
        self.waiting: list[tuple[int, str, str]] = []
        self.leaving: dict[str, None] = {}
        self._digest: Digest[str] = Digest()
        self._queued: dict[str, tuple[int, str, str]] = {}

    def observe(self, source: str, event: ProxyObserved, resync: int) -> None:
        """A proxy is there, as described."""
        known = self.proxies.get(event.uid)
        proxy = Proxy(
            uid=event.uid,
            source=source,
            namespace=event.namespace,
            name=event.name,
            created=event.created,
            manifest=event.manifest,
            requests=event.requests,
            constraints=event.constraints,
            priority=event.priority,
            gates=event.gates,
            cluster=event.cluster,
            ended=event.ended or (known is not None and known.ended),
            resync=resync,
        )
        if known is not None:
            proxy.deleting, proxy.grace_s = known.deleting, known.grace_s
            proxy.released, proxy.releasing = known.released, known.releasing
            proxy.stranded = known.stranded
            proxy.attempts, proxy.placed = known.attempts, known.placed
            proxy.backoff, proxy.deferred = known.backoff, known.deferred
        self.proxies[event.uid] = proxy
        self.refresh(event.uid)

    def refresh(self, uid: str) -> None:
        """Re-index a proxy after a change of its fields (``State`` is the only caller)."""
        self._digest.touch(uid)
        proxy = self.proxies.get(uid)
        self._requeue(uid, proxy)
        if proxy is not None and proxy.leaving:
            self.leaving[uid] = None
        else:
            self.leaving.pop(uid, None)

    def drop(self, uid: str) -> None:
        """Forget a proxy that is gone and has nothing left anywhere."""
        self.proxies.pop(uid, None)
        self.refresh(uid)

    def find(self, source: str, namespace: str, name: str) -> list[Proxy]:
        """The proxies of that name in ``source`` (several, when one was replaced)."""
        wanted = (source, namespace, name)
        found = [p for p in self.proxies.values() if (p.source, p.namespace, p.name) == wanted]
        return sorted(found, key=lambda proxy: proxy.uid)

    def unnamed(self, source: str, resync: int) -> list[str]:
        """The proxies of ``source`` that its account ``resync`` did not name."""
        return sorted(
            uid for uid, p in self.proxies.items() if p.source == source and p.resync < resync
        )

    def dump(self) -> BacklogDump:
        """All there is, in order; not a copy."""
        proxies = list(self.proxies.values())
        return BacklogDump(proxies=proxies, waiting=self.waiting, leaving=list(self.leaving))

    def restore(self, dump: BacklogDump) -> None:
        """Take a dump, into a fresh one of these."""
        for proxy in dump.proxies:
            self.proxies[proxy.uid] = proxy
            self._digest.touch(proxy.uid)
        self.waiting = dump.waiting
        self._queued = {entry[2]: entry for entry in dump.waiting}
        self.leaving = dict.fromkeys(dump.leaving)

    def digest(self) -> str:
        """Digest of all proxies."""
        return self._digest.settle(self.proxies.get)

    def _requeue(self, uid: str, proxy: Proxy | None) -> None:
        wanted = proxy.order if proxy is not None and proxy.waits else None
        queued = self._queued.get(uid)
        if queued == wanted:
            return
        if queued is not None:
            del self.waiting[bisect_left(self.waiting, queued)]
            del self._queued[uid]
        if wanted is not None:
            insort(self.waiting, wanted)
            self._queued[uid] = wanted
