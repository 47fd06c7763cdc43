"""The source's voice: proxies are bound, show their delegates, and are let go, as the log says.

It folds what is decided about this cluster's proxies and what targets say of their delegates, and
brings each proxy in line with it, one at a time per proxy, many side by side. It does nothing
before it has read both to the end and has seen all pods.

What it has just written is remembered until the watch shows it, so that no echo is answered. A
proxy that starts, or that only waits, is not written at once: mostly the next observation is on its
way already, and each write costs the API server more than all of our own work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from mcs.decisions import reclaiming
from mcs.decisions.announcing import Notice, announce
from mcs.decisions.reflecting import Explain, Finish, Show, View, reflect
from mcs.errors import Conflict, NotFound
from mcs.events import Decision, Observation
from mcs.events.decisions import PlacementWithdrawn, PodDeferred, PodPlaced, ProxyEvicted
from mcs.events.observations import DelegateRejected
from mcs.names import Keys, PodKey
from mcs.objects.kinds import Pod
from mcs.objects.owning import Role
from mcs.ports import Clock, Cluster, EventLog, Stored
from mcs.projections.ledger import Placement
from mcs.services.followed_ledger import FollowedLedger, Identities
from mcs.services.notices import LEISURE_S, Notices
from mcs.services.pods import Pods
from mcs.services.proxy_views import ProxyViews
from mcs.services.proxy_writer import ProxyWriter
from mcs.services.standing import Standing
from mcs.services.workqueue import WorkQueue

_logger = logging.getLogger(__name__)


class FeedbackSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of feedback, and whose addresses are shown."""

    workers: int = 32  # writes at once: more only wait in the API server's own queues
    patience_s: float = 2.0  # for what may wait: a start, a condition that says where it waits
    leisure_s: float = LEISURE_S  # before an Event that says that all is well
    conflict_s: float = 1.0  # before a proxy that changed under our hands is looked at again
    lease_s: float = 1.0  # before looking again whether we lead
    recent_s: float = 300.0  # older news is no longer worth an Event after a restart
    forget_s: float = 60.0  # what is known of a proxy that is gone stays for one or two of these
    reachable: tuple[str, ...] = ()  # targets whose pod addresses mean the same here


class Feedback:
    """Acts for the source ``name``. Others run ``standing`` and ``pods``; make it before they do.

    ``held`` says by the local clock whether this process still leads. ``ready`` is set once it
    may act; ``followed`` is what it has read.
    """

    def __init__(
        self,
        *,
        name: str,
        cluster: Cluster,
        log: EventLog,
        standing: Standing,
        pods: Pods,
        clock: Clock,
        keys: Keys,
        held: Callable[[], bool],
        settings: FeedbackSettings | None = None,
        identities: Identities | None = None,
    ) -> None:
        self.ready = asyncio.Event()
        self._name, self._clock = name, clock
        self._standing, self._pods, self._keys, self._held = standing, pods, keys, held
        self._settings = settings or FeedbackSettings()
        self._near = {name, *self._settings.reachable}
        self.followed = FollowedLedger.of_source(log, name, identities=identities)
        self._queue = WorkQueue(self._look, clock, workers=self._settings.workers)
        self._notices = Notices(
            cluster, clock, busy=lambda: len(self._queue) > 0, leisure_s=self._settings.leisure_s
        )
        self._views = ProxyViews(name, self.followed.ledger, standing)
        self._writer = ProxyWriter(cluster, pods, keys, clock)
        self._patient: dict[str, float] = {}  # since when something waits to be shown
        self.followed.subscribe(self._on_event)
        pods.subscribe(self._on_pod)
        standing.subscribe(self._on_standing)

    async def run(self) -> None:
        """Read, then act, until cancelled.

        Raises (in an exception group):
            LogLost: the log is not the one that was known.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.followed.run())
            tasks.create_task(self._notices.run())
            tasks.create_task(self._sweep())
            await self.followed.caught_up()
            await self._standing.caught_up.wait()
            await self._pods.synced.wait()
            for uid in self._pods.proxies:
                self._queue.add(uid)
            self.ready.set()
            await self._queue.run()

    def _on_event(
        self, stored: Stored, event: Decision | Observation, placement: Placement | None
    ) -> None:
        uid = self._views.take(event, placement)
        if uid and (uid in self._pods.proxies or not self.ready.is_set()):
            self._announce(stored, event, uid, placement)
            self._queue.add(uid)

    def _announce(
        self, stored: Stored, event: object, uid: str, placement: Placement | None
    ) -> None:
        match event:
            case PlacementWithdrawn(reason=reclaiming.PROXY_DELETED):
                return  # who deleted it knows
            case PodPlaced() | PodDeferred() | PlacementWithdrawn() | ProxyEvicted():
                pod = PodKey(event.namespace, event.name)
            case DelegateRejected() if placement is not None and placement.name:
                pod = PodKey(placement.namespace, placement.name)
            case _:
                return
        at_s = stored.time_ns / 1e9
        if self.ready.is_set() or self._clock.now() - at_s < self._settings.recent_s:
            self._notices.tell(pod, uid, announce(event, placement), at_s=at_s)

    def _on_pod(self, role: Role, before: Pod | None, after: Pod | None) -> None:
        pod = after or before
        if role is Role.PROXY and pod is not None:
            self._writer.shown(pod.metadata.uid, after)
            self._queue.add(pod.metadata.uid)

    def _on_standing(self, cluster: str) -> None:
        for uid in self._pods.proxies:
            latest = self.followed.ledger.latest(uid)
            if latest is not None and latest.target == cluster:
                self._queue.add(uid)

    async def _look(self, uid: str) -> float | None:
        proxy = self._writer.current(uid)
        if proxy is None:
            self._patient.pop(uid, None)
            return None
        if not self._held():
            return self._settings.lease_s
        try:
            return await self._act(self._views.of(proxy))
        except NotFound:
            return None  # it is gone: the watch tells
        except Conflict as error:
            _logger.info("proxy %s changed meanwhile: %s", uid, error)
            self._writer.forget(uid)
            return self._settings.conflict_s

    async def _act(self, view: View) -> float | None:
        """Take the steps, each on the proxy as the one before left it."""
        proxy, uid = view.proxy, view.proxy.metadata.uid
        near = view.latest is not None and view.latest.target in self._near
        for step in reflect(view, self._keys):
            patch = self._writer.patch(step, proxy, reachable=near)
            if isinstance(step, Show | Explain):
                if patch is not None and not step.urgent and (rest_s := self._rest_s(uid)) > 0:
                    return rest_s
                self._patient.pop(uid, None)
                if patch is None:
                    continue
            if not self._held():
                return self._settings.lease_s
            proxy = await self._writer.take(step, proxy, patch)
            if isinstance(step, Finish) and step.reason:
                self._tell_failure(proxy, step)
        return None

    async def _sweep(self) -> None:
        """Forget proxies that are gone, a while later: a decision may be read before our own watch
        shows the new proxy that a predecessor told of.
        """
        gone: set[str] = set()
        while True:
            await self._clock.sleep(self._settings.forget_s)
            absent = self._views.known() - self._pods.proxies.keys()
            for uid in absent & gone if self._pods.synced.is_set() else ():
                self._views.forget(uid)
            gone = absent

    def _rest_s(self, uid: str) -> float:
        """Seconds that something which may wait has still to wait."""
        now_s = self._clock.monotonic()
        return self._patient.setdefault(uid, now_s) + self._settings.patience_s - now_s

    def _tell_failure(self, proxy: Pod, step: Finish) -> None:
        meta = proxy.metadata
        notice = Notice(type="Warning", reason=step.reason, message=step.message)
        pod = PodKey(meta.namespace, meta.name)
        self._notices.tell(pod, meta.uid, notice, at_s=self._clock.now())
