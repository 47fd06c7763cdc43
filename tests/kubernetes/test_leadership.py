"""Leader election by a Lease of a real API server."""

import asyncio

import pytest

from mcs.adapters.clock import SystemClock
from mcs.adapters.kubernetes import connect
from mcs.errors import Deposed
from mcs.names import Keys
from mcs.objects.kinds import LEASES
from mcs.ports import Stream
from mcs.services.leadership import KnownLog, Leadership
from mcs.settings import LeaseSettings

pytestmark = pytest.mark.kubernetes


async def test_one_leads_remembers_is_deposed_and_followed(federation, namespace):
    settings = LeaseSettings(namespace=namespace, retry_s=0.05)
    cluster = await connect(str(federation.planes["c1"].kubeconfig))
    try:
        first, second = (
            Leadership(cluster, SystemClock(), Keys(), settings, name) for name in ("one", "two")
        )
        await first.acquire()
        holding = asyncio.create_task(first.hold())
        waiting = asyncio.create_task(second.acquire())
        first.remember(Stream.DECISIONS, KnownLog("log-1", 42))
        version = (await lease(cluster, settings)).metadata.resource_version
        async with asyncio.timeout(30):
            while (await lease(cluster, settings)).metadata.resource_version == version:
                await asyncio.sleep(0)
        assert first.held()
        assert not waiting.done()

        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await first.release()
        async with asyncio.timeout(30):
            await waiting
        assert second.held()
        assert second.known == {Stream.DECISIONS: KnownLog("log-1", 42)}
        assert (await lease(cluster, settings)).spec.holder_identity == "two"

        holding = asyncio.create_task(second.hold())
        spec = {"holderIdentity": "thief"}
        await cluster.patch(LEASES, settings.name, {"spec": spec}, namespace=namespace)
        with pytest.raises(Deposed):
            async with asyncio.timeout(30):
                await holding
    finally:
        await cluster.close()


async def lease(cluster, settings):
    return await cluster.get(LEASES, settings.name, namespace=settings.namespace)
