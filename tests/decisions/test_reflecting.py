"""A proxy tells its delegate's story, never ahead of it, and is let go only by decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcs.decisions.reflecting import (
    Bind,
    DeleteProxy,
    Explain,
    Finish,
    Release,
    Show,
    View,
    reflect,
)
from mcs.events.decisions import Lacks
from mcs.events.observations import DelegateObserved, End, Phase
from mcs.names import Keys
from mcs.objects.kinds import Gate, Metadata, Pod, PodSpec, PodStatus
from mcs.projections.ledger import Intent, Ledger, Stage
from tests.decisions.placements import (
    UID,
    deferred,
    gone,
    observed,
    placed,
    rejected,
    released,
    withdrawn,
)

KEYS = Keys()
NODE = "mcs-c2"
RUNNING = observed(phase=Phase.RUNNING, node="n1")
SUCCEEDED = observed(phase=Phase.SUCCEEDED, node="n1")


def proxy(node=None, phase="Pending", deleting=None, gates=(), held=True, others=()):
    return Pod(
        metadata=Metadata(
            name="a",
            namespace="default",
            uid=UID,
            finalizers=(*((KEYS.finalizer,) if held else ()), *others) or None,
            deletion_timestamp=None if deleting is None else "2026-01-01T00:00:00Z",
            deletion_grace_period_seconds=deleting,
        ),
        spec=PodSpec(
            node_name=node, scheduling_gates=tuple(Gate(name=gate) for gate in gates) or None
        ),
        status=PodStatus(phase=phase),
    )


def latest(*events):
    ledger = Ledger()
    for number, event in enumerate(events, start=1):
        ledger.apply(event, sequence=number)
    return ledger.latest(UID)


def steps(pod, *events, **view):
    return reflect(View(proxy=pod, latest=latest(*events) if events else None, **view), KEYS)


def test_a_proxy_waits_in_silence_while_its_placement_is_tried():
    assert steps(proxy()) == ()
    assert steps(proxy(), placed()) == ()
    assert steps(proxy(), placed(), observed()) == ()


def test_a_proxy_is_bound_and_shown_once_its_delegate_has_a_node():
    assert steps(proxy(), placed(), RUNNING) == (Bind(NODE), Show(RUNNING, urgent=True))


def test_a_delegate_that_only_starts_is_shown_without_hurry():
    starting = observed(node="n1")

    assert steps(proxy(), placed(), starting) == (Bind(NODE), Show(starting, urgent=False))


def test_a_bound_proxy_is_not_bound_again():
    assert steps(proxy(NODE), placed(), RUNNING) == (Show(RUNNING, urgent=True),)


def test_a_conditional_withdrawal_that_came_too_late_changes_nothing():
    events = placed(), withdrawn(unbound_only=True), RUNNING

    assert steps(proxy(), *events) == (Bind(NODE), Show(RUNNING, urgent=True))


def test_a_withdrawn_placements_proxy_is_not_bound():
    assert Bind(NODE) not in steps(proxy(), placed(), observed(node="n1"), withdrawn())


def test_an_older_attempts_observations_are_ignored():
    events = placed(), withdrawn(), gone(End.NEVER_CREATED), placed(2, "c3"), RUNNING

    assert steps(proxy(), *events) == ()


def test_a_gated_proxy_is_left_alone():
    assert steps(proxy(gates=["kueue"]), placed(), RUNNING) == ()


def test_a_proxy_bound_by_somebody_else_is_failed():
    (step,) = steps(proxy("mcs-c3"), placed(), RUNNING)

    assert (step.phase, step.reason) == (Phase.FAILED, "BoundElsewhere")
    assert "mcs-c3" in step.message


def test_a_rejection_is_explained_in_the_api_servers_words():
    (step,) = steps(proxy(), placed(), rejected(message="exceeded quota: small"))

    assert (type(step), step.reason) == (Explain, "DelegateRejected")
    assert "c2" in step.message
    assert "exceeded quota: small" in step.message


def test_a_deferral_is_explained():
    (step,) = steps(proxy(), deferred=deferred(c2=Lacks(resource="cpu")))

    assert step.reason == "WaitingForCluster"
    assert "c2: not enough cpu" in step.message


def test_a_delegate_that_finds_no_node_is_explained_without_hurry():
    (step,) = steps(proxy(), placed(), observed(unschedulable="0/1 nodes are available"))

    assert (step.reason, step.urgent) == ("WaitingForDelegate", False)
    assert "0/1 nodes are available" in step.message


def test_an_eviction_deletes_the_proxy_once():
    assert steps(proxy(NODE, "Running"), placed(), RUNNING, evicted=True) == (DeleteProxy(),)
    assert DeleteProxy() not in steps(
        proxy(NODE, "Running", deleting=30), placed(), RUNNING, evicted=True
    )


def test_a_proxy_being_deleted_shows_its_delegates_last_words_unless_it_is_released_soon():
    ended = observed(phase=Phase.FAILED, node="n1", deleting=True)

    assert steps(proxy(NODE, "Running", deleting=30), placed(), withdrawn(), ended) == (
        Show(ended, urgent=False),
    )


@pytest.mark.parametrize(
    ("events", "fails"),
    [
        ((RUNNING, gone(End.UNKNOWN)), True),
        ((gone(End.UNKNOWN),), True),
        ((observed(node="n1", deleting=True), gone(End.UNKNOWN)), False),
        ((RUNNING, withdrawn(), gone(End.UNKNOWN)), False),
        ((observed(), withdrawn(unbound_only=True), gone(End.UNKNOWN)), False),
        ((RUNNING, withdrawn(unbound_only=True), gone(End.UNKNOWN)), True),
        ((RUNNING, gone(End.DELETED)), False),
        ((withdrawn(), gone(End.NEVER_CREATED)), False),
    ],
)
def test_a_delegate_that_vanished_fails_its_proxy_unless_that_was_wanted_or_seen(events, fails):
    found = steps(proxy(NODE, "Running"), placed(), *events)

    assert any(isinstance(step, Finish) and step.phase is Phase.FAILED for step in found) is fails


def test_an_end_that_is_only_told_is_shown_too():
    (step,) = steps(proxy(NODE, "Running"), placed(), RUNNING, gone(End.SUCCEEDED))

    assert (type(step), step.phase) == (Finish, Phase.SUCCEEDED)


def test_an_end_seen_before_the_delegate_went_is_shown():
    assert steps(proxy(), placed(), SUCCEEDED, gone(End.SUCCEEDED)) == (
        Bind(NODE),
        Show(SUCCEEDED, urgent=True),
    )


def test_a_phase_never_goes_back():
    assert steps(proxy(NODE, "Failed"), placed(), RUNNING) == ()
    assert steps(proxy(NODE, "Succeeded"), placed(), SUCCEEDED) == (Show(SUCCEEDED, urgent=True),)


def test_a_lost_clusters_waiting_proxies_are_bound_so_that_eviction_reaches_them():
    for events in (placed(),), (placed(), observed()), (placed(), withdrawn(unbound_only=True)):
        assert steps(proxy(), *events, lost={"c2"}) == (Bind(NODE),)
    assert steps(proxy(), placed(), lost={"c3"}) == ()


def test_a_lost_clusters_proxies_stay_unready():
    assert steps(proxy(NODE, "Running"), placed(), RUNNING, lost={"c2"}) == ()
    assert steps(proxy(NODE, "Running"), placed(), SUCCEEDED, lost={"c2"}) == (
        Show(SUCCEEDED, urgent=True),
    )


@pytest.mark.parametrize(
    ("pod", "events", "end", "delete"),
    [
        (proxy(NODE, "Running", deleting=30), (RUNNING, gone(End.DELETED)), End.DELETED, True),
        (proxy(NODE, "Running", deleting=30), (SUCCEEDED,), End.UNKNOWN, True),
        (proxy(NODE, "Running", deleting=30), (gone(End.SUCCEEDED),), End.SUCCEEDED, True),
        (proxy(deleting=0), (), End.UNKNOWN, False),
        (proxy(deleting=0, held=False), (), End.UNKNOWN, True),  # its deletion was cut off
        (proxy(NODE, "Running"), (RUNNING,), End.UNKNOWN, True),
        (proxy(NODE, "Succeeded"), (SUCCEEDED,), End.UNKNOWN, False),
    ],
)
def test_a_release_gives_the_delegates_end_and_deletes_what_was_to_go(pod, events, end, delete):
    (step,) = steps(pod, placed(), *events, released=released())

    seen = [event for event in events if isinstance(event, DelegateObserved)]
    assert step == Release(seen[0] if seen else None, end, "deleted", delete)


def test_a_released_proxy_that_others_still_hold_is_left_to_them():
    pod = proxy(NODE, "Failed", deleting=0, held=False, others=("example.com/keep",))
    assert steps(pod, released=released()) == ()
    assert steps(proxy(NODE, "Succeeded", held=False), released=released()) == ()


pods = st.builds(
    proxy,
    node=st.sampled_from([None, NODE, "mcs-c3"]),
    phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]),
    deleting=st.sampled_from([None, 0, 30]),
    gates=st.sampled_from([(), ("kueue",)]),
    held=st.booleans(),
)
histories = st.lists(
    st.one_of(
        st.just(placed()),
        st.builds(withdrawn, unbound_only=st.booleans()),
        st.just(released()),
        st.just(rejected()),
        st.builds(gone, st.sampled_from(End)),
        st.builds(
            observed,
            phase=st.sampled_from(Phase),
            node=st.sampled_from(["", "n1"]),
            deleting=st.booleans(),
        ),
    ),
    max_size=6,
)
views = {
    "evicted": st.booleans(),
    "lost": st.sampled_from([frozenset(), frozenset({"c2"})]),
    "released": st.sampled_from([None, released()]),
    "deferred": st.sampled_from([None, deferred()]),
}


@given(pods, histories, st.fixed_dictionaries(views))
def test_a_proxy_is_bound_only_to_a_real_or_an_unseen_delegate(pod, history, view):
    found = steps(pod, placed(), *history, **view)
    record = latest(placed(), *history)

    if any(isinstance(step, Bind) for step in found):
        assert not pod.spec.node_name
        assert not pod.spec.scheduling_gates
        assert not pod.metadata.deletion_timestamp
        assert record.intent < Intent.WITHDRAWN
        assert (record.seen is not None and record.seen.node) or "c2" in view["lost"]


@given(pods, histories, st.fixed_dictionaries(views))
def test_a_proxy_is_released_or_deleted_only_by_a_decision(pod, history, view):
    for step in steps(pod, placed(), *history, **view):
        if isinstance(step, Release):
            assert view["released"] is not None
        if isinstance(step, DeleteProxy):
            assert view["evicted"]
            assert not pod.metadata.deletion_timestamp


@given(pods, histories, st.fixed_dictionaries(views))
def test_a_proxy_never_runs_or_ends_before_its_delegate(pod, history, view):
    record = latest(placed(), *history)
    ended_before = pod.status.phase in {Phase.SUCCEEDED, Phase.FAILED}

    for step in steps(pod, placed(), *history, **view):
        if isinstance(step, Show):
            assert isinstance(step.delegate, DelegateObserved)
            assert not ended_before or step.delegate.phase == pod.status.phase
        if isinstance(step, Finish):
            assert not ended_before
            assert record.stage is Stage.GONE or step.reason == "BoundElsewhere"
