"""The contract of work on things as they are at one moment."""

import asyncio
import contextlib
import os
from collections import Counter
from pathlib import Path

import pytest

from mcs.adapters.branching import ForkBranch
from mcs.adapters.memory_branch import InlineBranch
from mcs.errors import Unavailable

both = pytest.mark.parametrize("branch", [ForkBranch(), InlineBranch()], ids=["fork", "memory"])


@both
async def test_it_sees_what_was_there_when_it_began(branch):
    things = [1]
    result = branch.start(lambda: str(things).encode())
    things.append(2)

    assert await result == b"[1]"


@both
async def test_large_results_arrive_whole(branch):
    assert await branch.start(lambda: b"x" * (5 << 20)) == b"x" * (5 << 20)


@both
async def test_several_go_on_side_by_side(branch):
    first, second = branch.start(lambda: b"1"), branch.start(lambda: b"2")

    assert (await second, await first) == (b"2", b"1")


@both
async def test_work_that_fails_has_no_result(branch, capfd):
    def fail():
        raise ValueError

    with pytest.raises(Unavailable, match="without a result"):
        await branch.start(fail)


async def test_a_killed_copy_has_no_result():
    with pytest.raises(Unavailable, match="SIGKILL"):
        await ForkBranch().start(lambda: os.kill(os.getpid(), 9) or b"")


def pipes():
    """Ends of pipes that this process holds."""
    found = Counter()
    for opened in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that listed them
            found[str(opened.readlink())] += 1
    return Counter({name: count for name, count in found.items() if name.startswith("pipe:")})


@pytest.mark.parametrize("steps", [0, 1])
async def test_a_copy_whose_result_nobody_wants_is_ended(steps):
    before = pipes()
    result = ForkBranch().start(lambda: b"x" * (5 << 20))
    for _ in range(steps):
        await asyncio.sleep(0)
    result.cancel()
    with pytest.raises(asyncio.CancelledError):
        await result

    assert pipes() == before


async def test_a_copy_holds_no_end_to_read_so_that_it_ends_with_its_parent():
    before = pipes()

    assert await ForkBranch().start(lambda: b"%d" % (pipes() - before).total()) == b"1"
