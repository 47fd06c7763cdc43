"""Several real nats-servers that keep one JetStream, as production has three of them.

    async with NatsCluster(tmp_path) as cluster:
        client = await nats.connect(cluster.url.split(","))
        cluster.servers[0].kill()  # the others go on
        await cluster.servers[0].start()  # same ports, same store

It has the verbs of one server too (``kill``, ``pause``, …), which then concern all of them.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tools.free_ports import reserve_port
from tools.nats import NatsServer


class NatsCluster:
    """`url` names every server; `servers` are the processes, `store` the folder of their stores."""

    def __init__(
        self, folder: Path, *, size: int = 3, configuration: Mapping[str, Any] | None = None
    ) -> None:
        """`configuration` is merged over each server's, as for `NatsServer`."""
        self.store = folder
        self._routes = [reserve_port() for _ in range(size)]
        urls = [f"nats://127.0.0.1:{route.port}" for route in self._routes]
        self.servers = []
        for number, route in enumerate(self._routes):
            name, listen = f"nats-{number}", f"127.0.0.1:{route.port}"
            cluster = {"name": "nats", "listen": listen, "routes": urls}
            self.servers.append(
                NatsServer(
                    folder / name,
                    name=name,
                    configuration={**(configuration or {}), "cluster": cluster},
                )
            )
        self.url = ",".join(server.url for server in self.servers)

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

    async def start(self) -> None:
        """Start all that do not run; none is ready before a majority runs."""
        for server in self.servers:
            if not server.running:
                server.spawn()
        for server in self.servers:
            await server.wait_ready()

    def kill(self) -> None:
        """Kill all of them."""
        for server in self.servers:
            server.kill()

    def stop(self) -> None:
        """Stop all of them in order."""
        for server in self.servers:
            server.stop()

    def pause(self) -> None:
        """Freeze all of them."""
        for server in self.servers:
            server.pause()

    def resume(self) -> None:
        """Thaw all of them."""
        for server in self.servers:
            server.resume()

    def close(self) -> None:
        """Kill them and give the ports back; the stores stay."""
        for server in self.servers:
            server.close()
        for route in self._routes:
            route.release()
