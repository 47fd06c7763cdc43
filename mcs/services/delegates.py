"""Channels ``delegate.<source>``: what runs here for each source, and how it ended."""

from __future__ import annotations

import logging

from mcs.errors import BadQuantity
from mcs.events.observations import DelegateGone, End, Phase
from mcs.events.subjects import delegate_channel
from mcs.names import Keys
from mcs.objects.kinds import Pod
from mcs.objects.observing import delegate_observed
from mcs.objects.owning import Role, owner
from mcs.projections.ledger import Stage
from mcs.services.accounts import Account
from mcs.services.pods import Pods
from mcs.services.publisher import Publisher
from mcs.services.target_ledger import TargetLedger
from mcs.services.usage import Usage

_logger = logging.getLogger(__name__)
_SEEN = (Stage.PENDING, Stage.BOUND, Stage.ENDED)


class Delegates:
    """What was said of delegates, one account for each source."""

    def __init__(
        self, publisher: Publisher, keys: Keys, pods: Pods, told: TargetLedger, usage: Usage
    ) -> None:
        self.accounts: dict[str, Account] = {}
        self._publisher, self._keys, self._usage = publisher, keys, usage
        self._pods, self._told = pods, told
        self._ended: dict[str, set[str]] = {}  # said to be gone since the last full account began

    def sources(self) -> list[str]:
        """Sources that a full account must speak to."""
        return sorted(self._told.sources | set(self.accounts))

    def begin(self, source: str) -> None:
        """Say everything again to ``source``."""
        self._account(source).begin()
        self._ended[source] = set()

    def restate(self, source: str) -> None:
        """Say what is known now."""
        for pod in list(self._pods.delegates.values()):
            owned = owner(pod, self._keys)
            if owned is not None and owned.source == source:
                self.pod(Role.DELEGATE, pod, pod)

    def complete(self, source: str) -> None:
        """The list is whole: what was seen by an earlier epoch and is not there is gone."""
        for placement in list(self._told.ledger.placements.values()):
            if (placement.source or self._told.spoken_to.get(placement.id)) != source:
                continue
            if placement.stage not in _SEEN or placement.id in self._ended.get(source, ()):
                continue
            if placement.id not in self._pods.delegates and placement.seen is not None:
                seen = placement.seen
                end = _end(placement.phase, deleting=placement.deleting)
                self._gone(source, placement.id, seen.namespace, seen.name, end)

    def pod(self, role: Role, before: Pod | None, after: Pod | None) -> None:
        """Take a pod's change."""
        pod = after or before
        owned = owner(pod, self._keys) if role is Role.DELEGATE and pod is not None else None
        if pod is None or owned is None:
            return
        if after is None:
            deleting = pod.metadata.deletion_timestamp is not None
            end = _end(pod.status.phase or "", deleting=deleting)
            name, namespace = pod.metadata.name, pod.metadata.namespace
            self._gone(owned.source, owned.placement, namespace, name, end)
        else:
            self._say(owned.source, owned.placement, after)

    def _say(self, source: str, placement: str, pod: Pod) -> None:
        try:
            observed = delegate_observed(pod, self._keys)
        except BadQuantity as error:
            _logger.warning("delegate %s is not observed: %s", pod.metadata.name, error)
            return
        if observed is None:
            return
        if observed.node and not observed.phase.ended:
            self._usage.charge(placement, observed.node, observed.requests)
        else:
            self._usage.discharge(placement)
        self._account(source).say(placement, observed)

    def _gone(self, source: str, placement: str, namespace: str, name: str, end: End) -> None:
        self._usage.discharge(placement)
        self._ended.setdefault(source, set()).add(placement)
        self._account(source).end(placement)
        gone = DelegateGone(placement=placement, namespace=namespace, name=name, end=end)
        self._publisher.offer(delegate_channel(source), gone)

    def _account(self, source: str) -> Account:
        if source not in self.accounts:
            self.accounts[source] = Account(self._publisher, delegate_channel(source))
        return self.accounts[source]


def _end(phase: str, *, deleting: bool) -> End:
    """How a delegate ended, from its last known state."""
    if phase == Phase.SUCCEEDED:
        return End.SUCCEEDED
    if phase == Phase.FAILED:
        return End.FAILED
    return End.DELETED if deleting else End.UNKNOWN
