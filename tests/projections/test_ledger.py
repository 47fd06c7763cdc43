"""The ledger folds two independent streams; their interleaving must not matter."""

from hypothesis import given
from hypothesis import strategies as st

from mcs.events.decisions import PlacementWithdrawn, PodPlaced, ProxyReleased
from mcs.events.observations import DelegateGone, DelegateObserved, DelegateRejected, End, Phase
from mcs.projections.ledger import Ledger, Stage

WHO = {"uid": "u", "source": "c1", "namespace": "default", "name": "p"}
PLACED = PodPlaced(
    placement="u.1", target="c2", delegate="c1-default-p", manifest="{}", node="n1", **WHO
)


def withdrawn(**fields):
    return PlacementWithdrawn(
        placement="u.1", target="c2", delegate="c1-default-p", reason="x", **WHO, **fields
    )


def seen(**fields):
    return DelegateObserved(placement="u.1", namespace="default", name="d", uid="du", **fields)


def gone(end=End.DELETED):
    return DelegateGone(placement="u.1", namespace="default", name="d", end=end)


def folded(*events):
    ledger = Ledger()
    for event in events:
        ledger.apply(event, sequence=1)
    return ledger


def test_a_placement_is_live_from_its_decision_to_its_delegates_end():
    ledger = Ledger()
    for event, live in [(PLACED, True), (seen(), True), (seen(node="n1"), True), (gone(), False)]:
        assert ledger.apply(event).live is live


def test_a_stage_never_goes_back():
    ledger = folded(PLACED, seen(node="n1"), seen())

    assert ledger.placements["u.1"].stage is Stage.BOUND


def test_a_conditional_withdrawal_that_comes_too_late_leaves_the_placement_wanted():
    early = folded(PLACED, withdrawn(unbound_only=True), seen()).placements["u.1"]
    late = folded(PLACED, withdrawn(unbound_only=True), seen(node="n1")).placements["u.1"]

    assert not early.wanted
    assert late.wanted


def test_a_full_withdrawal_after_a_conditional_one_counts():
    ledger = folded(PLACED, withdrawn(unbound_only=True), seen(node="n1"), withdrawn())

    assert not ledger.placements["u.1"].wanted


def test_a_release_without_a_placement_is_no_placement():
    assert folded().apply(ProxyReleased(**WHO)) is None


def test_a_rejected_placement_frees_the_delegates_name():
    ledger = folded(PLACED)
    assert ledger.names == {("c2", "default", "c1-default-p"): "u.1"}

    ledger.apply(
        DelegateRejected(placement="u.1", namespace="default", name="d", reason="Forbidden")
    )

    assert ledger.names == {}


def test_a_delegate_deleted_by_others_is_evictable_until_its_proxy_was_told():
    ledger = folded(PLACED, seen(node="n1", deleting=True))
    assert ledger.placements["u.1"].evictable

    ledger.evict("u.1")

    assert not ledger.placements["u.1"].evictable


def test_a_delegate_deleted_by_us_or_after_its_end_is_not_evictable():
    ours = folded(PLACED, withdrawn(), seen(node="n1", deleting=True))
    ended = folded(PLACED, seen(node="n1", phase=Phase.FAILED), seen(node="n1", deleting=True))

    assert not ours.placements["u.1"].evictable
    assert not ended.placements["u.1"].evictable


SIGHTINGS = st.sampled_from(
    [
        [seen(), seen(node="n1"), seen(node="n1", phase=Phase.SUCCEEDED), gone(End.SUCCEEDED)],
        [seen(), gone(End.DELETED)],
        [gone(End.NEVER_CREATED)],
        [seen(node="n1"), seen(node="n1", deleting=True), gone(End.DELETED)],
    ]
)


@given(st.integers(0, 3), SIGHTINGS, st.integers(0, 4), st.randoms(use_true_random=False))
def test_any_interleaving_of_decisions_and_sightings_gives_the_same(count, sightings, cut, random):
    decisions = [PLACED, withdrawn(unbound_only=True), withdrawn()][:count]
    sightings = sightings[:cut]
    straight = folded(*decisions, *sightings)
    left, right, mixed = list(decisions), list(sightings), []
    while left or right:
        take = left if not right or (left and random.random() < 0.5) else right
        mixed.append(take.pop(0))

    shuffled = folded(*mixed)

    assert straight.placements.keys() == shuffled.placements.keys()
    for id, placement in straight.placements.items():
        other = shuffled.placements[id]
        facts = ("stage", "intent", "wanted", "live", "deleting", "end", "evictable", "delegate")
        assert [getattr(placement, f) for f in facts] == [getattr(other, f) for f in facts]
