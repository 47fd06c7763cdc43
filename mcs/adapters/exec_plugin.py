"""Credentials from a program, as a kubeconfig's ``exec`` asks for.

Source of the dialogue: https://kubernetes.io/docs/reference/access-authn-authz/authentication/
(client-go credential plugins). The program learns what is asked in ``KUBERNETES_EXEC_INFO`` and
answers with an ``ExecCredential`` on its standard output. Nobody sits in front of a service, so it
is told not to ask anything.
"""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from typing import Any

import msgspec

from mcs.adapters.kubeconfig import Exec, Server
from mcs.errors import BadSettings


class Credential(msgspec.Struct, rename="camel", kw_only=True):
    """What the program gives: a token or a certificate, and until when."""

    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: datetime | None = None


class _Answer(msgspec.Struct, rename="camel", kw_only=True):
    api_version: str
    status: Credential


async def credential(plugin: Exec, server: Server) -> Credential:
    """Run the program.

    Raises:
        BadSettings: it cannot be run, failed, or gave no credential.
    """
    asked = {
        "apiVersion": plugin.api_version,
        "kind": "ExecCredential",
        "spec": {"interactive": False, **(_cluster(server) if plugin.provide_cluster_info else {})},
    }
    environment = {
        **os.environ,
        **{variable.name: variable.value for variable in plugin.env or ()},
        "KUBERNETES_EXEC_INFO": msgspec.json.encode(asked).decode(),
    }
    try:
        child = await asyncio.create_subprocess_exec(
            plugin.command,
            *(plugin.args or ()),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise BadSettings(f"exec {plugin.command}: {error}") from error
    output, errors = await child.communicate()
    if child.returncode:
        said = errors.decode(errors="replace").strip()
        raise BadSettings(f"exec {plugin.command} ended with {child.returncode}: {said}")
    try:
        answer = msgspec.json.decode(output, type=_Answer)
    except msgspec.DecodeError as error:  # never with the output: a token may be in it
        raise BadSettings(f"exec {plugin.command} answered no ExecCredential: {error}") from error
    if answer.api_version != plugin.api_version:
        raise BadSettings(f"exec {plugin.command} speaks {answer.api_version}")
    if not answer.status.token and not answer.status.client_certificate_data:
        raise BadSettings(f"exec {plugin.command} gave neither a token nor a certificate")
    return answer.status


def _cluster(server: Server) -> dict[str, Any]:
    """``spec.cluster``, for programs that ask for it."""
    given = {
        "server": server.server,
        "tls-server-name": server.tls_server_name,
        "insecure-skip-tls-verify": server.insecure_skip_tls_verify or None,
        "certificate-authority-data": server.certificate_authority_data,
        "proxy-url": server.proxy_url,
    }
    return {"cluster": {name: value for name, value in given.items() if value is not None}}
