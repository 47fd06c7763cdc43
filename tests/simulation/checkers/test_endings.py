"""At the end, whatever has not come to its end, or says what is not so, is found."""

import pytest

from mcs.events import subjects
from mcs.events.decisions import PodPlaced, ProxyReleased
from mcs.events.observations import DelegateRejected, Phase, ResyncStarted
from mcs.objects.kinds import NODES, PODS
from mcs.simulation.checkers import Violation
from mcs.simulation.checkers.rooms import asked
from tests.building import delegate, node
from tests.simulation.checkers.watched import KEYS, Watched, container

DELEGATES = subjects.delegate_channel("c1")
PLACE = {"source": "c1", "namespace": "default", "name": "p"}
FITS_NOT = "no cluster takes the pod: c1: not enough cpu on any one node"


def codes(code):
    return {"containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": code}}}]}


class Ends(Watched):
    def ends(self, *, of="I2"):
        """What the last question brings to light."""
        return [text for text in self.found(end=True) if text.startswith(of)]

    async def says(self, message, *, reason="WaitingForCluster", name="p"):
        condition = {"type": "PodScheduled", "status": "False", "reason": reason}
        await self.status(name, conditions=[{**condition, "message": message}])


async def federation(cpu="1", **proxy):
    """A cluster that has joined, with one node and one proxy."""
    world = Ends("c1")
    await world.furnish(cpu)
    uid = await world.proxy(**proxy)
    world.join("c1", node(cpu=int(float(cpu) * 1000)))
    return world, uid


def place(world, uid):
    names = {"placement": f"{uid}.1", "uid": uid, "target": "c1", "delegate": "d", **PLACE}
    world.decide(PodPlaced(**names, manifest="{}", node="n1", requests={"cpu": 200}))


async def placed():
    world, uid = await federation()
    place(world, uid)
    await world.delegate(uid)
    return world, uid


async def ended(code=0, phase="Succeeded"):
    world, uid = await placed()
    await world.status("d", phase, **codes(code))
    seen = delegate(f"{uid}.1", phase=Phase(phase), node="n1")
    world.observe("c1", DELEGATES, ResyncStarted(), seen)
    return world, uid


async def test_a_proxy_that_ended_as_its_delegate_did():
    world, _ = await ended(code=3, phase="Failed")
    await world.status("p", "Failed", **codes(3))

    assert world.ends() == []
    assert world.ends(of="I5") == []


async def test_an_end_is_awaited_until_it_is_told():
    world, uid = await placed()
    assert world.checkers.orders.awaits(uid)
    world, uid = await ended()
    assert not world.checkers.orders.awaits(uid)


async def test_i2_another_phase_than_the_delegates():
    world, _ = await ended()
    await world.status("p", "Failed", **codes(0))

    (text,) = world.ends()
    assert "is Failed, but" in text and "was told to be Succeeded" in text


async def test_an_end_that_was_told_after_its_proxy_was_let_go_is_not_shown():
    world, uid = await placed()
    world.decide(ProxyReleased(uid=uid, placement=f"{uid}.1", reason="cluster removed", **PLACE))
    await world.status("p", "Failed")
    await world.status("d", "Succeeded", **codes(0))
    seen = delegate(f"{uid}.1", phase=Phase.SUCCEEDED, node="n1")
    world.observe("c1", DELEGATES, ResyncStarted(), seen)

    assert world.ends() == []


async def test_i2_another_exit_code_than_the_delegates():
    world, _ = await ended(code=3, phase="Failed")
    await world.status("p", "Failed", **codes(1))

    (text,) = world.ends()
    assert "exit codes {'main': 1}" in text and "ended with {'main': 3}" in text


async def test_i2_an_end_that_nobody_told():
    world, _ = await placed()
    await world.status("p", "Failed")

    told, running = world.ends()
    assert "nobody told the end" in told
    assert "its delegate c1/default/d" in running and "could run" in running


async def test_i2_still_running_and_still_being_deleted():
    world, _ = await placed()
    await world.proxy("q")
    await world.clusters["c1"].delete(PODS, "q", namespace="default", grace_s=0)
    await world.bind("p", "mcs-c1")

    bound, deleting = world.ends()
    assert "has not ended: it is Pending on mcs-c1" in bound
    assert "is still being deleted, with finalizers" in deleting


async def test_i2_a_delegate_that_outlives_its_proxy():
    world, uid = await ended()
    await world.status("p", "Succeeded", **codes(0))
    world.decide(ProxyReleased(uid=uid, placement=f"{uid}.1", **PLACE))
    await world.release("p")
    await world.delete("p")

    (text,) = world.ends()
    assert "delegate c1/default/d" in text and "outlives its proxy" in text


async def test_a_proxy_that_waits_for_a_reason_that_is_true():
    world, _ = await federation(spec={"containers": [container("1100m")]})
    await world.says(FITS_NOT)

    assert world.ends() == []


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (FITS_NOT, "node n1 has room for it"),
        (FITS_NOT.replace("c1:", "c9:"), "speaks of c9, which is no target"),
        (FITS_NOT.replace("c1:", "c9:"), "says nothing of c1"),
        ("never mind", "has no verdicts"),
    ],
)
async def test_i2_a_reason_that_is_not_true(message, words):
    world, _ = await federation()
    await world.says(message)

    assert any(words in text for text in world.ends())


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("not enough memory on any one node", "no eligible node is short of that"),
        ("ruled out by node cordoned", "nothing rules out n1"),
        ("it fits, in a later cycle", "that is no verdict"),
    ],
)
async def test_i2_another_reason_than_the_true_one(said, words):
    world, _ = await federation(spec={"containers": [container("1100m")]})
    await world.says(f"no cluster takes the pod: c1: {said}")

    (text,) = world.ends()
    assert words in text and f"says of c1 {said!r}" in text


async def test_i2_a_pin_that_is_not_spoken_of():
    world, _ = await federation(**{KEYS.clustername: "c2"})
    await world.says(f"{FITS_NOT}; c2: ruled out by no such target cluster")

    (text,) = world.ends()
    assert "it is pinned to c2" in text


async def test_what_rules_a_cluster_out_may_be_its_nodes():
    world, _ = await federation(spec={"nodeSelector": {"a": "b"}, "containers": [container("1m")]})
    await world.says("no cluster takes the pod: c1: ruled out by node selector a")

    assert world.ends() == []


async def test_i2_no_reason_at_all():
    world, _ = await federation()

    (text,) = world.ends()
    assert "does not say why" in text


async def test_i2_waiting_with_a_delegate_that_has_a_node():
    world, _ = await placed()
    await world.says(FITS_NOT)

    (text,) = world.ends()
    assert "waits, though its delegate has a node" in text


async def test_i2_tried_without_a_delegate():
    world, _ = await federation()
    await world.says("tried in cluster c1", reason="WaitingForDelegate")

    (text,) = world.ends()
    assert "says that it is tried, and has no delegate" in text


@pytest.mark.parametrize("true", [True, False])
async def test_i2_rejected_or_not(true):
    world, uid = await federation(spec={"containers": [container("1100m")]})
    if true:
        place(world, uid)
        event = DelegateRejected(placement=f"{uid}.1", namespace="default", name="d", reason="r")
        world.observe("c1", DELEGATES, ResyncStarted(), event)
    await world.says(f"cluster c1 rejected it: r: m; {FITS_NOT}", reason="DelegateRejected")

    assert [("never was" in text) for text in world.ends()] == ([] if true else [True])


async def test_i5_what_the_log_says_of_nodes_is_not_so():
    world, _ = await federation(cpu="2")
    manifest = {"metadata": {"name": "n2"}, "status": {"allocatable": {"cpu": "1"}}}
    await world.clusters["c1"].create(NODES, manifest)

    found = world.ends(of="I5")
    assert len(found) == 2
    assert all("has node c1/n2 with None; the cluster, with {'cpu': 1000}" in t for t in found)


async def test_i5_an_account_that_somebody_else_began_is_nobodys_to_mend():
    world, _ = await federation(cpu="2")
    world.observe("c1", subjects.CAPACITY, ResyncStarted(reason="forged"))
    manifest = {"metadata": {"name": "n2"}, "status": {"allocatable": {"cpu": "1"}}}
    await world.clusters["c1"].create(NODES, manifest)

    assert not world.ends(of="I5")


async def test_i5_a_booking_that_nobody_gave_back():
    world, _ = await placed()
    await world.delete("d", by="")

    scheduler, log = world.ends(of="I5")
    assert "the scheduler takes {'cpu': 200, 'pods': 1} of c1/n1" in scheduler
    assert "its pods use {}" in log


async def test_i2_an_account_that_never_ends_and_a_gap_that_nobody_mends():
    world, _ = await federation()
    assert not any("account" in text for text in world.ends())
    world.observe("c1", subjects.PROXY, ResyncStarted())
    world.observe("c1", subjects.CAPACITY, node("n2"), number=9)

    gap, endless = (text for text in world.ends() if "account" in text)
    assert "c1/capacity has a gap" in gap
    assert "c1/proxy has not ended since" in endless


async def test_i8_a_pod_that_waits_too_long_for_an_answer():
    world, uid = await federation()
    began_s = world.clock.monotonic()
    world.tick(seconds=30)
    world.checkers.check_answers(31, [uid])
    world.checkers.check_answers(5, [uid], since_s=began_s + 29)
    with pytest.raises(Violation) as raised:
        world.checkers.check_answers(29, [uid])

    assert raised.value.invariant == "I8"
    assert uid in raised.value.text and "has no answer after 30.0 s" in raised.value.text


def test_effective_requests_in_the_obvious_way():
    side = {**container("100m"), "restartPolicy": "Always"}
    spec = {
        "containers": [container("200m"), container("300m")],
        "initContainers": [container("900m"), side, container("500m")],
        "overhead": {"cpu": "50m"},
    }

    assert asked(spec) == {"cpu": 950}
    assert asked({**spec, "initContainers": [side, container("500m")]}) == {"cpu": 650}
