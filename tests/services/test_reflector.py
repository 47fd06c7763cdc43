"""The reflector against faults: whatever happens to the API server, its picture becomes true."""

import asyncio
import logging
from contextlib import asynccontextmanager
from random import Random

import pytest

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.errors import Busy, Forbidden, NotFound, Unreachable
from mcs.objects.kinds import LEASES
from mcs.services.reflector import Reflector

PATIENCE_S = 30


class QuickClock:
    """Waits by giving way; tells what it was asked to wait."""

    def __init__(self):
        self.waits = []
        self.elapsed = 0.0

    def now(self):
        return 1_800_000_000.0 + self.elapsed

    def monotonic(self):
        return self.elapsed

    async def sleep(self, seconds):
        self.waits.append(seconds)
        self.elapsed += seconds
        await asyncio.sleep(0)


class Picture:
    """Keeps what it is told, and counts full lists."""

    def __init__(self):
        self.names = set()
        self.lists = 0
        self.told = []
        self.changed = asyncio.Event()

    def replace(self, items):
        self.names = {item.metadata.name for item in items}
        self.lists += 1
        self.changed.set()

    def change(self, item):
        self.names.add(item.metadata.name)
        self.told.append(("change", item.metadata.name))
        self.changed.set()

    def remove(self, item):
        self.names.discard(item.metadata.name)
        self.told.append(("remove", item.metadata.name))
        self.changed.set()

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def shows(self, *names):
        await self.until(lambda: self.names == set(names))


class World:
    """A cluster, and a reflector that runs against it."""

    def __init__(self):
        self.clock = QuickClock()
        self.cluster = MemoryCluster("c", self.clock)
        self.picture = Picture()
        self.reflector = Reflector(
            self.cluster, LEASES, self.clock, self.picture, namespace="default", random=Random(1)
        )

    async def create(self, name):
        await self.cluster.create(LEASES, {"metadata": {"name": name}}, namespace="default")

    async def delete(self, name):
        await self.cluster.delete(LEASES, name, namespace="default")

    @asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.reflector.run())
        try:
            yield self
        finally:
            task.cancel()
            (result,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(result, asyncio.CancelledError)


async def watching(world):
    """Wait until the reflector's watch is open."""
    async with asyncio.timeout(PATIENCE_S):
        while not world.cluster.watches:
            await asyncio.sleep(0)


async def test_first_a_full_list_then_changes():
    world = World()
    await world.create("a")
    assert not world.reflector.synced.is_set()
    async with world.running():
        await world.picture.shows("a")
        assert world.reflector.synced.is_set()
        await world.create("b")
        await world.delete("a")
        await world.picture.shows("b")

    assert world.picture.told == [("change", "b"), ("remove", "a")]
    assert world.picture.lists == 1


async def test_a_watch_that_ends_is_taken_up_where_it_was():
    world = World()
    async with world.running():
        await watching(world)
        world.cluster.end_watches()
        await world.create("a")
        await world.picture.shows("a")

    assert world.picture.lists == 1


async def test_a_broken_watch_loses_nothing():
    world = World()
    async with world.running():
        await watching(world)
        await world.create("a")
        world.cluster.break_watches()  # with the event still on its way
        await world.create("b")
        await world.picture.shows("a", "b")

    assert world.picture.told == [("change", "a"), ("change", "b")]
    assert world.picture.lists == 1


async def test_an_expired_position_makes_a_new_list():
    world = World()
    async with world.running():
        await watching(world)
        world.cluster.break_watches()
        await world.create("a")
        world.cluster.compact()
        await world.picture.shows("a")

    assert world.picture.lists == 2


async def test_a_bookmark_saves_the_list():
    world = World()
    async with world.running():
        await watching(world)
        await world.cluster.create(LEASES, {"metadata": {"name": "x"}}, namespace="kube-system")
        world.cluster.bookmark()
        await asyncio.sleep(0)  # it is taken
        world.cluster.compact()
        world.cluster.end_watches()
        await world.create("a")
        await world.picture.shows("a")

    assert world.picture.lists == 1


async def test_a_restarted_server_is_followed_again():
    world = World()
    await world.create("a")
    async with world.running():
        await world.picture.shows("a")
        world.cluster.stop()
        for _ in range(50):  # it tries in vain
            await asyncio.sleep(0)
        world.cluster.start()
        await world.delete("a")
        await world.create("b")
        await world.picture.shows("b")


async def test_what_happens_during_a_list_is_not_lost():
    world = World()
    racing = []

    async def race(request):
        if request.verb == "list" and len(racing) < 3:
            racing.append(f"during-{len(racing)}")
            await world.create(racing[-1])

    world.cluster.after = race
    async with world.running():
        await world.picture.shows("during-0")
        await world.reflector.relist()
        await world.picture.shows("during-0", "during-1")


async def test_a_forced_list_is_begun_after_it_was_asked_for():
    world = World()
    async with world.running():
        await world.reflector.synced.wait()
        await world.create("a")
        await world.reflector.relist()
        assert world.picture.names == {"a"}
        assert world.picture.lists == 2
        await asyncio.gather(world.reflector.relist(), world.reflector.relist())
        assert world.picture.lists == 3
        await world.create("b")
        await world.picture.shows("a", "b")


async def test_a_list_asked_for_while_one_runs_is_another():
    world = World()
    answered, asked = asyncio.Event(), asyncio.Event()

    async def hold(request):
        if request.verb == "list" and not answered.is_set():
            answered.set()
            await asked.wait()

    world.cluster.after = hold
    async with world.running():
        await answered.wait()
        await world.create("late")  # the list that runs does not know it
        again = asyncio.create_task(world.reflector.relist())
        await asyncio.sleep(0)
        asked.set()
        await again

    assert world.picture.names == {"late"}
    assert world.picture.lists == 2


async def test_a_forced_list_waits_for_the_server():
    world = World()
    async with world.running():
        await world.reflector.synced.wait()
        world.cluster.stop()
        again = asyncio.create_task(world.reflector.relist())
        for _ in range(50):
            await asyncio.sleep(0)
        assert not again.done()
        world.cluster.start()
        async with asyncio.timeout(PATIENCE_S):
            await again

    assert world.picture.lists >= 2


async def test_who_waits_for_a_list_ends_with_the_reflector():
    world = World()
    world.cluster.stop()
    async with world.running():
        again = asyncio.create_task(world.reflector.relist())
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await again


@pytest.mark.parametrize(
    "error", [Unreachable("gone"), Forbidden("no rights"), NotFound("no such kind")]
)
async def test_waits_grow_to_a_bound_and_fall_after_success(error, caplog):
    caplog.set_level(logging.WARNING)
    world = World()
    failing = 12

    async def fail(request):
        nonlocal failing
        if request.verb == "list" and failing:
            failing -= 1
            raise error

    world.cluster.before = fail
    async with world.running():
        await world.reflector.synced.wait()
        waits = world.clock.waits[:]
        assert len(waits) == 12
        assert 0.05 <= waits[0] <= 0.1
        assert 5.0 <= waits[-1] <= 10.0
        await watching(world)
        world.cluster.break_watches()
        await world.create("a")
        await world.picture.shows("a")
        assert world.clock.waits[12] <= 0.1
    assert "next try in" in caplog.text


async def test_a_busy_server_is_given_the_time_it_asks_for():
    world = World()
    answers = [Busy("slow down", retry_after_s=7.0), Busy("slow down", retry_after_s=3600.0)]

    async def fail(request):
        if request.verb == "list" and answers:
            raise answers.pop(0)

    world.cluster.before = fail
    async with world.running():
        await world.reflector.synced.wait()

    assert world.clock.waits == [7.0, 60.0]


async def test_a_watch_that_never_opens_leads_to_another_list():
    world = World()

    async def fail(request):
        if request.verb == "watch" and world.picture.lists < 3:
            raise Unreachable("no watches today")

    world.cluster.before = fail
    async with world.running():
        await world.picture.until(lambda: world.picture.lists == 3)
        await world.create("a")
        await world.picture.shows("a")


async def test_watches_that_end_at_once_do_not_spin():
    world = World()

    async def end(request):
        if request.verb == "watch" and world.picture.lists < 2:
            asyncio.get_running_loop().call_soon(world.cluster.end_watches)

    world.cluster.after = end
    async with world.running():
        await world.picture.until(lambda: world.picture.lists == 2)

    assert len(world.clock.waits) >= 3


async def test_random_faults_end_in_a_true_picture():
    for seed in range(20):
        world, random = World(), Random(seed)
        accidents = [
            world.cluster.break_watches,
            world.cluster.end_watches,
            world.cluster.compact,
            world.cluster.bookmark,
            world.cluster.stop,
            world.cluster.start,
        ]
        existing = set()
        async with world.running():
            for number in range(100):
                random.choice(accidents)()
                world.cluster.start() if random.random() < 0.7 else None
                for _ in range(random.randrange(6)):
                    await asyncio.sleep(0)
                try:
                    if existing and random.random() < 0.4:
                        name = random.choice(sorted(existing))
                        await world.delete(name)
                        existing.discard(name)
                    else:
                        await world.create(f"l{number}")
                        existing.add(f"l{number}")
                except Unreachable:
                    pass
            world.cluster.start()
            listed = await world.cluster.list(LEASES, namespace="default")
            await world.picture.shows(*(item.metadata.name for item in listed.items))
