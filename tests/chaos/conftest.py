"""One federation for the tests that break one thing at a time: one nats-server, two schedulers."""

import asyncio
import gc

import pytest

from tests.kubernetes.sightings import Sightings
from tools.federation import Federation

ALWAYS = {"jetstream": {"sync_interval": "always"}, "feature_flags": {"js_ack_fc_v2": False}}


@pytest.fixture(autouse=True)
def swept():
    """What nats-py leaves behind is collected here, where the test's own filter of warnings holds;
    later it would spoil the end of the whole run.
    """
    yield
    gc.collect()


@pytest.fixture(scope="package")
def federation():
    federation = Federation("c1", "c2", nats=ALWAYS, environment={"MCS_HEARTBEAT": "1"})

    async def start():
        await federation.start()
        await federation.add_scheduler()
        for plane in federation.planes.values():
            await plane.add_nodes(2)

    asyncio.run(start())
    yield federation
    federation.close()


@pytest.fixture
def sightings(federation):
    sightings = Sightings(federation.planes)
    sightings.begin()
    yield sightings
    sightings.end()
