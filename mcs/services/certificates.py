"""The webhook's certificate, kept in a Secret that all replicas of an agent share.

Whoever sees that it is due writes the next one; resourceVersions decide between two, and the loser
takes what the winner wrote. Where somebody else keeps the Secret (cert-manager), it is only read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from mcs.errors import AlreadyExists, BadSettings, Conflict, NotFound
from mcs.objects.kinds import SECRETS, Secret
from mcs.objects.patching import Json
from mcs.ports import Clock, Cluster

CA: Final = "ca.crt"
CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
_ATTEMPTS: Final = 5  # each lost race means that somebody else wrote


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """What the server serves with, and what API servers must trust (PEM)."""

    certificate: bytes
    key: bytes
    ca_bundle: bytes


class Issuer(Protocol):
    """Makes and renews the Secret's data."""

    def renewed(self, data: Mapping[str, bytes], now_s: float) -> dict[str, bytes] | None:
        """The data as it should be; None when it is so already."""


class Certificates:
    """The Secret ``namespace/name``; with an ``issuer`` it is ours to write, else only to read."""

    def __init__(
        self, cluster: Cluster, clock: Clock, issuer: Issuer | None, *, namespace: str, name: str
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._issuer = issuer
        self._namespace, self._name = namespace, name

    async def current(self) -> Material:
        """The certificate to serve with now, renewed first if it is due.

        Raises:
            BadSettings: the Secret is somebody else's and absent or incomplete.
            ClusterError: the API server does not let us read or write it.
        """
        for _ in range(_ATTEMPTS):
            secret = await self._read()
            data = _decoded(secret)
            wanted = self._issuer.renewed(data, self._clock.now()) if self._issuer else None
            if wanted is None:
                return self._material(data)
            try:
                await self._write(secret, wanted)
            except (AlreadyExists, Conflict, NotFound):
                continue
            return self._material(wanted)
        raise Conflict(f"Secret {self._namespace}/{self._name} changes all the time", code=409)

    async def _read(self) -> Secret | None:
        try:
            return await self._cluster.get(SECRETS, self._name, namespace=self._namespace)
        except NotFound:
            return None

    async def _write(self, secret: Secret | None, data: Mapping[str, bytes]) -> None:
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        if secret is None:
            manifest: Json = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": self._name, "namespace": self._namespace},
                "type": "kubernetes.io/tls",
                "data": encoded,
            }
            await self._cluster.create(SECRETS, manifest, namespace=self._namespace)
            return
        version: Json = {"resourceVersion": secret.metadata.resource_version}
        await self._cluster.patch(
            SECRETS,
            self._name,
            {"metadata": version, "data": encoded},
            namespace=self._namespace,
        )

    def _material(self, data: Mapping[str, bytes]) -> Material:
        missing = [key for key in (CERTIFICATE, KEY, CA) if not data.get(key)]
        if missing:
            raise BadSettings(
                f"Secret {self._namespace}/{self._name} has no {', '.join(missing)}: create it "
                f"(cert-manager's Certificate does), or let the agent make its own certificate"
            )
        return Material(certificate=data[CERTIFICATE], key=data[KEY], ca_bundle=data[CA])


def _decoded(secret: Secret | None) -> dict[str, bytes]:
    """The Secret's data; what is no base64 counts as absent."""
    found: dict[str, bytes] = {}
    for key, value in ((secret.data if secret else None) or {}).items():
        try:
            found[key] = base64.b64decode(value, validate=True)
        except binascii.Error:
            continue
    return found
