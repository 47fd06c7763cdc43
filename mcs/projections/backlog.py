"""Proxies: every one that is known, and those that wait for a place, in order.

The order is (priority, highest first; creationTimestamp; uid).
"""

from __future__ import annotations

import heapq
from typing import Final

import msgspec

from mcs.events.constraints import Constraints, Group
from mcs.events.decisions import GroupVerdict, Never
from mcs.events.observations import ProxyObserved
from mcs.projections.digest import Digest
from mcs.projections.groups import Gang, Members
from mcs.projections.lines import Kind, Line, Order, Reasons, Told
from mcs.quantities import Resources

UNREADABLE: Final = Never(constraint="unreadable manifest")
"""What is said of a pod that no cluster can be asked to run."""

_encoder = msgspec.json.Encoder(order="sorted")


class Backoff(msgspec.Struct, gc=False):
    """A cluster that failed this proxy is not tried before ``until_ms`` of log time."""

    until_ms: int
    wait_ms: int
    reason: str


class Proxy(msgspec.Struct, gc=False):
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
    deferred: Reasons | None = None  # reasons of the last deferral
    group: Group | None = None  # of those that are placed with it, all or none
    deferred_group: GroupVerdict | None = None  # of the last deferral

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
    def counts(self) -> bool:
        """Whether its group has it. A release takes it away only when it is deleted; one that was
        stranded is, unless it has ended.
        """
        return not self.deleting and not self.gone and (self.ended or not self.stranded)

    @property
    def told(self) -> Told | None:
        """What its user was told last, while it waits."""
        return Told(self.deferred, self.deferred_group) if self.deferred is not None else None

    @property
    def gang(self) -> Gang:
        """Which group it belongs to."""
        return (self.source, self.namespace, self.group.name if self.group else "")

    @property
    def order(self) -> Order:
        """Sort key among those that wait."""
        return (-self.priority, self.created, self.uid)


class BacklogDump(msgspec.Struct):
    """Everything a backlog holds, in its order."""

    proxies: list[Proxy] = []


class Backlog:
    """All proxies by uid; ``lines`` are those that wait, ``leaving`` those whose end was asked for.

    ``now_ms`` is log time: a cluster that failed a pod rests for it until some moment.
    """

    def __init__(self) -> None:
        self.proxies: dict[str, Proxy] = {}
        self.lines: dict[Kind, Line] = {}
        self.groups: dict[Gang, Members] = {}
        self.leaving: dict[str, None] = {}
        self.now_ms = 0
        self.version = 0  # how often lines or groups changed
        self._digest: Digest[str] = Digest()
        self._queued: dict[str, tuple[Line, Order, Told | None]] = {}
        self._ganged: dict[str, Gang] = {}
        self._resting: list[tuple[int, str]] = []  # a heap: when a rest ends, and whose

    @property
    def waiting(self) -> list[Order]:
        """All that wait, the first one first."""
        return sorted(order for _, order, _ in self._queued.values())

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._queued)

    def line_of(self, uid: str) -> Line | None:
        """The line in which a proxy waits, if it does."""
        queued = self._queued.get(uid)
        return queued[0] if queued is not None else None

    def advance(self, elapsed_ms: int) -> None:
        """Let log time pass: rests end."""
        self.now_ms = elapsed_ms
        while self._resting and self._resting[0][0] <= elapsed_ms:
            _, uid = heapq.heappop(self._resting)
            self._requeue(uid, self.proxies.get(uid))

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
            group=event.group,
            ended=event.ended or (known is not None and known.ended),
            resync=resync,
        )
        if known is not None:
            proxy.deleting, proxy.grace_s = known.deleting, known.grace_s
            proxy.released, proxy.releasing = known.released, known.releasing
            proxy.stranded = known.stranded
            proxy.attempts, proxy.placed = known.attempts, known.placed
            proxy.backoff, proxy.deferred = known.backoff, known.deferred
            proxy.deferred_group = known.deferred_group
            if _unreadable(known) and proxy.manifest != known.manifest:
                proxy.deferred = None  # it may be readable now
        self.proxies[event.uid] = proxy
        self.refresh(event.uid)

    def refresh(self, uid: str) -> None:
        """Re-index a proxy after a change of its fields (``State`` is the only caller)."""
        self._digest.touch(uid)
        proxy = self.proxies.get(uid)
        self._requeue(uid, proxy)
        self._regroup(uid, proxy)
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
        return BacklogDump(proxies=list(self.proxies.values()))

    def restore(self, dump: BacklogDump, elapsed_ms: int) -> None:
        """Take a dump, into a fresh one of these."""
        self.now_ms = elapsed_ms
        for proxy in dump.proxies:
            self.proxies[proxy.uid] = proxy
            self.refresh(proxy.uid)

    def digest(self) -> str:
        """Digest of all proxies."""
        return self._digest.settle(self.proxies.get)

    def _requeue(self, uid: str, proxy: Proxy | None) -> None:
        """Put a proxy into the line where it belongs, or into none."""
        self.version += 1
        queued = self._queued.pop(uid, None)
        waits = proxy is not None and proxy.waits
        if queued is not None:
            line, order, told = queued
            line.remove(order, told)
            if not line.orders:
                del self.lines[line.kind]
        if proxy is not None and waits:
            kind = self._kind(proxy)
            line = self.lines.get(kind) or Line(kind, proxy.requests, proxy.constraints)
            self.lines[kind] = line
            told = line.add(proxy.order, proxy.told)
            if told is not None:
                proxy.deferred = told.reasons
            self._queued[uid] = (line, proxy.order, told)

    def _regroup(self, uid: str, proxy: Proxy | None) -> None:
        """Bring a proxy's group in line with it."""
        before = self._ganged.pop(uid, None)
        if before is not None:
            self.groups[before].remove(uid)
        if proxy is not None and proxy.group is not None and proxy.counts:
            members = self.groups.setdefault(proxy.gang, Members())
            queued = self._queued.get(uid)
            waits = queued is not None and not queued[0].kind.unreadable
            order = proxy.order if waits else None
            members.set(uid, proxy.group, order, served=proxy.placed or proxy.ended)
            self._ganged[uid] = proxy.gang
        if before is not None and not self.groups[before].stated:
            del self.groups[before]

    def _kind(self, proxy: Proxy) -> Kind:
        blocked = []
        for cluster, backoff in sorted(proxy.backoff.items()) if proxy.backoff else ():
            if backoff.until_ms > self.now_ms:
                blocked.append((cluster, backoff.reason))
                heapq.heappush(self._resting, (backoff.until_ms, proxy.uid))
        return Kind(
            source=proxy.source,
            namespace=proxy.namespace,
            pin=proxy.cluster,
            shape=_encoder.encode((proxy.requests, proxy.constraints)),
            blocked=tuple(blocked),
            unreadable=_unreadable(proxy),
            group=proxy.group.name if proxy.group else "",
        )


def _unreadable(proxy: Proxy) -> bool:
    return bool(proxy.deferred) and next(iter((proxy.deferred or {}).values())) == UNREADABLE
