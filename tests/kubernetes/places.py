"""Nodes for tests: added for a while, and gone with what ran there."""

import contextlib


@contextlib.asynccontextmanager
async def added(plane, prefix, count=1, **options):
    """Nodes `<prefix>-0` …, as ``ControlPlane.add_nodes`` makes them.

    Their pods go first: those on a node that is gone stay for a minute, as if they still ran.
    """
    names = [f"{prefix}-{number}" for number in range(count)]
    try:
        yield await plane.add_nodes(count, prefix=prefix, **options)
    finally:
        for name in names:
            await plane.kubectl("cordon", name)
            await plane.kubectl("delete", "pods", "-A", f"--field-selector=spec.nodeName={name}")
        await plane.kubectl("delete", "node", *names)
