"""Keeps the webhook and the admission policies registered as they should be. Level-triggered."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final, TypeVar

from mcs.errors import AlreadyExists, Forbidden, NotFound
from mcs.names import Keys, virtual_node
from mcs.objects.kinds import VALIDATING_BINDINGS, VALIDATING_POLICIES, WEBHOOKS, Kind, Object
from mcs.objects.patching import Json
from mcs.objects.registration import (
    MANIFEST_POLICY,
    NODES_POLICY,
    Service,
    Url,
    drift,
    manifest_policy,
    nodes_policy,
    policy_binding,
    webhook_configuration,
)
from mcs.ports import Cluster

T = TypeVar("T", bound=Object)
_log: Final = logging.getLogger(__name__)


class Registration:
    """What one agent registers in its cluster; ``user`` is the name it has there. ``registered`` is
    set once the webhook is.
    """

    def __init__(self, cluster: Cluster, keys: Keys, *, user: str, at: Url | Service) -> None:
        self.registered = False
        self._cluster = cluster
        self._keys = keys
        self._user = user
        self._at = at

    async def ensure_webhook(self, ca_bundle: bytes) -> None:
        """Register the webhook, trusting the authorities of ``ca_bundle`` (PEM).

        Raises:
            ClusterError: the API server does not let us.
        """
        await self._ensure(WEBHOOKS, webhook_configuration(self._at, ca_bundle, self._keys))
        self.registered = True

    async def ensure_policies(self, targets: Iterable[str]) -> None:
        """Put the policies in force, for the virtual nodes of these targets. Call it before a
        virtual node is created.

        Raises:
            ClusterError: the API server does not let us.
        """
        nodes = [virtual_node(target) for target in targets]
        for policy, name in (
            (nodes_policy(nodes, self._user), NODES_POLICY),
            (manifest_policy(self._keys), MANIFEST_POLICY),
        ):
            await self._ensure(VALIDATING_POLICIES, policy)
            await self._ensure(VALIDATING_BINDINGS, policy_binding(name))

    async def _ensure(self, kind: Kind[T], wanted: Json) -> None:
        metadata = wanted["metadata"]
        assert isinstance(metadata, dict)
        name: str = metadata["name"]
        try:
            actual = await self._cluster.read(kind, name)
        except NotFound:
            try:
                await self._cluster.create(kind, wanted)
            except AlreadyExists:
                actual = await self._cluster.read(kind, name)
            except Forbidden as error:
                raise Forbidden(
                    f"{kind.name} {name} is missing and this agent may not create it: apply the "
                    f"output of `mcs manifests agent` ({error.message})",
                    code=error.code,
                ) from error
            else:
                _log.info("registered %s %s", kind.name, name)
                return
        if patch := drift(wanted, actual):
            await self._cluster.patch(kind, name, patch)
            _log.info("repaired %s %s", kind.name, name)
