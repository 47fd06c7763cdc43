"""What an agent may write is told from what nobody can have written."""

import pytest

from mcs.events.frames import ObservationFrame
from mcs.events.observations import ClusterHeartbeat, ClusterJoined, PodGone, ResyncStarted
from mcs.projections.lineage import Lineage, Origin

FACT = PodGone(uid="p")


def frame(number, previous="", *, epoch=1, channel="capacity", first=FACT, source="c1"):
    return ObservationFrame(
        source=source,
        epoch=epoch,
        channel=channel,
        number=number,
        previous=previous,
        events=(first,),
    )


def joined(id="a", source="c1"):
    return ObservationFrame(
        source=source, channel="cluster", events=(ClusterJoined(id=id, uid="u"),)
    )


def started(number=0, **fields):
    return frame(number, first=ResyncStarted(), **fields)


@pytest.fixture
def lineage():
    """A cluster that joined at 1 and whose capacity channel has frames 0 ("d0") and 1 ("d1")."""
    made = Lineage()
    assert made.judge(joined(), 1, "j").origin is Origin.NEXT
    assert made.judge(started(), 2, "d0").origin is Origin.NEXT
    assert made.judge(frame(1, "d0"), 3, "d1").origin is Origin.NEXT
    return made


def test_the_join_is_number_0_of_its_channel(lineage):
    beat = frame(1, "j", channel="cluster", first=ClusterHeartbeat())

    assert lineage.judge(beat, 4, "b").origin is Origin.NEXT


def test_the_same_bytes_again_are_a_retry(lineage):
    assert lineage.judge(frame(1, "d0"), 4, "d1").origin is Origin.RETRIED
    assert lineage.judge(joined(), 5, "j").origin is Origin.RETRIED


def test_a_missing_number_is_a_gap_and_what_follows_it_is_not(lineage):
    assert lineage.judge(frame(3, "d2"), 4, "d3").origin is Origin.GAP
    assert lineage.judge(frame(4, "d3"), 5, "d4").origin is Origin.NEXT


def test_a_resync_may_begin_at_any_later_number(lineage):
    assert lineage.judge(started(9), 4, "d9").origin is Origin.NEXT


def test_a_channel_that_does_not_begin_with_a_resync_is_a_gap(lineage):
    assert lineage.judge(frame(0, channel="proxy"), 4, "p0").origin is Origin.GAP


def test_what_an_agent_wrote_before_it_was_replaced_may_come_late(lineage):
    lineage.judge(joined("b"), 4, "j2")

    assert lineage.judge(frame(2, "d1"), 5, "d2").origin is Origin.LATE


@pytest.mark.parametrize(
    ("foreign", "problem"),
    [
        (frame(1, "d0"), "carries number 1, which another frame had"),
        (frame(2, "d0"), "names d0 as the frame before it, which is d1"),
        (frame(2), "names none as the frame before it, which is d1"),
        (frame(0, epoch=3), "is of epoch 3, which no join of c1 made"),
        (frame(0, epoch=0), "is of epoch 0, which no join of c1 made"),
        (frame(0, source="c2"), "is of epoch 1, which no join of c2 made"),
    ],
)
def test_what_nobody_can_have_written_is_foreign(lineage, foreign, problem):
    judgement = lineage.judge(foreign, 4, "other")

    assert judgement.origin is Origin.FOREIGN
    assert judgement.problem == problem


def test_a_foreign_frame_leaves_the_channel_as_it_was(lineage):
    lineage.judge(frame(2, "other"), 4, "foreign")

    assert lineage.judge(frame(2, "d1"), 5, "d2").origin is Origin.NEXT


def test_an_epoch_that_began_below_a_trimmed_head_is_believed():
    lineage = Lineage(head=100)

    assert lineage.judge(frame(70, "trimmed", epoch=5), 100, "d70").origin is Origin.NEXT
    assert lineage.judge(frame(71, "d70", epoch=5), 101, "d71").origin is Origin.NEXT
    assert lineage.judge(frame(72, "d70", epoch=5), 102, "d72").origin is Origin.FOREIGN
    assert lineage.judge(frame(1, epoch=101), 103, "d").origin is Origin.FOREIGN
