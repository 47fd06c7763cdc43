"""What a request through the Kubernetes adapter costs this process, beside bare aiohttp.

A server in a process of its own answers over TLS with a pod of the usual size, so that only the
client's CPU is measured.

    python -m bench.kubernetes_adapter [--short]
"""

import asyncio
import json
import multiprocessing
import resource
import ssl
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from aiohttp import web

from bench.reporting import Report, arguments
from mcs.adapters.kubernetes import KubernetesCluster, connect
from mcs.objects.kinds import PODS
from mcs.ports import Patch
from tools.certificates import Authority
from tools.free_ports import reserve_port

REQUESTS = 5_000
CONCURRENT = 32
LISTED = 20_000
EVENTS = 20_000


def pod(number: int) -> dict[str, object]:
    container = {
        "name": "main",
        "image": "registry.example/team/app:1.2.3",
        "resources": {"requests": {"cpu": "200m", "memory": "64Mi"}},
        "env": [{"name": f"VARIABLE_{each}", "value": "x" * 40} for each in range(20)],
    }
    status = {"name": "main", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    return {
        "kind": "Pod",
        "metadata": {
            "name": f"pod-{number}",
            "namespace": "default",
            "uid": f"uid-{number}",
            "resourceVersion": str(number),
            "labels": {"app": "x"},
            "managedFields": [
                {"manager": "m", "fieldsV1": {f"f:{each}": {} for each in range(60)}}
            ],
        },
        "spec": {"nodeName": "n", "containers": [container]},
        "status": {"phase": "Running", "containerStatuses": [status], "podIP": "10.0.0.1"},
    }


def serve(port: int, certificate: Path, key: Path) -> None:
    body = json.dumps(pod(1)).encode()
    items = [json.dumps(pod(number)) for number in range(LISTED)]
    events = b"".join(f'{{"type":"MODIFIED","object":{item}}}\n'.encode() for item in items)

    async def one(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, content_type="application/json")

    async def collection(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(events)
            return response
        start = int(request.query.get("continue", "0"))
        limit = int(request.query["limit"])
        onward = str(start + limit) if start + limit < LISTED else ""
        metadata = json.dumps({"resourceVersion": "1", "continue": onward})
        page = ",".join(items[start : start + limit])
        return web.Response(
            body=f'{{"metadata":{metadata},"items":[{page}]}}'.encode(),
            content_type="application/json",
        )

    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/api/v1/namespaces/default/pods/{name}", one)
    app.router.add_route("*", "/api/v1/namespaces/default/pods/{name}/status", one)
    app.router.add_get("/api/v1/pods", collection)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    web.run_app(app, host="127.0.0.1", port=port, ssl_context=context, print=None, access_log=None)


async def cpu_ms(action: Callable[[], Awaitable[None]], count: int) -> float:
    """CPU milliseconds of this process for each of ``count`` calls, 32 at a time."""
    numbers = iter(range(count))

    async def worker() -> None:
        for _ in numbers:
            await action()

    await action()
    begun = time.process_time()
    await asyncio.gather(*(worker() for _ in range(CONCURRENT)))
    return 1000 * (time.process_time() - begun) / count


async def small_requests(
    report: Report,
    cluster: KubernetesCluster,
    session: aiohttp.ClientSession,
    url: str,
    requests: int,
) -> None:
    patch = {
        "metadata": {"uid": "uid-1", "annotations": {"a": "b"}},
        "status": {"phase": "Running"},
    }
    body, path = json.dumps(patch).encode(), f"{url}/api/v1/namespaces/default/pods/pod-1"

    async def bare_get() -> None:
        async with session.get(path) as response:
            await response.read()

    async def bare_patch() -> None:
        headers = {"Content-Type": "application/strategic-merge-patch+json"}
        async with session.patch(path + "/status", data=body, headers=headers) as response:
            await response.read()

    async def get() -> None:
        await cluster.get(PODS, "pod-1", namespace="default")

    async def write() -> None:
        await cluster.patch(
            PODS, "pod-1", patch, namespace="default", subresource="status", type=Patch.STRATEGIC
        )

    for case, ours, bare in (("get", get, bare_get), ("patch status", write, bare_patch)):
        floor = min([await cpu_ms(bare, requests) for _ in range(2)])
        value = min([await cpu_ms(ours, requests) for _ in range(2)])
        report.add(case, value, "CPU ms per request", floor)


async def collections(
    report: Report, cluster: KubernetesCluster, session: aiohttp.ClientSession, url: str
) -> None:
    begun = time.process_time()
    for start in range(0, LISTED, 500):
        async with session.get(f"{url}/api/v1/pods?limit=500&continue={start}") as response:
            await response.read()
    floor = time.process_time() - begun
    begun = time.process_time()
    listed = await cluster.list(PODS)
    report.add(f"list of {LISTED} pods", time.process_time() - begun, "CPU s", floor)
    assert len(listed.items) == LISTED
    del listed

    begun = time.process_time()
    async with session.get(f"{url}/api/v1/pods?watch=1") as response:
        while await response.content.readany():
            pass
    floor = time.process_time() - begun
    begun = time.process_time()
    async with cluster.watch(PODS, since="1") as events:
        seen = [event.change async for event in events]
    report.add(f"watch of {EVENTS} events", time.process_time() - begun, "CPU s", floor)
    assert len(seen) == EVENTS

    tracemalloc.start()
    listed = await cluster.list(PODS)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    report.add(f"memory of {LISTED} pods", kept / 2**20, "MiB kept")
    report.add(f"memory while listing {LISTED} pods", peak / 2**20, "MiB at most")
    del listed


async def main() -> None:
    requests = REQUESTS // 5 if arguments(__doc__).short else REQUESTS
    report = Report("kubernetes_adapter")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        authority = Authority(folder)
        pair = authority.server("server", ["localhost"], ["127.0.0.1"])
        lease = reserve_port()
        port = lease.port
        server = multiprocessing.get_context("spawn").Process(
            target=serve, args=(port, pair.certificate, pair.key), daemon=True
        )
        server.start()
        url = f"https://127.0.0.1:{port}"
        ca = str(authority.pair.certificate)
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": url, "certificate-authority": ca}}],
            "users": [{"name": "u", "user": {"token": "t" * 900}}],
        }
        (folder / "kubeconfig").write_text(json.dumps(config))
        cluster = await connect(str(folder / "kubeconfig"), connections=CONCURRENT)
        context = ssl.create_default_context(cafile=ca)
        connector = aiohttp.TCPConnector(ssl=context, limit=CONCURRENT)
        headers = {"Authorization": "Bearer " + "t" * 900}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            await answering(session, url)
            await small_requests(report, cluster, session, url, requests)
            await collections(report, cluster, session, url)
        await cluster.close()
        server.terminate()
        lease.release()
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        report.add("resident memory of this process", rss, "MiB at most")
    report.show()


async def answering(session: aiohttp.ClientSession, url: str) -> None:
    for _ in range(200):
        try:
            async with session.get(f"{url}/api/v1/namespaces/default/pods/pod-1"):
                return
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.1)
    sys.exit("the server did not start")


if __name__ == "__main__":
    asyncio.run(main())
