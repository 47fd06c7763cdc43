"""Federations of real control planes for tests; each test has a namespace of its own.

The shared federation lives as long as the run: c1 and c2, three nodes of 4 CPU in each. Tests that
kill things, or need other options, start one of their own with ``tools.federation.Federation``.
"""

import asyncio
import itertools

import pytest

from tools.federation import Federation

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def federation():
    federation = Federation("c1", "c2")

    async def start():
        await federation.start()
        for plane in federation.planes.values():
            await plane.add_nodes(3)

    asyncio.run(start())
    yield federation
    federation.close()


@pytest.fixture
def namespace(federation):
    """A namespace that opted in, in both clusters; gone after the test."""
    name = f"test-{next(_numbers)}"
    asyncio.run(opt_in(federation, name))
    yield name
    asyncio.run(remove(federation, name))


async def opt_in(federation, name, *clusters):
    labels = {"multicluster-scheduler": "enabled"}
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    }
    for cluster in clusters or federation.planes:
        api = federation.planes[cluster].api
        await federation.planes[cluster].apply([manifest])
        await api.wait(f"/api/v1/namespaces/{name}/serviceaccounts/default", lambda _: True)


async def remove(federation, name):
    for plane in federation.planes.values():
        await plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
