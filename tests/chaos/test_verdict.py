"""The checkers themselves: each finds the violation that it is there for."""

from types import SimpleNamespace

import pytest

from mcs.adapters.jetstream import connect
from mcs.adapters.nats_server import embedded_server
from mcs.adapters.streams import apply_streams
from mcs.events import codec
from mcs.events.frames import ObservationFrame
from mcs.events.observations import PodGone, Ticked
from mcs.names import CLOCK
from mcs.ports import Stored, Stream
from tests.building import World, node, proxy
from tests.chaos.eavesdropper import Eavesdropper, digest_of
from tests.chaos.verdict import check_acknowledged, check_waiting, check_writers, stored

OBS, DEC = str(Stream.OBSERVATIONS), str(Stream.DECISIONS)


def checked(listener, messages):
    return check_acknowledged(listener.acknowledged, listener.doubly, messages)


def heard(**acknowledged):
    listener = Eavesdropper("nats://nowhere")
    listener.acknowledged = {
        (OBS, int(key[1:])): digest_of(*value) for key, value in acknowledged.items()
    }
    return listener


def message(sequence, subject, data):
    return {(OBS, sequence): Stored(sequence, subject, 0, data)}


def frame(cluster, *, number=0, uid="p", epoch=7, on=""):
    events = (PodGone(uid=uid),) if cluster != CLOCK else (Ticked(),)
    made = ObservationFrame(
        source=cluster, epoch=epoch, channel="capacity", number=number, events=events
    )
    return f"mcs.obs.{on or cluster}.capacity", codec.encode(made)


def test_what_was_acknowledged_must_be_there_as_it_was():
    listener = heard(s1=("mcs.obs.c1.capacity", b"one"))

    assert checked(listener, message(1, "mcs.obs.c1.capacity", b"one")) == 1
    with pytest.raises(AssertionError, match="I6: OBSERVATIONS 1 was acknowledged and is lost"):
        checked(listener, {})
    with pytest.raises(AssertionError, match="I6: OBSERVATIONS 1 is not what was acknowledged"):
        checked(listener, message(1, "mcs.obs.c1.capacity", b"other"))


def test_a_witness_that_heard_nothing_is_no_witness():
    with pytest.raises(AssertionError, match="I6: no acknowledgement was heard"):
        checked(heard(), {})


def test_a_retry_may_store_the_same_frame_twice_and_nothing_else():
    once = message(1, *frame("c1"))

    assert check_writers(once | message(2, *frame("c1")), set()) == 1
    with pytest.raises(AssertionError, match=r"I9: .* was written twice, differently"):
        check_writers(once | message(2, *frame("c1", uid="q")), set())


def test_a_frame_on_anothers_subject_is_found_unless_it_was_planted():
    foreign = frame("c1", on="c2")

    with pytest.raises(AssertionError, match=r"I9: mcs.obs.c2.capacity 1 is a stranger's"):
        check_writers(message(1, *foreign), set())
    assert check_writers(message(1, *foreign), {digest_of(*foreign)}) == 0


def test_who_waits_without_a_reason_is_found():
    world = World()
    world.join("c1", node(cpu=100))
    world.proxies("c1", proxy("u1", cpu=200))
    world.cycle()
    check_waiting(world.state, {"u1"})

    world.capacity("c1", node(cpu=1000))
    with pytest.raises(AssertionError, match="I2: u1 waited for a reason that is not true"):
        check_waiting(world.state, {"u1"})


@pytest.mark.live
async def test_the_eavesdropper_pairs_appends_and_batches_with_their_acknowledgements(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        await apply_streams(log)
        listener = Eavesdropper(server.url)
        await listener.begin()
        await log.append([("mcs.obs.c1.capacity", b"one")])
        batch = [("mcs.dec.c1.c2", b"two"), ("mcs.dec.c2.c1", b"three")]
        await log.append(batch, expected_last=0)
        await listener.settle()
        await listener.end()
        messages = await stored(SimpleNamespace(nats=server))
        await log.close()

    assert set(listener.acknowledged) == {(OBS, 1), (DEC, 1), (DEC, 2)}
    assert checked(listener, messages) == 3
