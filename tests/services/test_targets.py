"""Which clusters are targets is read from joins and heartbeats, whatever order they come in."""

import contextlib

from mcs.events.observations import ClusterHeartbeat, ClusterJoined, ClusterLeft
from mcs.services.targets import Targets
from tests.services.members import Log, running, until


class World:
    def __init__(self):
        self.log = Log()
        self.targets = Targets(self.log.broker.connect())
        self.heard = []
        self.targets.subscribe(self.heard.append)

    def join(self, name="c2", uid="k2", roles=("source", "target")):
        return self.log.join(name, ClusterJoined(id="i", uid=uid, roles=roles))

    def beat(self, epoch, nodes, name="c2"):
        self.log.observe(name, "cluster", ClusterHeartbeat(nodes=nodes), epoch=epoch)

    @contextlib.asynccontextmanager
    async def read(self):
        async with running(self.targets):
            await until(self.targets.caught_up.is_set)
            yield self.targets


async def test_a_cluster_is_a_target_from_its_first_heartbeat():
    world = World()
    epoch = world.join()
    async with world.read() as targets:
        assert targets.heartbeat("c2") is None

        world.beat(epoch, 3)
        await until(lambda: targets.heartbeat("c2"))
        assert targets.heartbeat("c2").nodes == 3
        assert world.heard == ["c2", "c2"]


async def test_a_new_epoch_keeps_the_numbers_until_its_own_come():
    world = World()
    world.beat(world.join(), 3)
    second = world.join()
    world.log.observe("c2", "cluster", ClusterLeft(), epoch=second)
    async with world.read() as targets:
        assert targets.heartbeat("c2").nodes == 3
        world.beat(second, 4)
        await until(lambda: targets.heartbeat("c2").nodes == 4)


async def test_a_source_is_no_target():
    world = World()
    world.beat(world.join(roles=("source",)), 3)
    async with world.read() as targets:
        assert targets.heartbeat("c2") is None


async def test_a_name_belongs_to_who_joined_first_until_it_is_removed():
    world = World()
    world.beat(world.join(), 3)
    removed = world.log.observe("c2", "capacity")
    stranger = world.join(uid="other")
    world.beat(stranger, 99)
    async with world.read() as targets:
        assert targets.heartbeat("c2").nodes == 3
        assert targets.heartbeat("c2", since=removed).nodes == 99


async def test_a_removed_cluster_is_none_until_it_joins_again():
    world = World()
    epoch = world.join()
    world.beat(epoch, 3)
    async with world.read() as targets:
        assert targets.heartbeat("c2", since=epoch) is None


async def test_a_cluster_whose_join_was_trimmed_is_taken_for_a_target():
    world = World()
    world.beat(1, 3)
    async with world.read() as targets:
        assert targets.heartbeat("c2").nodes == 3


async def test_many_joins_cost_no_memory():
    world = World()
    for nodes in range(20):
        world.beat(world.join(), nodes)
    async with world.read() as targets:
        assert targets.heartbeat("c2").nodes == 19
        assert len(targets._epochs["c2"]) <= 3
