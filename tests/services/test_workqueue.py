"""A work queue looks at every key, at each by one worker at a time, and lets nobody starve."""

import asyncio

import pytest

from mcs.adapters.clock import SystemClock
from mcs.errors import Busy, LogLost, Unreachable
from mcs.services import workqueue
from mcs.services.workqueue import WorkQueue
from tests.services.members import running, settled, until


class Worker:
    """Notes what is worked on; waits for ``gate`` where there is one."""

    def __init__(self, workers=2, outcomes=()):
        self.seen, self.at_once, self.most = [], 0, 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.outcomes = list(outcomes)
        self.queue = WorkQueue(self.work, SystemClock(), workers=workers)

    async def work(self, key):
        self.seen.append(key)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await self.gate.wait()
        self.at_once -= 1
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def test_keys_wait_in_the_order_they_came_and_only_once():
    worker = Worker(workers=1)
    for key in "abca":
        worker.queue.add(key)
    async with running(worker.queue):
        await until(lambda: len(worker.seen) == 3)
        await settled()

    assert worker.seen == ["a", "b", "c"]


async def test_a_key_added_while_it_is_worked_on_is_looked_at_once_more():
    worker = Worker()
    worker.gate.clear()
    async with running(worker.queue):
        worker.queue.add("a")
        await until(lambda: worker.seen)
        worker.queue.add("a")
        worker.queue.add("a")
        await settled()
        assert worker.seen == ["a"]

        worker.gate.set()
        await until(lambda: len(worker.seen) == 2)
        await settled()
        assert worker.seen == ["a", "a"]


async def test_at_most_so_many_work_at_once():
    worker = Worker(workers=3)
    worker.gate.clear()
    async with running(worker.queue):
        for key in range(10):
            worker.queue.add(key)
        await settled()
        assert len(worker.seen) == 3
        assert len(worker.queue) == 10

        worker.gate.set()
        await until(lambda: len(worker.seen) == 10)
    assert worker.most == 3


async def test_a_key_that_asks_for_it_is_looked_at_again():
    worker = Worker(outcomes=[0.01, None])
    async with running(worker.queue):
        worker.queue.add("a")
        await until(lambda: worker.seen == ["a", "a"])
        await settled()

    assert worker.seen == ["a", "a"]


async def test_of_several_times_the_earliest_counts():
    worker = Worker()
    async with running(worker.queue):
        await settled()
        worker.queue.later("a", 60.0)
        worker.queue.later("a", 0.01)
        worker.queue.later("a", 30.0)

        await until(lambda: worker.seen == ["a"])


@pytest.mark.parametrize(
    "error",
    [Unreachable("away"), Busy("later", retry_after_s=0.01), ZeroDivisionError("our fault")],
)
async def test_a_key_that_fails_waits_by_itself_and_is_tried_again(error, monkeypatch):
    monkeypatch.setattr(workqueue, "BACKOFF_S", 0.01)
    worker = Worker(outcomes=[error, None])
    async with running(worker.queue):
        worker.queue.add("a")
        worker.queue.add("b")

        await until(lambda: worker.seen == ["a", "b", "a"])


async def test_a_lost_log_ends_all():
    worker = Worker(outcomes=[LogLost("another log")])
    worker.queue.add("a")

    with pytest.RaisesGroup(LogLost):
        await worker.queue.run()


async def test_the_wait_grows_up_to_a_bound():
    worker = Worker()
    waits = [worker.queue._back_off("a", Unreachable("away")) for _ in range(12)]

    assert waits[:3] == [0.1, 0.2, 0.4]
    assert waits[-1] == workqueue.BACKOFF_MAX_S
    assert worker.queue._back_off("b", Busy("later", retry_after_s=42)) == 42
