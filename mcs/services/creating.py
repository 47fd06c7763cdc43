"""Creates on their way: what one executor process knows of the requests it has sent.

A create whose answer was lost may still act, for as long as the API server works on a request.
Until its answer is definite nothing is told of that placement: not that it was rejected, not that
it never was. Sending it again settles it (the name is the same); when it is no longer wanted, only
time does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from mcs.decisions import refusing
from mcs.decisions.reconciling import Creation
from mcs.decisions.refusing import Holder
from mcs.errors import AlreadyExists, ClusterError, NotFound, Unreachable
from mcs.events.observations import DelegateRejected
from mcs.names import Keys
from mcs.objects.kinds import NAMESPACES, PODS, Pod
from mcs.objects.owning import owner
from mcs.ports import Clock, Cluster
from mcs.projections.ledger import Placement
from mcs.services.namespaces import Namespaces

SETTLE_S: Final = 65.0  # an API server ends a request after 60 s (--request-timeout)

Outcome = DelegateRejected | float | None
"""A definite no, to be told; or the seconds after which to look again; or nothing more to do."""


class ExecutorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of an executor."""

    workers: int = 32  # writes at once: more only wait in the API server's own queues
    settle_s: float = SETTLE_S
    view_s: float = 10.0  # a created pod that no watch showed for so long is looked for
    blocked_s: float = 1.0  # before a name that another placement holds is tried again
    lease_s: float = 1.0  # before looking again whether we lead
    forget_s: float = 600.0  # a create that is still under way then never comes to anything


class Creations:
    """What became of each create of this process, by placement id."""

    def __init__(self, clock: Clock, *, settle_s: float = SETTLE_S) -> None:
        self._clock, self._settle_s = clock, settle_s
        self._known: dict[str, Creation] = {}
        self._sent: dict[str, float] = {}  # when the last create without an answer was sent

    def of(self, placement: str) -> Creation:
        """What is known of a placement's create."""
        return self._known.get(placement, Creation.NONE)

    def inherit(self, placement: str) -> None:
        """A process before this one may have sent a create, and died without an answer."""
        self.send(placement)
        self.doubt(placement)

    def send(self, placement: str) -> None:
        """A create is about to be sent."""
        self._known[placement] = Creation.OPEN

    def doubt(self, placement: str) -> None:
        """No answer came; but the delegate may have been seen meanwhile."""
        if self._known.get(placement) is Creation.OPEN:
            self._sent[placement] = self._clock.monotonic()

    def made(self, placement: str) -> None:
        """The delegate is there."""
        self._known[placement] = Creation.MADE
        self._sent.pop(placement, None)

    def lost(self, placement: str) -> None:
        """The delegate was there, and is not."""
        self._known[placement] = Creation.LOST
        self._sent.pop(placement, None)

    def unanswered_s(self, placement: str) -> float:
        """Seconds for which a create without an answer may still act; 0 when there is none."""
        sent = self._sent.get(placement)
        if sent is None:
            return 0.0
        return max(0.0, sent + self._settle_s - self._clock.monotonic())

    def doubtful(self, placement: str) -> bool:
        """Whether a create went without an answer, and nothing settled it since."""
        return placement in self._sent

    def refused(self, placement: str) -> None:
        """The API server said no, or not now: as if it had not been sent, unless an earlier one
        is open, or has turned out to have acted.
        """
        if self.of(placement) is Creation.OPEN and placement not in self._sent:
            self._known.pop(placement, None)

    def forget(self, placement: str) -> None:
        """Nothing of it is of interest any more."""
        self._known.pop(placement, None)
        self._sent.pop(placement, None)


class Creator:
    """Sends creates, and finds out what became of them."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        namespaces: Namespaces,
        keys: Keys,
        creations: Creations,
        held: Callable[[], bool],
        settings: ExecutorSettings,
    ) -> None:
        self._cluster, self._namespaces, self._keys = cluster, namespaces, keys
        self._creations, self._held, self._settings = creations, held, settings

    async def create(self, placement: Placement) -> Outcome:
        """Create the delegate, if its namespace takes it.

        Raises:
            ClusterError: no definite answer, or not now: try again.
        """
        if barred := await self._barred(placement):
            return self._reject(placement, barred)
        try:
            manifest = msgspec.json.decode(placement.manifest, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return self._reject(placement, refusing.unreadable(placement, error))
        if not self._held():
            return self._settings.lease_s
        if self._creations.of(placement.id) is Creation.MADE:
            return 0.0  # a lost create made it, as the watch has shown meanwhile
        self._creations.send(placement.id)
        try:
            await self._cluster.create(PODS, manifest, namespace=placement.namespace)
        except AlreadyExists:
            return await self._taken(placement)
        except Unreachable:
            self._creations.doubt(placement.id)
            raise
        except ClusterError as error:
            self._creations.refused(placement.id)
            if refusal := refusing.refused(placement, error):
                return self._reject(placement, refusal)
            raise
        self._creations.made(placement.id)
        return self._settings.view_s

    async def _barred(self, placement: Placement) -> DelegateRejected | None:
        """Why the namespace takes no delegates; a bad impression is checked, it may be stale."""
        known = self._namespaces.get(placement.namespace)
        if refusing.barred(placement, known) is None:
            return None
        try:
            now = await self._cluster.get(NAMESPACES, placement.namespace)
        except NotFound:
            return refusing.barred(placement, None)
        return refusing.barred(placement, now)

    async def _taken(self, placement: Placement) -> Outcome:
        """The name is taken: by the delegate itself, an older placement's, or a stranger."""
        pod = await self._named(placement)
        if pod is None:
            if self._creations.doubtful(placement.id):
                self._creations.lost(placement.id)  # our lost create made it; it came and went
            else:
                self._creations.refused(placement.id)
            return 0.0
        owned = owner(pod, self._keys)
        match refusing.taken(placement, owned.placement if owned else None):
            case Holder.ITSELF:
                self._creations.made(placement.id)
                return self._settings.view_s
            case Holder.ANOTHER_PLACEMENT:
                self._creations.refused(placement.id)
                return self._settings.blocked_s
            case Holder.STRANGER:
                self._creations.refused(placement.id)
                return self._reject(placement, refusing.name_taken(placement))

    async def _named(self, placement: Placement) -> Pod | None:
        """The pod that has the delegate's name."""
        try:
            return await self._cluster.get(PODS, placement.delegate, namespace=placement.namespace)
        except NotFound:
            return None

    async def settle(self, placement: Placement) -> Outcome:
        """Get a definite answer for a create that had none."""
        if placement.wanted:
            return await self.create(placement)
        pod = await self._named(placement)
        owned = owner(pod, self._keys) if pod else None
        if owned is not None and owned.placement == placement.id:
            self._creations.made(placement.id)
            return self._settings.view_s
        if remaining_s := self._creations.unanswered_s(placement.id):
            return remaining_s
        self._creations.forget(placement.id)
        return 0.0

    async def find(self, placement: Placement) -> float | None:
        """Look for a created delegate that no watch has shown."""
        pod = await self._named(placement)
        owned = owner(pod, self._keys) if pod else None
        if owned is None or owned.placement != placement.id:
            self._creations.lost(placement.id)
            return 0.0
        return self._settings.view_s

    def _reject(self, placement: Placement, event: DelegateRejected) -> Outcome:
        """A rejection is told once no create that was sent can still act, or has acted."""
        if self._creations.of(placement.id) is Creation.MADE:
            return 0.0
        if remaining_s := self._creations.unanswered_s(placement.id):
            return min(remaining_s, self._settings.blocked_s)
        self._creations.forget(placement.id)
        return event
