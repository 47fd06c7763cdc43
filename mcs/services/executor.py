"""The target's hand: creates delegates that are wanted, deletes those that a decision gave up.

It folds the decisions for its cluster and the cluster's own words about its delegates into a
ledger, and brings the cluster in line with it, placement by placement. It does nothing before it
has read both to the end and has seen all pods: half a history looks like a reason to act. Before
each write it looks whether it still leads.

What it tells the log comes back to it by the log, and is folded then; until then it remembers that
it told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, assert_never

from mcs.decisions.reconciling import (
    Create,
    Creation,
    Delete,
    Nothing,
    Report,
    Sight,
    Wait,
    reconcile,
)
from mcs.errors import Conflict, NotFound
from mcs.events import Decision, Observation, subjects
from mcs.events.observations import DelegateGone, DelegateRejected
from mcs.names import Keys
from mcs.objects.kinds import PODS, Pod
from mcs.objects.owning import Role, owner
from mcs.ports import Clock, Cluster, EventLog, Stored
from mcs.projections.ledger import Intent, Placement, Stage
from mcs.services.creating import Creations, Creator, ExecutorSettings
from mcs.services.followed_ledger import FollowedLedger, Identities
from mcs.services.namespaces import Namespaces
from mcs.services.pods import Pods
from mcs.services.standing import Standing
from mcs.services.workqueue import WorkQueue

_logger = logging.getLogger(__name__)


class Teller(Protocol):
    """What an executor needs of a ``Publisher``."""

    def offer(self, channel: str, *events: Observation) -> None:
        """Have events stored in order, at some time."""


class Executor:
    """Acts for the target ``name``. Others run ``standing`` and ``pods``; make it before they do.

    ``held`` says by the local clock whether this process still leads. ``ready`` is set once it
    may act; ``waiting`` says, by placement, what it waits for; ``followed`` is what it has read.
    """

    def __init__(
        self,
        *,
        name: str,
        cluster: Cluster,
        log: EventLog,
        standing: Standing,
        pods: Pods,
        teller: Teller,
        clock: Clock,
        keys: Keys,
        held: Callable[[], bool],
        settings: ExecutorSettings | None = None,
        identities: Identities | None = None,
    ) -> None:
        self.ready = asyncio.Event()
        self.waiting: dict[str, str] = {}
        self._name, self._cluster, self._teller = name, cluster, teller
        self._standing, self._pods, self._keys, self._held = standing, pods, keys, held
        self.followed = FollowedLedger.of_target(log, name, identities=identities)
        self._ledger = self.followed.ledger
        self._namespaces = Namespaces(cluster, clock)
        self._settings = settings or ExecutorSettings()
        self._queue = WorkQueue(self._look, clock, workers=self._settings.workers)
        self._creations = Creations(clock, settle_s=self._settings.settle_s)
        self._creator = Creator(
            cluster=cluster,
            namespaces=self._namespaces,
            keys=keys,
            creations=self._creations,
            held=held,
            settings=self._settings,
        )
        self._left: set[str] = set()  # the watch saw these go: the observer tells of them
        self._reported: set[str] = set()  # told by us, and not yet come back
        self._asked: dict[str, Delete] = {}  # deletions granted, and not yet in view
        self._old: set[str] = set()  # over and released: forgotten at the next look
        self.followed.subscribe(self._on_event)
        pods.subscribe(self._on_pod)

    async def run(self) -> None:
        """Read, then act, until cancelled.

        Raises (in an exception group):
            LogLost: the log is not the one that was known.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.followed.run())
            tasks.create_task(self._namespaces.run())
            await self.followed.caught_up()
            for seen in self._standing.caught_up, self._namespaces.synced, self._pods.synced:
                await seen.wait()
            self._inherit()
            for placement in [*self._ledger.placements, *self._pods.delegates]:
                self._queue.add(placement)
            self.ready.set()
            await self._queue.run()

    def _inherit(self) -> None:
        """Take what was withdrawn before we led, and is not in sight, for a create on its way. (One
        that is wanted is sent again, which settles it.)
        """
        for placement in self._ledger.placements.values():
            unseen = placement.stage is Stage.DECIDED and placement.id not in self._pods.delegates
            if unseen and placement.decided and not placement.wanted:
                self._creations.inherit(placement.id)

    def _on_event(
        self, _stored: Stored, _event: Decision | Observation, placement: Placement | None
    ) -> None:
        if placement is None:
            return
        if placement.stage.over:
            self._reported.discard(placement.id)
        self._queue.add(placement.id)

    def _on_pod(self, role: Role, before: Pod | None, after: Pod | None) -> None:
        pod = after or before
        owned = owner(pod, self._keys) if role is Role.DELEGATE and pod else None
        if owned is None:
            return
        if after is None:
            self._left.add(owned.placement)
            self._asked.pop(owned.placement, None)
        else:
            self._left.discard(owned.placement)
            self._creations.made(owned.placement)  # at once: it may be gone at the next look
        self._queue.add(owned.placement)

    async def _look(self, id: str) -> float | None:
        placement, pod = self._ledger.placements.get(id), self._pods.delegates.get(id)
        self.waiting.pop(id, None)
        if placement is None:
            if pod is not None:
                _logger.warning("delegate %s of an unknown placement is left alone", id)
            return None
        if not self._held():
            return self._settings.lease_s
        if pod is None and self._creations.doubtful(id):
            self.waiting[id] = "a create has no definite answer yet"
            return self._tell(placement, await self._creator.settle(placement))
        sight = Sight(
            pod=pod,
            creation=self._creations.of(id),
            left=id in self._left,
            reported=id in self._reported,
        )
        match step := reconcile(placement, sight, removed=self._removed()):
            case Create():
                return self._tell(placement, await self._creator.create(placement))
            case Delete():
                return await self._delete(step)
            case Report():
                self._report(placement, step.event)
                return None
            case Wait():
                self.waiting[id] = step.reason
                unseen = pod is None and sight.creation is Creation.MADE and not sight.left
                return await self._creator.find(placement) if unseen else None
            case Nothing():
                return self._forget(placement, pod)
            case _:
                assert_never(step)

    async def _delete(self, step: Delete) -> float | None:
        if self._asked.get(step.placement) == step:
            return None  # the watch tells
        try:
            await self._cluster.delete(
                PODS,
                step.name,
                namespace=step.namespace,
                uid=step.uid,
                resource_version=step.resource_version,
                grace_s=step.grace_s,
            )
        except NotFound:
            return None  # the watch tells
        except Conflict:
            return self._settings.view_s  # it changed: the watch brings it up before that
        self._asked[step.placement] = step
        return None

    def _tell(self, placement: Placement, outcome: DelegateRejected | float | None) -> float | None:
        """Tell the log of a rejection; hand on when to look again."""
        if isinstance(outcome, DelegateRejected):
            self._report(placement, outcome)
            return None
        return outcome

    def _report(self, placement: Placement, event: DelegateGone | DelegateRejected) -> None:
        self._reported.add(placement.id)  # should it be lost with this process, the next decides so
        self._teller.offer(subjects.delegate_channel(placement.source), event)

    def _forget(self, placement: Placement, pod: Pod | None) -> float | None:
        """Drop what a placement that is over needs no more. Its record goes a while after its
        proxy was released, so that a delegate that still appears is known, and deleted.
        """
        if pod is not None or not placement.stage.over:
            return None
        self._creations.forget(placement.id)
        self._left.discard(placement.id)
        siblings = self._ledger.of(placement.uid)
        if placement.intent is not Intent.RELEASED or not all(each.stage.over for each in siblings):
            return None
        if placement.id not in self._old:
            self._old.add(placement.id)
            return self._settings.forget_s
        self._old.difference_update(each.id for each in siblings)
        self._ledger.forget(placement.uid)
        return None

    def _removed(self) -> int:
        removal = self._standing.removed.get(self._name)
        return removal.sequence if removal else 0
