"""Where an API server is, and how to prove who we are: kubeconfig or service account.

``kubernetes_asyncio`` reads both, runs exec plugins and refreshes tokens. Credentials change while
we run: a service account's token file is read again every minute, a kubeconfig's token file or
exec plugin is asked again when due, and after a refusal (401) the whole kubeconfig is read anew,
client certificates included.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from pathlib import Path
from typing import Any, Final

import kubernetes_asyncio.client
import kubernetes_asyncio.config
import yaml
from kubernetes_asyncio.config.config_exception import ConfigException

from mcs.errors import BadSettings

REFRESH_S: Final = 60.0  # how often a kubeconfig's token is looked at again
RENEW_S: Final = 5.0  # after a 401, not more often than this
_load_incluster: Final[Any] = kubernetes_asyncio.config.load_incluster_config  # untyped there
_IN_CLUSTER: Final = "KUBERNETES_SERVICE_HOST"
_READ_ERRORS: Final = (
    *(ConfigException, OSError, yaml.YAMLError, ssl.SSLError),
    # what kubernetes_asyncio lets through for files of a wrong shape, and from exec plugins
    *(KeyError, TypeError, ValueError, AttributeError, AssertionError),
)


class Access:
    """One API server's address, TLS context and credentials. Make it by ``load``."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        self._file = kubeconfig
        self._context = context
        self._configuration: Any = None
        self._loader: Any = None
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
        if self._loader is not None and time.monotonic() >= self._next_look:
            async with self._lock:
                if time.monotonic() >= self._next_look:
                    self._next_look = time.monotonic() + REFRESH_S
                    await self._look_again()
        try:
            token = await self._configuration.get_api_key_with_prefix("BearerToken")
        except _READ_ERRORS as error:
            raise BadSettings(f"service account token: {error}") from error
        return token or ""

    async def renew(self) -> None:
        """Read all credentials again: the API server did not accept them.

        Raises:
            BadSettings: they cannot be read.
        """
        async with self._lock:
            if time.monotonic() - self._last_renewal >= RENEW_S:
                self._last_renewal = time.monotonic()
                await self._read()

    async def _look_again(self) -> None:
        user = self._loader._user  # noqa: SLF001 - nothing public tells an exec plugin from a token
        if user is not None and "exec" in user and not hasattr(self._loader, "exec_plugin_expiry"):
            return  # without an expiry its answer holds until it is refused, as in client-go
        try:
            await self._loader.load_and_set(self._configuration)
        except _READ_ERRORS as error:
            raise BadSettings(f"kubeconfig {self._file}: {error}") from error

    async def _read(self) -> None:
        configuration: Any = kubernetes_asyncio.client.Configuration()
        if self._file is None:
            try:
                _load_incluster(client_configuration=configuration)
            except _READ_ERRORS as error:
                raise BadSettings(
                    f"this looks like a pod, but its service account cannot be used: {error}; "
                    "set automountServiceAccountToken, or pass --kubeconfig"
                ) from error
        else:
            await self._read_kubeconfig(self._file, configuration)
        self._configuration = configuration
        self.url, self.proxy = configuration.host.rstrip("/"), configuration.proxy
        self.server_name = configuration.tls_server_name
        self._set_tls(configuration)

    async def _read_kubeconfig(self, file: str, configuration: Any) -> None:
        try:
            self._loader = await kubernetes_asyncio.config.load_kube_config(
                config_file=file,
                context=self._context,
                client_configuration=configuration,
                persist_config=False,
            )
        except _READ_ERRORS as error:
            raise BadSettings(_explained(file, self._context, error)) from error
        self._next_look = time.monotonic() + REFRESH_S

    def _set_tls(self, configuration: Any) -> None:
        if not self.url.startswith("https"):
            return
        try:
            # an existing context is kept, so that the open session takes new certificates
            if self.tls is None:
                self.tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
            elif configuration.ssl_ca_cert:
                self.tls.load_verify_locations(cafile=configuration.ssl_ca_cert)
            if configuration.cert_file:
                self.tls.load_cert_chain(configuration.cert_file, configuration.key_file)
        except (OSError, ssl.SSLError) as error:
            raise BadSettings(
                f"certificates of {self.url} ({self._file or 'service account'}): {error}"
            ) from error
        if not configuration.verify_ssl:
            self.tls.check_hostname = False
            self.tls.verify_mode = ssl.CERT_NONE


async def load(kubeconfig: str | None, context: str | None) -> Access:
    """Access by the given kubeconfig; without one, as kubectl finds it: a service account inside a
    pod, else ``KUBECONFIG``, else ``~/.kube/config``.

    Raises:
        BadSettings: no such file or context, or unusable credentials; says what to do.
    """
    if kubeconfig is None and context is None and os.environ.get(_IN_CLUSTER):
        access = Access(None, None)
    else:
        file = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        if not _some_file(file):
            raise BadSettings(
                f"there is no kubeconfig {file}; pass --kubeconfig FILE (and --context NAME), "
                "or set KUBECONFIG"
            )
        access = Access(file, context)
    await access._read()  # noqa: SLF001 - the constructor's asynchronous half
    return access


def _some_file(paths: str) -> bool:
    return any(Path(part).expanduser().is_file() for part in paths.split(os.pathsep) if part)


def _explained(file: str, context: str | None, error: Exception) -> str:
    contexts = _contexts(file)
    if context is not None and context not in contexts:
        return (
            f"kubeconfig {file} has no context {context!r}; it has: {', '.join(contexts) or 'none'}"
        )
    if context is None:
        return (
            f"kubeconfig {file}, its current context: {error}; "
            f"pass --context, one of: {', '.join(contexts) or 'none'}"
        )
    return f"kubeconfig {file}, context {context!r}: {error}"


def _contexts(file: str) -> list[str]:
    found: list[str] = []
    for part in file.split(os.pathsep):
        try:
            content = yaml.safe_load(Path(part).expanduser().read_text(encoding="utf-8"))
            found += [str(item["name"]) for item in content["contexts"]]
        except (OSError, yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError):
            continue
    return found
