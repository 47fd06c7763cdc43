"""Virtual nodes on the memory twins: made, kept, marked lost only by the log, removed by people."""

import contextlib

import msgspec

from mcs.events.decisions import ClusterLost, ClusterRecovered, ClusterRemoved
from mcs.events.observations import ClusterHeartbeat, ClusterJoined
from mcs.names import virtual_node
from mcs.objects.kinds import LEASES, NODES, PODS
from mcs.objects.virtualnode import LEASE_NAMESPACE
from mcs.ports import Stream
from mcs.services.nodes import Nodes
from mcs.services.pods import Pods
from mcs.services.virtual_nodes import VirtualNodes, VirtualNodeSettings
from tests.services.members import KEYS, USER_POD, Log, Member, SlowLog, settled, until

NODE = virtual_node("c2")
QUICK = VirtualNodeSettings(renew_s=0.03, status_s=0.1, lease_s=0.01, retry_s=0.01, stay_s=0.1)
ROOM = {"cpu": 4000, "memory": 1 << 30, "pods": 110}


class Source(Member):
    def __init__(self, log=None, cluster=None, connection=None, settings=QUICK):
        super().__init__(log or Log(), "c1", cluster, connection)
        self.nodes = Nodes(self.cluster, KEYS, self.clock)
        self.pods = Pods(self.cluster, KEYS, self.clock, virtual_nodes=self.nodes.virtual_names)
        self.nodes.subscribe(lambda _before, _after: self.pods.reclassify())
        self.virtual = VirtualNodes(
            name="c1",
            cluster=self.cluster,
            log=self.connection,
            standing=self.standing,
            nodes=self.nodes,
            pods=self.pods,
            clock=self.clock,
            keys=KEYS,
            held=self.held,
            settings=settings,
        )

    @contextlib.asynccontextmanager
    async def acting(self):
        async with self.running(self.nodes, self.virtual):
            await until(self.virtual.ready.is_set)
            yield self

    def join(self, name="c2", **summary):
        epoch = self.log.join(name, ClusterJoined(id="i", uid=f"uid-{name}"))
        self.beat(epoch, name, **summary)
        return epoch

    def beat(self, epoch, name="c2", **summary):
        summary = {"totals": ROOM, "kubernetes": "v1.36.3"} | summary
        self.log.observe(name, "cluster", ClusterHeartbeat(**summary), epoch=epoch)

    async def ready(self, name=NODE):
        node = await self.node(name)
        conditions = (node.status.conditions or ()) if node else ()
        return next((item.status for item in conditions if item.type == "Ready"), None)

    def becomes(self, status, name=NODE):
        async def shown():
            return await self.ready(name) == status

        return until(shown)

    def is_gone(self, name=NODE):
        async def gone():
            return await self.node(name) is None

        return until(gone)

    async def let_go(self, proxy):
        """As once its finalizer is gone."""
        nobody = {"metadata": {"finalizers": None}}
        await self.cluster.patch(PODS, proxy, nobody, namespace="default")
        await self.cluster.delete(PODS, proxy, namespace="default", grace_s=0)

    async def lease(self, name=NODE):
        listed = await self.cluster.list(LEASES, namespace=LEASE_NAMESPACE)
        found = [item for item in listed.items if item.metadata.name == name]
        return found[0] if found else None

    async def on_node(self, name, **spec):
        manifest = {
            "metadata": {"name": name, "namespace": "default"},
            "spec": USER_POD["spec"] | {"nodeName": NODE} | spec,
        }
        return await self.cluster.create(PODS, manifest, namespace="default")


async def test_each_target_has_a_node_with_its_capacity_and_a_lease():
    async with Source().acting() as source:
        source.join("c2")
        source.join("c1")
        await source.becomes("True")
        await source.becomes("True", virtual_node("c1"))

        node = await source.node(NODE)
        assert node.status.capacity["cpu"] == "4"
        assert node.spec.taints[0].key == "virtual-kubelet.io/provider"
        lease = await source.lease()
        assert lease.metadata.owner_references[0].uid == node.metadata.uid


async def test_leases_are_renewed_even_when_nothing_is_heard():
    async with Source().acting() as source:
        source.join()
        await source.becomes("True")
        source.connection.cut()
        before = (await source.lease()).spec.renew_time

        async def renewed():
            return (await source.lease()).spec.renew_time > before

        await until(renewed)
        assert await source.ready() == "True"


async def test_only_the_log_makes_a_node_not_ready():
    async with Source().acting() as source:
        source.join()
        await source.becomes("True")
        source.log.decide(ClusterLost(cluster="c2"))
        await source.becomes("False")
        source.log.decide(ClusterRecovered(cluster="c2"))
        await source.becomes("True")


async def test_a_node_is_not_judged_by_half_a_history():
    log = Log()
    slow = SlowLog(log.broker.connect(), Stream.DECISIONS, "mcs.dec._._")
    source = Source(log, connection=slow)
    source.join()
    log.decide(ClusterLost(cluster="c2"))
    async with source.running(source.nodes, source.virtual):
        await until(source.pods.synced.is_set)
        await settled()
        assert await source.node(NODE) is None

        slow.gate.set()
        await source.becomes("False")


async def test_ones_own_node_is_never_lost():
    async with Source().acting() as source:
        source.join("c1")
        source.log.decide(ClusterLost(cluster="c1"))
        await until(lambda: source.standing.lost)
        await source.becomes("True", virtual_node("c1"))
        await settled()

        assert await source.ready(virtual_node("c1")) == "True"


async def test_a_node_that_somebody_deleted_is_made_again_at_once():
    async with Source().acting() as source:
        source.join()
        await source.becomes("True")
        before = await source.node(NODE)
        await source.cluster.delete(NODES, NODE)

        async def again():
            node = await source.node(NODE)
            return node and node.metadata.uid != before.metadata.uid

        await until(again)
        await source.becomes("True")


async def test_a_lost_clusters_node_that_a_cloud_deleted_is_made_again_and_stays_lost():
    async with Source().acting() as source:
        source.join()
        source.log.decide(ClusterLost(cluster="c2"))
        await source.becomes("False")
        before = (await source.node(NODE)).metadata.uid

        await source.cluster.delete(NODES, NODE)

        async def again():
            node = await source.node(NODE)
            return node is not None and node.metadata.uid != before

        await until(again)
        await source.becomes("False")


async def test_a_cordon_stays_and_is_not_undone():
    async with Source().acting() as source:
        epoch = source.join()
        await source.becomes("True")
        await source.cluster.patch(NODES, NODE, {"spec": {"unschedulable": True}})
        source.beat(epoch, labels={"zone": "a"})

        async def labelled():
            return (await source.node(NODE)).metadata.labels.get("zone") == "a"

        await until(labelled)
        assert (await source.node(NODE)).spec.unschedulable


async def test_new_numbers_alone_wait_for_their_turn():
    source = Source(settings=VirtualNodeSettings(renew_s=0.03, status_s=60.0))
    async with source.acting():
        epoch = source.join()
        await source.becomes("True")
        source.beat(epoch, totals=ROOM | {"cpu": 5000})
        await settled()
        assert (await source.node(NODE)).status.capacity["cpu"] == "4"

        source.log.decide(ClusterLost(cluster="c2"))
        await source.becomes("False")
        assert (await source.node(NODE)).status.capacity["cpu"] == "5"


async def test_new_numbers_are_shown_at_last():
    async with Source().acting() as source:
        epoch = source.join()
        await source.becomes("True")
        source.beat(epoch, totals=ROOM | {"cpu": 5000})

        async def shown():
            return (await source.node(NODE)).status.capacity["cpu"] == "5"

        await until(shown)


async def test_pods_of_others_are_let_go_and_proxies_stay():
    async with Source().acting() as source:
        source.join()
        await source.becomes("True")
        await until(lambda: NODE in source.nodes.virtual)
        await source.create_proxy("ours")
        await source.bind("ours", NODE)
        await source.on_node("daemon", tolerations=[{"operator": "Exists"}])
        await source.create_pod(name="elsewhere")

        async def gone():
            return await source.pod("daemon") is None

        await until(gone)
        assert await source.pod("ours")
        assert await source.pod("elsewhere")


async def test_a_stray_pods_finalizers_are_respected():
    async with Source().acting() as source:
        source.join()
        await source.becomes("True")
        await until(lambda: NODE in source.nodes.virtual)
        manifest = {
            "metadata": {"name": "held", "namespace": "default", "finalizers": ["test/hold"]},
            "spec": USER_POD["spec"] | {"nodeName": NODE},
        }
        await source.cluster.create(PODS, manifest, namespace="default")

        async def going():
            return (await source.pod("held")).metadata.deletion_timestamp

        await until(going)
        await settled()
        assert (await source.pod("held")).metadata.finalizers == ("test/hold",)


async def test_a_removed_clusters_node_goes_with_its_last_proxy():
    async with Source().acting() as source:
        epoch = source.join()
        await source.becomes("True")
        await source.create_proxy("a")
        await source.bind("a", NODE)
        await until(lambda: source.pods.proxies)
        source.log.decide(ClusterRemoved(cluster="c2"), based_on=epoch + 1)
        await source.becomes("False")
        assert await source.node(NODE)

        await source.let_go("a")
        await source.is_gone()


async def test_a_removed_clusters_node_waits_for_a_proxy_that_is_being_bound_to_it_i7():
    settings = msgspec.structs.replace(QUICK, stay_s=2.0)
    async with Source(settings=settings).acting() as source:
        epoch = source.join()
        await source.becomes("True")
        await source.create_proxy("a")
        source.log.decide(ClusterRemoved(cluster="c2"), based_on=epoch + 1)
        await settled()
        await source.bind("a", NODE)  # was asked for before the removal was heard of

        await source.becomes("False")
        await settled()
        assert await source.node(NODE)


async def test_a_proxy_that_was_bound_too_late_has_its_node_back_until_it_is_gone_i7():
    """Else the garbage collector of pods would delete it."""
    async with Source().acting() as source:
        epoch = source.join()
        await source.becomes("True")
        await source.create_proxy("a")
        source.log.decide(ClusterRemoved(cluster="c2"), based_on=epoch + 1)
        await source.is_gone()

        await source.bind("a", NODE)

        await source.becomes("False")
        assert await source.lease()
        await source.let_go("a")
        await source.is_gone()


async def test_a_removed_cluster_that_is_back_at_once_keeps_its_node():
    settings = msgspec.structs.replace(QUICK, stay_s=60.0)
    async with Source(settings=settings).acting() as source:
        epoch = source.join()
        await source.becomes("True")
        before = await source.node(NODE)
        source.log.decide(ClusterRemoved(cluster="c2"), based_on=epoch + 1)
        await settled()
        source.join(kubernetes="v1.37.0")

        async def renewed():
            node = await source.node(NODE)
            return node and node.status.node_info.kubelet_version == "v1.37.0" and node

        assert (await until(renewed)).metadata.uid == before.metadata.uid


async def test_a_removed_cluster_that_joins_again_has_a_node_again():
    async with Source().acting() as source:
        epoch = source.join()
        await source.becomes("True")
        source.log.decide(ClusterRemoved(cluster="c2"), based_on=epoch + 1)
        await source.is_gone()
        source.join()

        await source.becomes("True")


async def test_a_machine_that_has_the_name_is_left_alone():
    source = Source()
    await source.cluster.create(NODES, {"metadata": {"name": NODE}})
    async with source.acting():
        source.join()
        await settled()

        assert await source.ready() is None
        assert await source.lease() is None


async def test_nothing_is_written_by_an_agent_that_no_longer_leads():
    source = Source()
    source.leads = False
    async with source.acting():
        source.join()
        await settled()
        assert await source.node(NODE) is None

        source.leads = True
        await source.becomes("True")


async def test_an_unknown_virtual_node_stays():
    source = Source()
    async with source.acting():
        source.join()
        await source.becomes("True")
    again = Source(Log(), source.cluster)
    async with again.acting():
        await settled()

        assert await again.ready() == "True"
