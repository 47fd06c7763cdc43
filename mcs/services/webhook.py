"""Keeps the webhook answering: its certificate in time, its registration right.

Every replica of an agent serves and looks after both; what they write is the same, since it comes
from the one Secret. The server gets a certificate before the API server is told of its authority,
and a new authority is registered before anything it signed is served (``adapters.certificates``).
"""

from __future__ import annotations

import logging
from typing import Final, Protocol

from mcs.errors import McsError
from mcs.ports import Clock
from mcs.services.certificates import Material

INTERVAL_S: Final = 60.0  # drift of a registration, or a certificate due, is seen so late at most
RETRY_S: Final = 2.0  # after an error: elected pods may be waiting
_log: Final = logging.getLogger(__name__)


class Server(Protocol):
    """The HTTPS server."""

    async def use(self, certificate: bytes, key: bytes) -> None:
        """Serve with this PEM chain and key from now on."""


class Source(Protocol):
    """Where the certificate comes from."""

    async def current(self) -> Material:
        """The certificate to serve with now."""


class Registrar(Protocol):
    """Who tells the API server."""

    async def ensure_webhook(self, ca_bundle: bytes) -> None:
        """Register the webhook, trusting these authorities."""


class Webhook:
    """The loop. ``step`` looks once; ``run`` looks every minute, and sooner after an error."""

    def __init__(self, server: Server, source: Source, registrar: Registrar, clock: Clock) -> None:
        self._server = server
        self._source = source
        self._registrar = registrar
        self._clock = clock
        self._served: Material | None = None

    async def step(self) -> None:
        """Renew and serve the certificate, then see to the registration.

        Raises:
            McsError: something is wrong that a later step may find right.
        """
        material = await self._source.current()
        if self._served is None or (material.certificate, material.key) != (
            self._served.certificate,
            self._served.key,
        ):
            await self._server.use(material.certificate, material.key)
            self._served = material
            _log.info("the webhook serves with a new certificate")
        await self._registrar.ensure_webhook(material.ca_bundle)

    async def run(self) -> None:
        """Look for ever; errors are logged, and tried again soon."""
        while True:
            try:
                await self.step()
            except McsError as error:
                _log.warning("the webhook's certificate or registration: %s", error)
                await self._clock.sleep(RETRY_S)
            else:
                await self._clock.sleep(INTERVAL_S)
