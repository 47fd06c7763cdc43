"""Every rule about the log can be broken, and is named then."""

import msgspec
import pytest

from mcs.decisions.framing import frame_cycle
from mcs.events import codec, subjects
from mcs.events.decisions import CycleMarked, PodPlaced, SchedulerClaimed
from mcs.events.frames import ObservationFrame
from mcs.events.observations import DelegateGone, End, NodeObserved, Phase, ResyncStarted, Verb
from mcs.ports import Stream
from mcs.projections.membership import Admission
from mcs.simulation.checkers import Violation
from tests.building import delegate, deleted, node, pod, proxy
from tests.simulation.checkers.watched import Watched

DELEGATES = subjects.delegate_channel("c1")


def placed(world):
    """A log with one placement in it."""
    world.join("c1", node(), proxies=(proxy(),))
    (event,) = [each for each in world.cycle() if isinstance(each, PodPlaced)]
    return event


def again(event, attempt, **fields):
    return msgspec.structs.replace(event, placement=f"{event.uid}.{attempt}", **fields)


def test_a_log_as_it_should_be_is_left_alone():
    world = Watched()
    event = placed(world)
    world.observe("c1", DELEGATES, ResyncStarted(), delegate(event.placement, node="n1"))
    world.observe("c1", DELEGATES, delegate(event.placement, phase=Phase.SUCCEEDED))
    world.tick(times=3)
    world.mark()
    world.cycle()

    assert world.found(end=True) == []
    assert world.checkers.journal.replayed.cycles >= 2
    assert world.checkers.journal.replayed.digest() == world.state.digest()


def test_i1_two_live_placements():
    world = Watched()
    event = placed(world)
    world.decide(again(event, 2))

    assert any(text.startswith("I1: ") and "u1.2" in text for text in world.found())
    with pytest.raises(Violation) as raised:
        world.checkers.check()
    assert raised.value.invariant in {"I1", "I4"}


def test_i1_a_placement_decided_twice():
    world = Watched()
    event = placed(world)
    world.observe("c1", DELEGATES, ResyncStarted(), delegate(event.placement, node="n1"))
    gone = DelegateGone(
        placement=event.placement, namespace="default", name="d", end=End.NEVER_CREATED
    )
    world.observe("c1", DELEGATES, gone)
    world.decide(event)

    assert any("I1: " in text and "was placed before" in text for text in world.found())
    assert not any("while" in text for text in world.found())


def test_i3_a_cycle_decided_in_another_state():
    world = Watched()
    placed(world)
    world.state.backlog.proxies["u1"].attempts += 1
    world.state.backlog.refresh("u1")
    world.mark()

    assert any(text.startswith("I3: ") and "state" in text for text in world.found())


def test_i3_a_chain_that_is_broken_ends_the_replay():
    world = Watched()
    placed(world)
    cycle = frame_cycle(world.state, 1, (CycleMarked(),))
    frame = msgspec.structs.replace(cycle.frames[0], previous="0" * 32)
    world.broker.store([(cycle.messages[0][0], codec.encode(frame))])

    assert any(text.startswith("I3: ") and "chain" in text for text in world.found())
    assert world.checkers.journal.stopped


def test_i3_observations_other_than_those_decided_on():
    world = Watched()
    placed(world)
    cycle = frame_cycle(world.state, 1, (CycleMarked(),))
    frame = msgspec.structs.replace(cycle.frames[0], observed="0" * 32)
    world.broker.store([(cycle.messages[0][0], codec.encode(frame))])

    assert any("I3: " in text and "other observations" in text for text in world.found())


def test_i4_a_cycle_that_is_not_what_its_state_gives():
    world = Watched()
    world.join("c1", node(), proxies=(proxy(),))
    world.mark()

    assert any(text.startswith("I4: ") and "pod.placed" in text for text in world.found())


def test_i4_a_frame_of_a_cycle_that_is_missing():
    world = Watched()
    cycle = frame_cycle(world.state, 1, (CycleMarked(),))
    frame = msgspec.structs.replace(cycle.frames[0], index=1, count=2)
    world.broker.store([(cycle.messages[0][0], codec.encode(frame))])

    assert any("I4: " in text and "frame 1 where 0 must stand" in text for text in world.found())


def test_i4_a_claim_of_a_reign_that_is_not_the_next():
    world = Watched()
    cycle = frame_cycle(world.state, 7, (SchedulerClaimed(reign=7, id="x"),))
    world.broker.store(cycle.messages)

    assert any("I4: " in text and "reign 7 follows reign 1" in text for text in world.found())


def test_i4_a_decision_of_a_reign_that_is_over():
    world = Watched()
    world.decide(SchedulerClaimed(reign=2, id="x"))
    cycle = frame_cycle(world.state, 1, (CycleMarked(),))
    world.broker.store(cycle.messages)

    assert any("I4: " in text and "is of reign 1, but 2 rules" in text for text in world.found())


def test_i5_a_booking_where_nothing_is_free():
    world = Watched()
    event = placed(world)
    world.observe("c1", subjects.PROXY, proxy("u2"))
    world.decide(msgspec.structs.replace(again(event, 1), uid="u2", placement="u2.1"))
    assert not any("I5" in text for text in world.found())
    world.observe("c1", subjects.CAPACITY, pod("other", "n1", 500))
    world.observe("c1", subjects.PROXY, proxy("u3"))
    world.decide(msgspec.structs.replace(again(event, 1), uid="u3", placement="u3.1"))

    assert any("I5: " in text and "1100 of 1000 cpu" in text for text in world.found())


def test_a_release_gives_back_what_was_booked_and_not_what_was_seen_on_a_node():
    world = Watched()
    world.join("c1", node(), proxies=(proxy("u1"), proxy("u2")))
    world.cycle()
    world.delegates("c1", "c1", delegate("u2.1", node="n1"))
    for uid in ("u1", "u2"):
        named = {"namespace": "default", "name": f"pod-{uid}"}
        world.proxies("c1", deleted(uid))
        world.command(id=uid, verb=Verb.RELEASE, cluster="c1", **named)
    world.cycle()
    world.found()

    accounts = world.checkers.journal.replayed.accounts
    assert list(accounts.charges) == ["u2.1"]
    assert accounts.used(("c1", "n1")) == world.state.inventory.used("c1", "n1")


@pytest.mark.parametrize(
    ("where", "why"), [("elsewhere", "nobody has observed"), ("n2", "cordoned")]
)
def test_i5_a_booking_on_a_node_that_takes_no_pods(where, why):
    world = Watched()
    event = placed(world)
    world.observe("c1", subjects.CAPACITY, node("n2", cordoned=True))
    world.decide(again(event, 2, node=where))

    assert any("I5: " in text and why in text for text in world.found())


def test_i6_a_frame_that_is_folded_twice(monkeypatch):
    world = Watched()
    placed(world)
    membership = world.checkers.journal.replayed.membership
    honest = type(membership).__mro__[1].admit

    def trusting(self, frame, sequence, digest, elapsed_ms):
        verdict = honest(self, frame, sequence, digest, elapsed_ms)
        return Admission.TAKEN if verdict is Admission.OLD else verdict

    monkeypatch.setattr(type(membership).__mro__[1], "admit", trusting)
    _, subject, _, data = world.observations[-1]
    world.store(subject, data)
    world.mark()

    assert any("I6: " in text and "does not count" in text for text in world.found())


def test_i6_what_was_acknowledged_is_not_there():
    world = Watched()
    placed(world)
    last = world.broker.streams[Stream.OBSERVATIONS].last
    tell = world.checkers.acknowledged
    tell("scheduler-1", Stream.OBSERVATIONS, last + 1, [(subjects.TICKS, b"{}")])
    tell("scheduler-1", Stream.OBSERVATIONS, last, [(subjects.TICKS, b"{}")])

    first, second = world.found()
    assert first.startswith("I6: ") and "nothing is stored there" in first
    assert second.startswith("I6: ") and "other bytes" in second


def test_i6_what_was_stored_is_not_what_it_was():
    world = Watched()
    placed(world)
    stored = world.broker.streams[Stream.OBSERVATIONS].messages
    stored[1] = msgspec.structs.replace(stored[1], data=b"{}")

    assert any("I6: " in text and "no longer what it was" in text for text in world.found(end=True))


def test_a_loss_that_was_announced_is_not_the_checkers_to_find():
    world = Watched()
    placed(world)
    assert world.found() == []
    world.broker.lose_tail(Stream.OBSERVATIONS, 2)

    assert world.found(end=True) == []
    assert world.checkers.journal.damaged
    assert world.checkers.journal.stopped


def test_a_trim_loses_nothing():
    world = Watched()
    placed(world)
    world.broker.trim(Stream.OBSERVATIONS, 3)

    assert world.found(end=True) == []


def test_i9_a_frame_of_another_cluster_that_counts(monkeypatch):
    world = Watched()
    placed(world)

    def credulous(subject, data):
        return msgspec.json.decode(data, type=ObservationFrame), ()

    monkeypatch.setattr("mcs.events.codec.decode_observation", credulous)
    number, previous = world.channels["c1", "capacity"]
    frame = ObservationFrame(
        source="c1",
        epoch=world.epochs["c1"],
        channel="capacity",
        number=number + 1,
        previous=previous,
        events=(ResyncStarted(), NodeObserved(name="x", allocatable={})),
    )
    world.store("mcs.obs.c2.capacity", codec.encode(frame))
    world.mark()

    assert any("I9: " in text and "counted as c1's" in text for text in world.found())
