"""One control plane for the tests that do not break it."""

import asyncio

import pytest

from tools.controlplane import ControlPlane


@pytest.fixture(scope="session")
def plane():
    """A shared control plane with three nodes; tests pick names of their own."""
    shared = ControlPlane("shared")
    try:
        asyncio.run(shared.start())
        asyncio.run(shared.add_nodes(3))
        yield shared
    finally:
        shared.close()
