"""An executor creates once and deletes only what a decision names."""

from hypothesis import given
from hypothesis import strategies as st

from mcs.decisions.reconciling import (
    Create,
    Creation,
    Delete,
    Nothing,
    Report,
    Sight,
    Wait,
    reconcile,
)
from mcs.events.observations import DelegateGone, DelegateObserved, DelegateRejected, End, Phase
from mcs.objects.kinds import Metadata, Pod, PodSpec
from mcs.projections.ledger import Intent, Ledger, Placement, Stage
from tests.decisions.placements import ID, gone, observed, placed, released, withdrawn

UNSEEN = Sight()


def folded(*events) -> Placement:
    ledger = Ledger()
    for number, event in enumerate(events, start=1):
        ledger.apply(event, sequence=number)
    return ledger.placements[ID]


def delegate(node=None, deleting=False, grace_s=None) -> Pod:
    return Pod(
        metadata=Metadata(
            name="c1-default-a",
            namespace="default",
            uid="u-delegate",
            resource_version="7",
            deletion_timestamp="2026-01-01T00:00:00Z" if deleting else None,
            deletion_grace_period_seconds=grace_s,
        ),
        spec=PodSpec(node_name=node),
    )


def test_a_wanted_delegate_that_nobody_saw_is_created():
    step = reconcile(folded(placed()), UNSEEN)

    assert step == Create(placement=ID, namespace="default", manifest=placed().manifest)


def test_a_create_without_an_answer_is_awaited_even_when_the_placement_is_withdrawn():
    sight = Sight(creation=Creation.OPEN)

    assert isinstance(reconcile(folded(placed()), sight), Wait)
    assert isinstance(reconcile(folded(placed(), withdrawn()), sight), Wait)


def test_a_placement_withdrawn_before_its_delegate_was_is_told_to_be_over():
    for event in withdrawn(), withdrawn(unbound_only=True), released():
        step = reconcile(folded(placed(), event), UNSEEN)

        assert isinstance(step, Report)
        assert step.event.end is End.NEVER_CREATED
        assert (step.event.placement, step.event.name) == (ID, "c1-default-a")


def test_a_withdrawal_whose_placement_lies_before_the_log_claims_no_more_than_it_knows():
    step = reconcile(folded(withdrawn()), UNSEEN)

    assert isinstance(step, Report)
    assert step.event.end is End.UNKNOWN


def test_the_end_of_a_delegate_that_was_seen_is_left_to_the_observer():
    for phase in Phase:
        record = folded(placed(), observed(phase=phase, node="n1"))

        assert isinstance(reconcile(record, UNSEEN), Wait)
    assert isinstance(reconcile(folded(placed()), Sight(left=True)), Wait)
    assert isinstance(reconcile(folded(placed()), Sight(reported=True)), Wait)


def test_a_created_delegate_not_yet_in_view_is_not_created_again():
    assert isinstance(reconcile(folded(placed()), Sight(creation=Creation.MADE)), Wait)


def test_a_created_delegate_that_came_and_went_unseen_is_told_to_be_gone():
    step = reconcile(folded(placed()), Sight(creation=Creation.LOST))

    assert isinstance(step, Report)
    assert step.event.end is End.UNKNOWN


def test_what_was_placed_before_the_cluster_was_removed_is_not_created():
    record = folded(placed())

    assert isinstance(reconcile(record, UNSEEN, removed=5), Wait)
    assert isinstance(reconcile(record, UNSEEN, removed=0), Create)


def test_a_delegate_of_an_unknown_placement_stays():
    record = folded(observed(node="n1"))

    assert isinstance(reconcile(record, Sight(pod=delegate("n1"))), Wait)


def test_a_withdrawn_delegate_is_deleted_with_the_proxys_grace():
    step = reconcile(folded(placed(), withdrawn(grace_s=5)), Sight(pod=delegate("n1")))

    assert step == Delete(
        placement=ID, namespace="default", name="c1-default-a", uid="u-delegate", grace_s=5
    )


def test_a_late_delegate_of_a_placement_told_to_be_over_is_deleted_at_once():
    for event in withdrawn(), withdrawn(unbound_only=True), released():
        record = folded(placed(), event, gone(End.NEVER_CREATED))

        assert isinstance(reconcile(record, Sight(pod=delegate("n1"))), Delete)


def test_a_conditional_withdrawal_deletes_only_what_is_unbound_and_as_read():
    record = folded(placed(), observed(), withdrawn(unbound_only=True))

    assert isinstance(reconcile(record, Sight(pod=delegate("n1"))), Wait)
    step = reconcile(record, Sight(pod=delegate()))
    assert isinstance(step, Delete)
    assert (step.uid, step.resource_version) == ("u-delegate", "7")


def test_a_second_deletion_may_only_shorten_the_grace():
    going = Sight(pod=delegate("n1", deleting=True, grace_s=30))

    assert isinstance(reconcile(folded(placed(), withdrawn()), going), Wait)
    assert isinstance(reconcile(folded(placed(), withdrawn(grace_s=30)), going), Wait)
    assert isinstance(reconcile(folded(placed(), withdrawn(grace_s=0)), going), Delete)


histories = st.lists(
    st.one_of(
        st.just(placed()),
        st.builds(withdrawn, unbound_only=st.booleans(), grace_s=st.sampled_from([None, 0, 30])),
        st.just(released()),
        st.builds(
            observed,
            phase=st.sampled_from(Phase),
            node=st.sampled_from(["", "n1"]),
            deleting=st.booleans(),
        ),
        st.builds(gone, st.sampled_from(End)),
        st.just(
            DelegateRejected(placement=ID, namespace="default", name="c1-default-a", reason="No")
        ),
    ),
    min_size=1,
    max_size=6,
)
sights = st.builds(
    Sight,
    pod=st.one_of(
        st.none(),
        st.builds(
            delegate,
            node=st.sampled_from([None, "n1"]),
            deleting=st.booleans(),
            grace_s=st.sampled_from([None, 0, 30]),
        ),
    ),
    creation=st.sampled_from(Creation),
    left=st.booleans(),
    reported=st.booleans(),
)


@given(histories, sights, st.integers(0, 8))
def test_a_delegate_is_created_at_most_once_and_only_when_asked_for(history, sight, removed):
    record = folded(*history)

    step = reconcile(record, sight, removed=removed)

    if isinstance(step, Create):
        assert sight == Sight()
        assert record.intent is Intent.WANTED
        assert record.stage is Stage.DECIDED
        assert record.decided > 0
        assert record.decided >= removed
        assert record.manifest


@given(histories, sights, st.integers(0, 8))
def test_a_delegate_is_deleted_only_by_a_decision_that_names_it(history, sight, removed):
    record = folded(*history)

    step = reconcile(record, sight, removed=removed)

    if isinstance(step, Delete):
        assert record.intent is not Intent.WANTED
        assert step.uid == sight.pod.metadata.uid
        if record.intent is Intent.WITHDRAWN_IF_UNBOUND and not record.stage.over:
            assert not sight.pod.spec.node_name
            assert step.resource_version == sight.pod.metadata.resource_version


@given(histories, sights, st.integers(0, 8))
def test_an_end_is_told_once_and_never_of_a_delegate_that_is_there(history, sight, removed):
    step = reconcile(folded(*history), sight, removed=removed)

    if isinstance(step, Report):
        assert sight.pod is None
        assert not sight.reported
        assert not sight.left
        assert sight.creation is not Creation.OPEN
        assert isinstance(step.event, DelegateGone)
        assert isinstance(reconcile(folded(*history, step.event), sight), Nothing)


@given(histories, sights)
def test_an_observed_delegate_is_never_created_again(history, sight):
    record = folded(placed(), *history)

    if any(isinstance(e, DelegateObserved | DelegateGone | DelegateRejected) for e in history):
        assert not isinstance(reconcile(record, sight), Create)
