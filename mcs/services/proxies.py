"""Channel ``proxy``: what users asked for in this cluster, and what became of its virtual nodes."""

from __future__ import annotations

import logging

import msgspec

from mcs.errors import BadManifest, BadQuantity
from mcs.events import subjects
from mcs.events.observations import ProxyGone
from mcs.names import Keys
from mcs.objects.kinds import Node, Pod
from mcs.objects.observing import proxy_deleted, proxy_observed, virtual_node_observed
from mcs.objects.owning import Role
from mcs.services.accounts import Account
from mcs.services.publisher import Publisher

_logger = logging.getLogger(__name__)


class Proxies:
    """What was said of proxies and virtual nodes."""

    def __init__(self, publisher: Publisher, keys: Keys) -> None:
        self.account = Account(publisher, subjects.PROXY)
        self._keys = keys

    def pod(self, role: Role, before: Pod | None, after: Pod | None) -> None:
        """Take a pod's change."""
        pod = after or before
        if role is not Role.PROXY or pod is None:
            return
        metadata = pod.metadata
        if after is None:
            gone = ProxyGone(uid=metadata.uid, namespace=metadata.namespace, name=metadata.name)
            self.account.end(metadata.uid, gone)
            self.account.end(_deletion(metadata.uid))
        elif before is None or not self.account.knows(metadata.uid) or _differ(before, after):
            self._say(after)

    def node(self, before: Node | None, after: Node | None) -> None:
        """Take a node's change."""
        node = after or before
        observed = virtual_node_observed(node, self._keys) if node is not None else None
        if observed is None:
            return
        key = f"node/{observed.target}"
        if after is None:
            self.account.end(key, msgspec.structs.replace(observed, present=False))
        else:
            self.account.say(key, observed)

    def _say(self, pod: Pod) -> None:
        try:
            self.account.say(pod.metadata.uid, proxy_observed(pod, self._keys))
        except (BadManifest, BadQuantity) as error:
            where = f"{pod.metadata.namespace}/{pod.metadata.name}"
            _logger.warning("proxy %s cannot be placed: %s", where, error)
            return
        if deleted := proxy_deleted(pod):
            self.account.say(_deletion(pod.metadata.uid), deleted)


def _deletion(uid: str) -> str:
    return f"{uid}/deletion"


def _differ(before: Pod, after: Pod) -> bool:
    """Whether there may be something new to say: feedback writes a proxy's status all the time,
    and reading its manifest each time is what costs.
    """
    old, new = before.metadata, after.metadata
    return (
        before.spec != after.spec
        or before.status.phase != after.status.phase
        or (old.annotations, old.labels) != (new.annotations, new.labels)
        or (old.deletion_timestamp, old.deletion_grace_period_seconds)
        != (new.deletion_timestamp, new.deletion_grace_period_seconds)
    )
