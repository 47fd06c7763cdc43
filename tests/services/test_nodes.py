"""All nodes of a cluster in memory: the real ones, and ours."""

import asyncio
import contextlib

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.events.observations import NodeObserved
from mcs.names import PROVIDER, VIRTUAL_NODE_TAINT
from mcs.objects.kinds import NODES, Metadata, Node, NodeStatus
from mcs.services.nodes import Nodes
from tests.services.clocks import LeapingClock
from tests.services.members import KEYS, until

VIRTUAL = {VIRTUAL_NODE_TAINT: PROVIDER}


class Bench:
    def __init__(self):
        clock = LeapingClock()
        self.cluster = MemoryCluster("c1", clock)
        self.nodes = Nodes(self.cluster, KEYS, clock)
        self.told = []
        self.nodes.subscribe(self._tell)
        self.nodes.subscribe_real(self._tell)

    def _tell(self, before, after):
        self.told.append((name_of(before), name_of(after)))

    @contextlib.asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.nodes.run())
        try:
            await self.nodes.synced.wait()
            yield self.nodes
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def create(self, name, labels=None):
        await self.cluster.create(NODES, {"metadata": {"name": name, "labels": labels or {}}})


def name_of(node):
    return node and (node.name if isinstance(node, NodeObserved) else node.metadata.name)


async def test_real_and_virtual_nodes_are_kept_apart():
    bench = Bench()
    await bench.create("n1")
    await bench.create("mcs-c2", VIRTUAL)
    async with bench.running() as nodes:
        names = nodes.virtual_names

        assert list(nodes.real) == ["n1"]
        assert list(names) == ["mcs-c2"]

        await bench.create("mcs-c3", VIRTUAL)
        await until(lambda: "mcs-c3" in names)


async def test_changes_are_told():
    bench = Bench()
    await bench.create("n1")
    async with bench.running() as nodes:
        await bench.cluster.patch(NODES, "n1", {"spec": {"unschedulable": True}})
        await until(lambda: nodes.real["n1"].cordoned)
        await bench.cluster.delete(NODES, "n1")
        await until(lambda: not nodes.real)

    assert bench.told == [(None, "n1"), ("n1", "n1"), ("n1", None)]


async def test_a_full_list_ends_what_it_does_not_name():
    bench = Bench()
    for name in "ab":
        await bench.create(name)
    async with bench.running() as nodes:
        bench.told.clear()
        nodes.replace([nodes.real["b"]])

    assert bench.told == [("a", None), ("b", "b")]


async def test_a_node_that_becomes_virtual_ceases_to_be_real():
    bench = Bench()
    await bench.create("n1")
    async with bench.running() as nodes:
        await bench.cluster.patch(NODES, "n1", {"metadata": {"labels": VIRTUAL}})
        await until(lambda: nodes.virtual)

        assert not nodes.real
    assert bench.told[1:] == [("n1", None), (None, "n1")]


async def test_of_real_nodes_what_is_said_of_them_is_kept():
    bench = Bench()
    amounts = {"cpu": "4", "pods": "110"}
    for name in "ab":
        metadata = {"name": name, "labels": {"zone": "z"}}
        await bench.cluster.create(
            NODES, {"metadata": metadata, "status": {"allocatable": amounts}}
        )
    async with bench.running() as nodes:
        a, b = nodes.real.values()

        assert a == NodeObserved(
            name="a",
            allocatable={"cpu": 4000, "pods": 110},
            labels={"zone": "z"},
            ready=False,
            pool="default",
        )
        assert a.allocatable is b.allocatable


async def test_a_node_that_cannot_be_read_is_left_out(caplog):
    bench = Bench()
    await bench.create("n1")
    async with bench.running() as nodes:
        status = NodeStatus(allocatable={"cpu": "?"})
        nodes.change(Node(metadata=Metadata(name="n1"), status=status))

        assert not nodes.real
    assert bench.told == [(None, "n1"), ("n1", None)]
    assert "node n1 is left out" in caplog.text
