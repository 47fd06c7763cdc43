"""The twin's connections break and are mended."""

import pytest

from mcs.adapters.memory_snapshots import MemorySnapshots
from mcs.errors import Unavailable


async def test_a_cut_connection_reaches_nothing_and_a_mended_one_does():
    subject = MemorySnapshots()
    await subject.save("a", b"1")
    subject.cut()
    for call in (subject.names(), subject.load("a"), subject.save("b", b""), subject.delete("a")):
        with pytest.raises(Unavailable):
            await call
    subject.mend()

    assert await subject.names() == ["a"]


async def test_connections_share_a_bucket():
    bucket = {}
    await MemorySnapshots(bucket).save("a", b"1")

    assert await MemorySnapshots(bucket).load("a") == b"1"
