"""All pods of a cluster in memory: their roles, what is kept of them, who is told."""

import asyncio
import contextlib

import msgspec

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.events.observations import PodObserved
from mcs.objects.kinds import PODS, Container
from mcs.objects.owning import Role
from mcs.services.pods import Pods
from tests.services.clocks import LeapingClock
from tests.services.members import KEYS, until

CONTAINERS = [{"name": "main", "image": "busybox", "resources": {"requests": {"cpu": "200m"}}}]


def pod_manifest(name, *, labels=None, annotations=None, **spec):
    return {
        "metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}},
        "spec": {"containers": CONTAINERS} | spec,
    }


def proxy_manifest(name):
    return pod_manifest(name, annotations={KEYS.manifest: "{}"}, schedulerName="mcs")


def delegate_manifest(name, *, attempt="1", **spec):
    labels = {KEYS.proxy_uid: "proxy", KEYS.attempt: attempt, KEYS.source: "c1"}
    return pod_manifest(name, labels=labels, **spec)


class Bench:
    def __init__(self):
        self.clock = LeapingClock()
        self.cluster = MemoryCluster("c2", self.clock)
        self.virtual = set()
        self.pods = Pods(self.cluster, KEYS, self.clock, virtual_nodes=self.virtual)
        self.told = []
        self.pods.subscribe(self.tell)
        self.used = []
        self.pods.subscribe_use(lambda *change: self.used.append(change))

    def tell(self, role, before, after):
        self.told.append((role, before and before.metadata.name, after and after.metadata.name))

    @contextlib.asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.pods.run())
        try:
            await self.pods.synced.wait()
            yield self.pods
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def create(self, manifest):
        return await self.cluster.create(PODS, manifest, namespace="default")

    async def delete(self, name):
        await self.cluster.delete(PODS, name, namespace="default", grace_s=0)

    async def label(self, name, **labels):
        await self.cluster.patch(PODS, name, {"metadata": {"labels": labels}}, namespace="default")


async def test_each_role_has_its_table():
    bench = Bench()
    bench.virtual.add("mcs-c3")
    proxy = await bench.create(proxy_manifest("proxy"))
    await bench.create(delegate_manifest("delegate"))
    stray = await bench.create(pod_manifest("stray", nodeName="mcs-c3"))
    other = await bench.create(pod_manifest("other", nodeName="n1"))
    async with bench.running() as pods:
        assert list(pods.proxies) == [proxy.metadata.uid]
        assert list(pods.delegates) == ["proxy.1"]
        assert list(pods.strays) == [stray.metadata.uid]
        assert list(pods.others) == [other.metadata.uid]


async def test_of_other_pods_what_they_use_is_kept():
    bench = Bench()
    other = await bench.create(pod_manifest("other", nodeName="n1"))
    await bench.create(pod_manifest("unbound"))
    async with bench.running() as pods:
        used = PodObserved(
            uid=other.metadata.uid,
            namespace="default",
            name="other",
            node="n1",
            requests={"cpu": 200},
        )
        assert pods.others == {other.metadata.uid: used}

        await bench.label("other", x="y")
        await bench.delete("other")
        await until(lambda: not pods.others)
    assert bench.used[:2] == [(None, used), (used, used)]
    assert bench.used[-1] == (used, None)
    assert bench.told == []


async def test_pods_that_ask_the_same_share_what_they_ask():
    bench = Bench()
    for name in "ab":
        await bench.create(pod_manifest(name, nodeName="n1"))
    async with bench.running() as pods:
        one, two = pods.others.values()
        assert one.requests is two.requests


async def test_another_pod_that_cannot_be_read_is_left_out(caplog):
    bench = Bench()
    pod = await bench.create(pod_manifest("a", nodeName="n1"))
    bad = msgspec.convert(
        [{"name": "c", "resources": {"requests": {"cpu": "?"}}}], tuple[Container]
    )
    async with bench.running() as pods:
        spec = msgspec.structs.replace(pod.spec, containers=bad)
        pods.change(msgspec.structs.replace(pod, spec=spec))

        assert pods.others == {}
    assert "pod default/a is left out" in caplog.text


async def test_changes_are_told_with_the_pod_before_and_after():
    bench = Bench()
    async with bench.running():
        await bench.create(proxy_manifest("a"))
        await bench.label("a", x="y")
        await bench.delete("a")
        await until(lambda: bench.told and bench.told[-1][2] is None)

    assert bench.told[0] == (Role.PROXY, None, "a")
    assert bench.told[1] == (Role.PROXY, "a", "a")
    assert bench.told[-1] == (Role.PROXY, "a", None)


async def test_the_last_state_of_a_pod_that_goes_is_told_first():
    bench = Bench()
    phases = []
    bench.pods.subscribe(lambda _role, _before, after: phases.append(after and after.status.phase))
    pod = await bench.create(delegate_manifest("a"))
    async with bench.running() as pods:
        last = type(pod)(metadata=pod.metadata, status=type(pod.status)(phase="Succeeded"))
        pods.remove(last)

    assert phases == ["Pending", "Succeeded", None]


async def test_a_relist_tells_every_pod_and_what_went_meanwhile():
    bench = Bench()
    for name in "ab":
        await bench.create(proxy_manifest(name))
    async with bench.running() as pods:
        bench.told.clear()
        await pods.relist()
        assert bench.told == [(Role.PROXY, "a", "a"), (Role.PROXY, "b", "b")]

        bench.told.clear()
        pods.replace([pod for pod in pods.proxies.values() if pod.metadata.name == "b"])
        assert bench.told == [(Role.PROXY, "a", None), (Role.PROXY, "b", "b")]
        assert len(pods.proxies) == 1


async def test_a_pod_made_again_under_its_name_is_another_pod():
    bench = Bench()
    first = await bench.create(proxy_manifest("a"))
    async with bench.running() as pods:
        bench.cluster.break_watches()
        await bench.delete("a")
        second = await bench.create(proxy_manifest("a"))
        bench.cluster.compact()
        await until(lambda: second.metadata.uid in pods.proxies)

        assert first.metadata.uid not in pods.proxies
    assert (Role.PROXY, "a", None) in bench.told


async def test_a_pod_that_changes_its_role_leaves_one_and_enters_the_other():
    bench = Bench()
    await bench.create(pod_manifest("a", nodeName="n1"))
    async with bench.running() as pods:
        labels = {KEYS.proxy_uid: "proxy", KEYS.attempt: "1", KEYS.source: "c1"}
        await bench.label("a", **labels)
        await until(lambda: "proxy.1" in pods.delegates)

        assert pods.others == {}
    assert bench.told == [(Role.DELEGATE, None, "a")]
    assert bench.used[-1][1] is None


async def test_a_copy_of_a_delegates_labels_does_not_take_its_place(caplog):
    bench = Bench()
    await bench.create(delegate_manifest("a"))
    await bench.create(delegate_manifest("b-copied-for-debugging", nodeName="n1"))
    async with bench.running() as pods:
        assert pods.delegates["proxy.1"].metadata.name == "a"
        assert [used.name for used in pods.others.values()] == ["b-copied-for-debugging"]

        await bench.delete("b-copied-for-debugging")
        await until(lambda: not pods.others)
        assert pods.delegates["proxy.1"].metadata.name == "a"
    assert "copied its labels" in caplog.text


async def test_pods_are_looked_at_again_when_a_virtual_node_appears_or_goes():
    bench = Bench()
    await bench.create(pod_manifest("a", nodeName="mcs-c3"))
    async with bench.running() as pods:
        assert pods.strays == {}

        bench.virtual.add("mcs-c3")
        pods.reclassify()
        assert [pod.metadata.name for pod in pods.strays.values()] == ["a"]
        assert pods.others == {}

        bench.virtual.clear()
        pods.reclassify()
        assert pods.strays == {}
        assert len(pods.others) == 1


async def test_a_watched_removal_was_a_deletion_though_its_request_was_never_shown():
    bench = Bench()
    pod = await bench.create(delegate_manifest("a"))
    last = []
    async with bench.running() as pods:
        pods.subscribe(lambda _role, before, after: last.append(after or before))
        pods.remove(pod)

    assert last[-1].metadata.deletion_timestamp is not None
