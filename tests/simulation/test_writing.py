"""A log in memory that is what agents and a scheduler would have written."""

from mcs.events import codec, subjects
from mcs.events.decisions import PodPlaced
from mcs.ports import Stream
from mcs.projections.state import State
from mcs.simulation.writing import Writer
from tests.building import delegate, node, proxy


def written():
    """A short log, and the writer of it."""
    kept = {stream: [] for stream in Stream}
    writer = Writer(keep=lambda stream, stored, _: kept[stream].append(stored))
    writer.join("c1", node("n1"))
    writer.join("c2", node("n2", cpu=4000))
    writer.now_ns += 5_000_000
    writer.observe("c1", subjects.PROXY, proxy("u1"), proxy("u2"))
    return writer, kept


def test_what_arrives_is_decided_by_the_real_core():
    writer, _ = written()

    placed = writer.cycle()

    assert [type(event) for event in placed] == [PodPlaced, PodPlaced]
    assert {event.target for event in placed} == {"c2"}
    assert writer.cycle() == ()
    assert not writer.state.parked


def test_the_log_folds_to_the_same_state_cycle_by_cycle():
    writer, kept = written()
    writer.cycle()

    state, observations = State(), kept[Stream.OBSERVATIONS]
    for stored in kept[Stream.DECISIONS]:
        frame, _ = codec.decode_decision(stored.subject, stored.data)
        while state.observed.sequence < frame.based_on:
            each = observations[state.observed.sequence]
            state.observe(each.sequence, each.subject, each.time_ns, each.data)
        if frame.index == 0:
            assert frame.state == state.digest()
        state.decide(stored.sequence, stored.subject, stored.data, frame)

    assert state.digest() == writer.state.digest()
    assert state.observed.sequence == len(observations)


def test_a_channels_first_frame_is_a_full_account():
    writer, kept = written()
    before = len(kept[Stream.OBSERVATIONS])

    placed = writer.cycle()[0]
    writer.observe("c2", subjects.delegate_channel("c1"), delegate(placed.placement))

    channels = [stored.subject for stored in kept[Stream.OBSERVATIONS][before:]]
    assert channels == ["mcs.obs.c2.delegate.c1"] * 3  # started, completed, the fact
    assert writer.state.ledger.placements[placed.placement].seen is not None
