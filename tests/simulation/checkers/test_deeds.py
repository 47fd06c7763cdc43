"""Every rule about what becomes of pods and nodes can be broken, and is named then."""

import msgspec
import pytest

from mcs.adapters.memory_registry import Request
from mcs.events import subjects
from mcs.events.decisions import (
    ClusterLost,
    ClusterRemoved,
    PlacementWithdrawn,
    PodPlaced,
    ProxyEvicted,
    ProxyReleased,
)
from mcs.events.observations import Phase, ResyncStarted
from mcs.names import PROVIDER, VIRTUAL_NODE_TAINT, virtual_node
from mcs.objects.kinds import NODES, PODS, SECRETS
from tests.building import delegate
from tests.simulation.checkers.watched import AGENT, Watched

DELEGATES = subjects.delegate_channel("c1")
PLACE = {"source": "c1", "namespace": "default", "name": "p"}


def placed(uid, attempt=1, target="c1"):
    return PodPlaced(
        placement=f"{uid}.{attempt}",
        uid=uid,
        target=target,
        delegate="d",
        manifest="{}",
        node="n1",
        **PLACE,
    )


def withdrawn(uid, *, unbound_only=False):
    return PlacementWithdrawn(
        placement=f"{uid}.1",
        uid=uid,
        target="c1",
        delegate="d",
        reason="r",
        unbound_only=unbound_only,
        **PLACE,
    )


def released(uid, placement=""):
    return ProxyReleased(uid=uid, placement=placement, **PLACE)


def evicted(uid):
    return ProxyEvicted(uid=uid, placement=f"{uid}.1", reason="r", **PLACE)


class Deeds(Watched):
    """What is decided here is not what ``schedule`` says; of that, others tell."""

    def deeds(self):
        return [text for text in self.found() if not text[4:].startswith("cycle ")]


async def running():
    """A proxy that was placed, and a delegate on a node."""
    world = Deeds("c1", "c2")
    await world.furnish()
    uid = await world.proxy()
    world.decide(placed(uid))
    await world.delegate(uid)
    return world, uid


async def virtual(world, target="c2"):
    labels = {VIRTUAL_NODE_TAINT: PROVIDER}
    manifest = {"metadata": {"name": virtual_node(target), "labels": labels}}
    await world.clusters["c1"].create(NODES, manifest)


async def test_a_life_as_it_should_be_is_left_alone():
    world, uid = await running()
    await virtual(world, "c1")
    await world.bind("p", "mcs-c1")
    for name in "d", "p":
        await world.status(name, "Running")
    for name in "d", "p":
        await world.status(name, "Succeeded")
    world.decide(withdrawn(uid))
    await world.delete("d")
    world.decide(released(uid))
    await world.release("p")
    await world.delete("p")

    assert world.deeds() == []
    assert all(life.gone for life in world.checkers.sightings.lives.values())


@pytest.mark.parametrize("observed", [True, False])
async def test_i1_a_delegate_created_twice(observed):
    world, uid = await running()
    if observed:
        world.join("c1")
        (life,) = world.checkers.sightings.delegates[uid]
        seen = msgspec.structs.replace(delegate(f"{uid}.1", node="n1"), uid=life.uid)
        world.observe("c1", DELEGATES, ResyncStarted(), seen)
    await world.delete("d", by="")
    await world.delegate(uid, name="d2")

    found = world.deeds()
    if not observed:
        assert found == []  # nobody could know
        return
    (text,) = found
    assert text.startswith("I1: ") and "created again" in text and f"{uid}.1" in text


@pytest.mark.parametrize("deleting", [False, True])
async def test_i1_two_delegates_that_could_run(deleting):
    world, uid = await running()
    await world.status("d", "Running")
    if deleting:
        await world.clusters["c1"].delete(PODS, "d", namespace="default", grace_s=30)
    world.decide(placed(uid, 2, target="c2"))
    await world.furnish(cluster="c2")
    await world.delegate(uid, attempt=2, cluster="c2", node="")

    (text,) = world.deeds()
    assert text.startswith("I1: ") and "could run (Running on n1)" in text


async def test_one_that_has_ended_runs_no_more():
    world, uid = await running()
    await world.status("d", "Failed")
    world.decide(placed(uid, 2, target="c2"))
    await world.delegate(uid, attempt=2, cluster="c2", node="")

    assert world.deeds() == []


async def test_i7_a_delegate_that_nobody_placed():
    world = Deeds("c1")
    uid = await world.proxy()
    await world.delegate(uid, node="")

    (text,) = world.deeds()
    assert text.startswith("I7: ") and "nobody has placed it" in text


async def test_i7_a_delegate_deleted_without_a_decision():
    world, uid = await running()
    world.decide(evicted(uid))
    await world.delete("d")

    (text,) = world.deeds()
    assert text.startswith("I7: ") and "no withdrawal" in text and AGENT in text


async def test_what_others_delete_is_their_affair():
    world, _ = await running()
    await world.delete("d", by="")

    assert world.deeds() == []


async def test_i7_a_delegate_with_a_node_withdrawn_only_if_unbound():
    world, uid = await running()
    world.decide(withdrawn(uid, unbound_only=True))
    await world.delete("d")

    (text,) = world.deeds()
    assert text.startswith("I7: ") and "only if unbound, and it was on n1" in text


async def test_i7_a_proxy_deleted_without_a_decision():
    world, uid = await running()
    world.decide(withdrawn(uid))
    await world.delete("p")

    (text,) = world.deeds()
    assert text.startswith("I7: ") and "no eviction, no release" in text


async def test_an_evicted_proxy_may_be_deleted():
    world, uid = await running()
    world.decide(evicted(uid))
    await world.delete("p")

    assert world.deeds() == []


@pytest.mark.parametrize("over", [True, False])
async def test_i7_a_finalizer_taken_away_before_the_delegate_ended(over):
    world, uid = await running()
    if over:
        world.join("c1")
        seen = delegate(f"{uid}.1", phase=Phase.SUCCEEDED)
        world.observe("c1", DELEGATES, ResyncStarted(), seen)
    await world.release("p")

    if over:
        assert world.deeds() == []
    else:
        (text,) = world.deeds()
        assert text.startswith("I7: ") and f"{uid}.1 may run" in text


async def test_i7_a_pod_or_a_secret_that_is_none_of_ours():
    world, _ = await running()
    cluster = world.clusters["c1"]
    manifest = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "m", "image": "i"}]}}
    await cluster.create(PODS, manifest, namespace="default")
    await cluster.create(SECRETS, {"metadata": {"name": "s"}}, namespace="default")
    await world.delete("x")
    await cluster.delete(SECRETS, "s", namespace="default")
    world.checkers.act(AGENT, "c1", Request("delete", SECRETS, "default", "s"))

    pods, secrets = world.deeds()
    assert pods.startswith("I7: ") and "none of ours" in pods
    assert secrets.startswith("I7: ") and "Secret default/s" in secrets


async def test_i7_a_virtual_node_deleted_while_its_cluster_is_a_member():
    world, _ = await running()
    await virtual(world)
    await world.delete("mcs-c2", kind=NODES)

    (text,) = world.deeds()
    assert text.startswith("I7: ") and "not removed" in text


async def test_i7_a_virtual_node_deleted_under_a_proxy():
    world, _ = await running()
    await virtual(world)
    world.decide(ClusterLost(cluster="c2"))
    await world.bind("p", "mcs-c2")
    world.decide(ClusterRemoved(cluster="c2"))
    await world.delete("mcs-c2", kind=NODES)

    (text,) = world.deeds()
    assert text.startswith("I7: ") and "under ['c1/default/p" in text


async def test_i7_a_real_node_deleted():
    world, _ = await running()
    await world.delete("n1", kind=NODES)

    (text,) = world.deeds()
    assert text.startswith("I7: ") and "not ours" in text


async def test_i2_a_phase_that_goes_back():
    world, _ = await running()
    for phase in "Failed", "Running":
        await world.status("d", phase)
    for phase in "Running", "Pending", "Failed", "Succeeded":
        await world.status("p", phase)

    back, ended, untrue = world.deeds()
    assert back.startswith("I2: ") and "from Running to Pending" in back
    assert ended.startswith("I2: ") and "from Failed to Succeeded" in ended
    assert untrue.startswith("I2: ") and "no delegate of it did" in untrue


async def test_i2_running_before_the_delegate():
    world, _ = await running()
    await world.status("p", "Running")

    (text,) = world.deeds()
    assert text.startswith("I2: ") and "no delegate of it ever ran" in text


async def test_i2_bound_before_the_delegate():
    world = Deeds("c1", "c2")
    uid = await world.proxy()
    world.decide(placed(uid, target="c2"))
    await world.delegate(uid, cluster="c2", node="")
    await world.bind("p", "mcs-c2")

    (text,) = world.deeds()
    assert text.startswith("I2: ") and "was bound to mcs-c2 before" in text
