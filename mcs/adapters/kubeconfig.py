"""Kubeconfig files as kubectl reads them: several are merged, the first to give a name wins.

Source of the form: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/. A file named in
a kubeconfig is relative to that kubeconfig's folder. ``auth-provider``, which kubectl gave up, is
refused with a word about what took its place.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import yaml

from mcs.errors import BadSettings

_KINDS: Final = ("contexts", "clusters", "users")


class Server(msgspec.Struct, rename="kebab", kw_only=True):
    """``cluster`` in a kubeconfig: where an API server is, and how to know it."""

    server: str
    certificate_authority: str | None = None
    certificate_authority_data: bytes | None = None
    insecure_skip_tls_verify: bool = False
    tls_server_name: str | None = None
    proxy_url: str | None = None


class Variable(msgspec.Struct):
    """One of an exec plugin's variables."""

    name: str
    value: str


class Exec(msgspec.Struct, rename="camel", kw_only=True):
    """A program that is asked for credentials."""

    api_version: str
    command: str
    args: list[str] | None = None
    env: list[Variable] | None = None
    provide_cluster_info: bool = False


class User(msgspec.Struct, rename="kebab", kw_only=True):
    """``user`` in a kubeconfig: who we are there."""

    token: str | None = None
    token_file: str | None = msgspec.field(name="tokenFile", default=None)
    username: str | None = None
    password: str | None = None
    client_certificate: str | None = None
    client_certificate_data: bytes | None = None
    client_key: str | None = None
    client_key_data: bytes | None = None
    exec: Exec | None = None
    auth_provider: Any = None


class _Context(msgspec.Struct):
    cluster: str
    user: str | None = None


class Named(NamedTuple):
    """What a context stands for."""

    server: Server
    user: User


def find(paths: str, context: str | None) -> Named:
    """The server and user of a context, without one the current context's; ``paths``: files,
    separated as in ``KUBECONFIG``.

    Raises:
        BadSettings: a file, the context, or what it names is missing or not what it should be.
    """
    found = [path for part in paths.split(os.pathsep) if part and (path := _path(part)).is_file()]
    if not found:
        raise BadSettings(
            f"there is no kubeconfig {paths}; pass --kubeconfig FILE (and --context NAME), "
            "or set KUBECONFIG"
        )
    tables: dict[str, dict[str, tuple[Any, Path]]] = {kind: {} for kind in _KINDS}
    current = ""
    for path in found:
        content = _content(path)
        current = current or str(content.get("current-context") or "")
        for kind, table in tables.items():
            for name, item in _items(path, content, kind):
                table.setdefault(name, (item, path.parent))
    contexts = ", ".join(tables["contexts"]) or "none"
    name = context if context is not None else current
    if name not in tables["contexts"]:
        said = f"has no context {name!r}" if name else "has no current context"
        raise BadSettings(f"kubeconfig {paths} {said}; it has: {contexts} (pass --context)")
    try:
        return _named(tables, name)
    except (msgspec.ValidationError, LookupError) as error:
        where = f"kubeconfig {paths}, context {name!r}"
        raise BadSettings(f"{where}: {error}; its contexts: {contexts}") from error


def _named(tables: dict[str, dict[str, tuple[Any, Path]]], name: str) -> Named:
    context = msgspec.convert(tables["contexts"][name][0], _Context)
    if context.cluster not in tables["clusters"]:
        raise LookupError(f"there is no cluster {context.cluster!r}")
    item, folder = tables["clusters"][context.cluster]
    server = msgspec.convert(item, Server)
    server.certificate_authority = _beside(folder, server.certificate_authority)
    item, folder = tables["users"].get(context.user or "", ({}, Path()))
    user = msgspec.convert(item or {}, User)
    user.token_file = _beside(folder, user.token_file)
    user.client_certificate = _beside(folder, user.client_certificate)
    user.client_key = _beside(folder, user.client_key)
    if user.auth_provider is not None:
        raise LookupError("auth-provider is not supported, nor is it by kubectl: use exec")
    return Named(server, user)


def _content(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadSettings(f"kubeconfig {path}: {error}") from error
    if not isinstance(content, dict):
        raise BadSettings(f"kubeconfig {path} is no mapping")
    return content


def _items(path: Path, content: dict[str, Any], kind: str) -> list[tuple[str, Any]]:
    try:
        return [(item["name"], item[kind[:-1]]) for item in content.get(kind) or []]
    except (TypeError, KeyError) as error:
        raise BadSettings(f"kubeconfig {path}: {kind} is not a list of named ones") from error


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _beside(folder: Path, file: str | None) -> str | None:
    return str(folder / file) if file else None
