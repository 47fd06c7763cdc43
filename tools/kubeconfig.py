"""Kubeconfig files: where an API server is and who asks, with all certificates inside the file."""

import base64
import json
from pathlib import Path
from typing import Any

from tools.certificates import Pair


def write_kubeconfig(
    path: Path, *, url: str, authority: Path, client: Pair | None = None, token: str | None = None
) -> Path:
    """Write a kubeconfig for the bearer of this certificate or token. (JSON is YAML too.)"""
    user: dict[str, Any] = {}
    if client is not None:
        user["client-certificate-data"] = _encoded(client.certificate)
        user["client-key-data"] = _encoded(client.key)
    if token is not None:
        user["token"] = token
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "plane",
                "cluster": {"server": url, "certificate-authority-data": _encoded(authority)},
            }
        ],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "plane", "context": {"cluster": "plane", "user": "user"}}],
        "current-context": "plane",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=1))
    return path


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
