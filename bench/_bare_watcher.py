"""The floor of ``bench.agent``: the same HTTP client lists and watches the same objects, and keeps
and says nothing.

    python -m bench._bare_watcher URL FOLDER_WITH_CERTIFICATES

It imports what an agent cannot do without, aiohttp, msgspec and nats-py; prints one JSON line when
all is listed; then reads watches until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path

import aiohttp
import msgspec
import nats

PAGE = 500


class _Metadata(msgspec.Struct, rename="camel"):
    resource_version: str
    continue_: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct):
    metadata: _Metadata


async def listed(session: aiohttp.ClientSession, url: str, kind: str) -> str:
    """Read all pages of a kind; the position to watch from."""
    onward = ""
    while True:
        query = f"limit={PAGE}" + (f"&continue={onward}" if onward else "")
        async with session.get(f"{url}/api/v1/{kind}?{query}") as response:
            response.raise_for_status()
            metadata = msgspec.json.decode(await response.read(), type=_Page).metadata
        if not metadata.continue_:
            return metadata.resource_version
        onward = metadata.continue_


async def watched(session: aiohttp.ClientSession, url: str, kind: str, since: str) -> None:
    """Read watches and forget what they say; when the server ends one, list and go on."""
    while True:
        query = f"watch=1&timeoutSeconds=3600&resourceVersion={since}"
        async with session.get(f"{url}/api/v1/{kind}?{query}") as response:
            while await response.content.readany():
                pass
        since = await listed(session, url, kind)


async def main(url: str, folder: Path) -> None:
    """List, say how long it took, watch."""
    tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    tls.load_cert_chain(folder / "admin.crt", folder / "admin.key")
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as watches:
            for kind in ("nodes", "pods"):
                since = await listed(session, url, kind)
                watches.create_task(watched(session, url, kind, since))
            took_s = time.perf_counter() - begun
            print(json.dumps({"took_s": took_s, "nats": nats.__name__}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
