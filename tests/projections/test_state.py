"""The whole state: whatever is stored, folding goes on, and gives everybody the same."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcs.decisions.framing import frame_cycle
from mcs.decisions.scheduling import schedule
from mcs.errors import LogLost
from mcs.events import codec, subjects
from mcs.events.decisions import CycleMarked
from mcs.events.frames import ObservationFrame, digest
from mcs.events.observations import OperatorCommanded, Verb
from mcs.names import Keys
from mcs.ports import Stored
from mcs.projections.state import PARKED_MOST, State
from mcs.views.lines import Teller, as_json
from mcs.views.overview import overview
from mcs.views.tables import status_view
from tests.building import World, node, proxy
from tests.events.hostile import ANYTHING, OBSERVATIONS, as_bytes

CHANNELS = ["cluster", "capacity", "proxy", "delegate.c1", "delegate.c2"]
SUBJECTS = [
    *[f"mcs.obs.{cluster}.{channel}" for cluster in ("c1", "c2") for channel in CHANNELS],
    *["mcs.obs._clock", "mcs.obs._operator.remove", "mcs.obs.c1", "mcs.obs.C1.proxy"],
    *["mcs.obs._clock.x", "mcs.obs.c3.cluster", "mcs.obs.c1.delegate._operator", "mcs.obs._.proxy"],
]


def inhabited():
    world = World()
    world.join("c1", node("n1"), node("n2"))
    world.join("c2", node("n1"))
    for target in "c1", "c2":
        for source in "c1", "c2":
            world.resync(target, subjects.delegate_channel(source))
    world.proxies("c1", proxy("u1"), proxy("u2"))
    world.cycle()
    return world


def say(world, subject, events, **wrong):
    """A frame made by hand: well chained where it can be, so that its events are folded."""
    cluster, channel = (*subject.split(".", 3), "", "", "")[2:4]
    last, previous = world.channels.get((cluster, channel), (-1, ""))
    frame = {
        "schema": 1,
        "source": cluster,
        "epoch": world.epochs.get(cluster, 0),
        "channel": channel,
        "number": last + 1,
        "previous": previous,
        "events": events,
    }
    data = as_bytes(frame | wrong)
    world.store(subject, data)
    member = world.state.membership.members.get(cluster)
    if member and channel in member.channels:
        taken = member.channels[channel]
        world.channels[cluster, channel] = taken.number, taken.digest
        world.epochs[cluster] = member.epoch
    return data


frames = st.tuples(
    st.sampled_from(SUBJECTS),
    st.lists(OBSERVATIONS, min_size=1, max_size=4),
    st.one_of(
        st.just({}),
        st.just({}),
        st.dictionaries(
            st.sampled_from(["schema", "source", "epoch", "channel", "number", "previous", "new"]),
            ANYTHING,
            max_size=2,
        ),
    ),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(st.lists(frames, min_size=1, max_size=8))
def test_whatever_is_observed_folding_and_deciding_go_on_and_replay_is_the_same_i3_i8(written):
    world = inhabited()
    for subject, events, wrong in written:
        say(world, subject, events, **wrong)
        world.tick(20)
        world.cycle()
    world.mark()

    assert world.replay().digest() == world.state.digest()
    view = overview(world.state, now_s=world.now_ns / 1e9)
    assert status_view(view)
    assert json.loads(codec._encoder.encode(view))
    teller = Teller()
    for sequence, subject, time_ns, data in world.observations:
        for line in teller.lines(Stored(sequence, subject, time_ns, data)):
            assert as_json(line)


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(SUBJECTS), st.binary(max_size=300))
def test_any_bytes_are_folded(subject, data):
    state = State()
    state.observe(1, subject, 1, data)

    assert state.observed.sequence == 1
    assert state.digest()


@pytest.mark.parametrize("depth", [500, 5000, 200_000])
@pytest.mark.parametrize("place", ["frame", "field", "event", "part"])
def test_values_in_each_other_without_end_are_folded(place, depth):
    deep = b"[" * depth + b"]" * depth
    header = b'{"schema":1,"source":"c1","channel":"capacity","events":['
    data = {
        "frame": deep,
        "field": header + b'],"new":' + deep + b"}",
        "event": header + deep + b"]}",
        "part": header + b'{"type":"node.observed","name":"n","allocatable":{},"labels":'
        b'{"a":' + deep + b"}}]}",
    }[place]
    world = inhabited()
    world.store("mcs.obs.c1.capacity", data)
    before = world.state.digest()

    assert world.replay().digest() == before
    assert world.state.observed.sequence == len(world.observations)


def test_only_a_gap_in_the_sequences_stops_it():
    state = State()

    with pytest.raises(LogLost):
        state.observe(2, "mcs.obs._clock", 1, b"")


def test_what_others_invent_does_not_fill_the_memory_i8():
    world = inhabited()
    for number in range(PARKED_MOST * 3):
        say(world, "mcs.obs.c1.capacity", [{"type": f"a{number}.b"}, {"type": "\x1b[31m" * 99}])

    parked = world.state.parked
    assert len(parked) == PARKED_MOST + 1
    assert "unreadable event (no tag)" in parked
    assert sum(entry.count for entry in parked.values()) == PARKED_MOST * 6
    assert parked["others"].sequence == len(world.observations)


def test_a_command_counts_only_on_its_own_verbs_subject_i9():
    world = inhabited()
    event = OperatorCommanded(id="1", verb=Verb.REMOVE, cluster="c1")
    for channel in "cordon", "remove":
        frame = ObservationFrame(source="_operator", channel=channel, events=(event,))
        world.store(subjects.operator("cordon"), codec.encode(frame))

    assert not world.state.membership.members["c1"].removing
    assert sorted(world.state.parked) == ["command on another one's subject", "unreadable frame"]


@pytest.mark.parametrize(("cluster", "epoch"), [("c1", 10**6), ("c3", 0), ("c3", 1)])
def test_a_frame_of_an_epoch_that_no_join_began_is_parked(cluster, epoch):
    world = inhabited()
    say(world, f"mcs.obs.{cluster}.capacity", [{"type": "node.gone", "name": "n1"}], epoch=epoch)

    assert list(world.state.parked) == ["frame of an epoch that no join began"]
    assert sorted(world.state.inventory.nodes["c1"]) == ["n1", "n2"]


def test_old_frames_stored_again_change_nothing():
    world = inhabited()
    for _, subject, _, data in list(world.observations):
        world.store(subject, data)

    assert not world.state.parked
    assert sorted(world.state.backlog.proxies) == ["u1", "u2"]


def test_a_frame_that_does_not_follow_is_noticed_before_anything_is_done_for_it():
    world = inhabited()
    cycle = frame_cycle(State(), 9, (CycleMarked(),))
    before = world.state.digest()

    with pytest.raises(LogLost, match="chain of digests"):
        world.state.check(world.state.decided.sequence + 1, cycle.frames[0])
    assert world.state.digest() == before


def test_deciding_twice_gives_the_same_bytes():
    world = inhabited()
    events = schedule(world.state, Keys()) or (CycleMarked(),)

    first, second = (frame_cycle(world.state, 1, events).messages for _ in range(2))
    assert first == second
    assert digest(*first[0])
