"""Where an API server is, and how to prove who we are: kubeconfig or service account.

Credentials change while we run: a token's file is read again every minute, an exec plugin is asked
again when what it gave ends, and after a refusal (401) everything is read anew, client certificates
included.

No Kubernetes client library: this is all of it that mcs needs, and importing one costs as much
memory as what an agent knows of a large cluster (decision 0013).
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from mcs.adapters import exec_plugin
from mcs.adapters.kubeconfig import Named, Server, User, find
from mcs.errors import BadSettings

REFRESH_S: Final = 60.0  # how often a token's file is read again
RENEW_S: Final = 5.0  # after a 401, not more often than this
EXPIRY_MARGIN: Final = timedelta(minutes=5)  # ask again so long before a credential ends
SECRETS: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_ACCOUNT: Final = "service account"
_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"


class Access:
    """One API server's address, TLS context and credentials. Make it by ``load``."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        self._file, self._context = kubeconfig, context
        self._named: Named
        self._authorization = ""
        self._expires: datetime | None = None
        self._next_look = 0.0
        self._last_renewal = 0.0
        self._lock = asyncio.Lock()
        self.url = ""
        self.proxy: str | None = None
        self.server_name: str | None = None
        self.tls: ssl.SSLContext | None = None

    async def authorization(self) -> str:
        """The Authorization header's value; empty where a client certificate says who we are.

        Raises:
            BadSettings: a token file, or an exec plugin, no longer gives anything.
        """
        if time.monotonic() >= self._next_look:
            async with self._lock:
                if time.monotonic() >= self._next_look:
                    await self._look()
        return self._authorization

    async def renew(self) -> None:
        """Read all credentials again: the API server did not accept them.

        Raises:
            BadSettings: they cannot be read.
        """
        async with self._lock:
            if time.monotonic() - self._last_renewal >= RENEW_S:
                self._last_renewal = time.monotonic()
                await self._read()

    async def _read(self) -> None:
        self._named = _in_pod() if self._file is None else find(self._file, self._context)
        server, user = self._named
        self.url, self.proxy = server.server.rstrip("/"), server.proxy_url
        self.server_name = server.tls_server_name
        self._trust(server)
        self._present(*_pair(user))
        self._authorization, self._expires = _stated(user), None
        await self._look(first=True)

    async def _look(self, *, first: bool = False) -> None:
        """Take the token as it is now. An exec plugin's holds until it ends, and without an end
        until it is refused, as in client-go.
        """
        self._next_look = time.monotonic() + REFRESH_S
        user = self._named.user
        if user.exec is not None:
            ends = self._expires is not None and self._expires - EXPIRY_MARGIN <= datetime.now(UTC)
            if first or ends:
                given = await exec_plugin.credential(user.exec, self._named.server)
                self._expires = given.expiration_timestamp
                self._authorization = f"Bearer {given.token}" if given.token else ""
                self._present(given.client_certificate_data or "", given.client_key_data or "")
        elif user.token_file is not None:
            self._authorization = f"Bearer {_token(user.token_file)}"

    def _trust(self, server: Server) -> None:
        """Know the API server. An existing context is kept, so that the open session goes on."""
        if not self.url.startswith("https"):
            return
        file, data = server.certificate_authority, server.certificate_authority_data
        try:
            text = data.decode() if data is not None else None
            if self.tls is None:
                self.tls = ssl.create_default_context(cafile=None if data else file, cadata=text)
            elif file or data:
                self.tls.load_verify_locations(cafile=None if data else file, cadata=text)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise self._bad_certificates(error) from error
        if server.insecure_skip_tls_verify:
            self.tls.check_hostname = False
            self.tls.verify_mode = ssl.CERT_NONE

    def _present(self, certificate: str, key: str) -> None:
        """Say who we are by a certificate, if there is one (PEM)."""
        if self.tls is None or not certificate:
            return
        try:
            with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # ssl takes files only
                file.write(f"{certificate}\n{key}".encode())
                file.flush()
                self.tls.load_cert_chain(file.name)
        except OSError as error:
            raise self._bad_certificates(error) from error

    def _bad_certificates(self, error: Exception) -> BadSettings:
        return BadSettings(f"certificates of {self.url} ({self._file or _ACCOUNT}): {error}")


async def load(kubeconfig: str | None, context: str | None) -> Access:
    """Access by the given kubeconfig; without one, as kubectl finds it: a service account inside a
    pod, else ``KUBECONFIG``, else ``~/.kube/config``.

    Raises:
        BadSettings: no such file or context, or unusable credentials; says what to do.
    """
    if kubeconfig is None and context is None and os.environ.get(_HOST):
        access = Access(None, None)
    else:
        file = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        access = Access(file, context)
    await access._read()  # noqa: SLF001 - the constructor's asynchronous half
    return access


def _in_pod() -> Named:
    host, port = os.environ[_HOST], os.environ.get(_PORT, "443")
    authority, token = SECRETS / "ca.crt", SECRETS / "token"
    if missing := [str(file) for file in (authority, token) if not file.is_file()]:
        raise BadSettings(
            f"this looks like a pod, but its service account cannot be used: {missing[0]} is "
            "missing; set automountServiceAccountToken, or pass --kubeconfig"
        )
    at = f"[{host}]" if ":" in host else host
    server = Server(server=f"https://{at}:{port}", certificate_authority=str(authority))
    return Named(server, User(token_file=str(token)))


def _stated(user: User) -> str:
    """What the kubeconfig itself says."""
    if user.token:
        return f"Bearer {user.token}"
    if user.username is None or user.password is None:
        return ""
    return "Basic " + base64.b64encode(f"{user.username}:{user.password}".encode()).decode()


def _token(file: str) -> str:
    try:
        token = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"the token's file: {error}") from error
    if not token:
        raise BadSettings(f"the token's file {file} is empty")
    return token


def _pair(user: User) -> tuple[str, str]:
    """Certificate and key, PEM; empty where there are none."""
    try:
        return (
            _pem(user.client_certificate_data, user.client_certificate),
            _pem(user.client_key_data, user.client_key),
        )
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"the client certificate: {error}") from error


def _pem(data: bytes | None, file: str | None) -> str:
    if data is not None:
        return data.decode()
    return Path(file).read_text(encoding="utf-8") if file else ""
