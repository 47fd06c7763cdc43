"""Which frames count: epochs, numbers, gaps, strangers."""

from mcs.events import subjects
from mcs.events.observations import (
    ClusterHeartbeat,
    ResyncCompleted,
    ResyncStarted,
    Verb,
)
from mcs.projections.state import Parked
from tests.building import World, node, proxy


def test_a_cluster_is_current_once_its_first_account_is_complete():
    world = World()
    world.join("c1", node())

    assert world.state.membership.members["c1"].current
    assert list(world.state.inventory.nodes["c1"]) == ["n1"]


def test_a_frame_stored_twice_is_folded_once():
    world = World()
    world.join("c1", node())
    world.capacity("c1", node("n2"))
    _, subject, _, data = world.observations[-1]
    before = world.state.membership.members["c1"].channels[subjects.CAPACITY].number

    world.store(subject, data)

    assert world.state.membership.members["c1"].channels[subjects.CAPACITY].number == before
    assert world.state.membership.broken() == []


def test_a_gap_breaks_the_channel_until_a_resync():
    world = World()
    world.join("c1", node())
    world.observe("c1", subjects.CAPACITY, node("n2"), number=9)

    assert "n2" not in world.state.inventory.nodes["c1"]
    assert world.state.membership.broken() == [("c1", subjects.CAPACITY)]
    assert not world.state.membership.members["c1"].current

    world.resync("c1", subjects.CAPACITY, node("n2"))

    assert world.state.membership.broken() == []
    assert list(world.state.inventory.nodes["c1"]) == ["n2"]


def test_a_frame_of_an_earlier_epoch_is_ignored():
    world = World()
    first = world.join("c1", node())
    world.join("c1", node(), id="second life")
    world.observe("c1", subjects.CAPACITY, node("n9"), epoch=first, number=7)

    assert "n9" not in world.state.inventory.nodes["c1"]


def test_of_joins_with_one_id_the_first_counts():
    world = World()
    epoch = world.join("c1", node())
    _, subject, _, data = world.observations[epoch - 1]

    world.store(subject, data)

    assert world.state.membership.members["c1"].epoch == epoch


def test_another_cluster_under_a_known_name_is_parked_until_the_name_is_removed():
    world = World()
    epoch = world.join("c1", node())
    world.join("c1", node("other"), id="x", uid="another-cluster")

    member = world.state.membership.members["c1"]
    assert (member.epoch, member.stranger) == (epoch, "another-cluster")
    assert list(world.state.inventory.nodes["c1"]) == ["n1"]
    assert any("another cluster" in reason for reason in world.state.parked)

    world.command(id="1", verb=Verb.REMOVE, cluster="c1")
    world.cycle()
    world.join("c1", node("other"), id="y", uid="another-cluster")

    assert list(world.state.inventory.nodes["c1"]) == ["other"]


def test_a_frame_whose_source_is_not_its_subjects_cluster_is_parked_i9():
    world = World()
    world.join("c1", node())
    world.join("c2", node())
    _, _, _, data = world.observations[-1]

    world.store(subjects.observation("c1", subjects.PROXY), data)

    subject = subjects.observation("c1", subjects.PROXY)
    sequence = len(world.observations)
    assert world.state.parked == {"unreadable frame": Parked(1, sequence, subject)}


def test_unreadable_bytes_and_unknown_events_are_parked_and_counted_i8():
    world = World()
    world.join("c1", node())
    world.store("mcs.obs.c1.capacity", b"\xff{")
    world.store("mcs.obs.c1.capacity", b"{}")

    sequence = len(world.observations)
    assert world.state.parked == {"unreadable frame": Parked(2, sequence, "mcs.obs.c1.capacity")}

    heartbeat = ClusterHeartbeat(nodes=3)
    world.observe("c1", subjects.CLUSTER, heartbeat)
    assert world.state.membership.members["c1"].heartbeat == heartbeat


def test_nodes_that_a_resync_does_not_name_are_gone():
    world = World()
    world.join("c1", node("n1"), node("n2"))
    world.resync("c1", subjects.CAPACITY, node("n2"))

    assert list(world.state.inventory.nodes["c1"]) == ["n2"]


def test_an_account_whose_beginning_was_stored_twice_is_completed_by_either_sequence():
    """The answer to the first append was lost, so its agent knows the second (simulator)."""
    for told in ("first", "second"):
        world = World()
        world.join("c1", node("n1"), proxies=[proxy("u1")])
        sequences = {"first": world.observe("c1", subjects.CAPACITY, ResyncStarted())}
        _, subject, _, data = world.observations[-1]
        sequences["second"] = world.store(subject, data)
        world.capacity("c1", node("n2"), ResyncCompleted(started=sequences[told]))

        assert list(world.state.inventory.nodes["c1"]) == ["n2"]
        member = world.state.membership.members["c1"]
        assert member.channels[subjects.CAPACITY].completed == sequences[told]


def test_an_older_account_does_not_complete_a_newer_one():
    world = World()
    world.join("c1", node("n1"))
    older = world.observe("c1", subjects.CAPACITY, ResyncStarted())
    world.observe("c1", subjects.CAPACITY, ResyncStarted())
    world.capacity("c1", node("n2"), ResyncCompleted(started=older))

    assert list(world.state.inventory.nodes["c1"]) == ["n1", "n2"]
    assert world.state.membership.members["c1"].channels[subjects.CAPACITY].completed < older


def test_a_forged_resync_that_does_not_follow_is_a_gap_and_the_true_one_mends_it():
    """Taken, it would make the agent's own next frames look old (simulator seed 889)."""
    world = World()
    world.join("c1", node("n1"))
    honest = dict(world.channels)
    world.observe("c1", subjects.CAPACITY, ResyncStarted(reason="forged"), number=9)
    world.channels = honest

    assert world.state.membership.broken() == [("c1", subjects.CAPACITY)]
    world.resync("c1", subjects.CAPACITY, node("n2"))
    assert world.state.membership.broken() == []
    assert list(world.state.inventory.nodes["c1"]) == ["n2"]
