import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcs.adapters.memory_patches import patched
from mcs.events.observations import DelegateObserved, End, Phase
from mcs.names import Keys
from mcs.objects import feedback
from mcs.objects.kinds import Pod
from mcs.objects.observing import delegate_observed
from mcs.ports import Patch

KEYS = Keys()
AT = "2026-01-01T00:01:00Z"
EARLIER = "2026-01-01T00:00:00Z"
DELEGATE = {KEYS.proxy_uid: "u-1", KEYS.attempt: "1", KEYS.source: "c1"}


def as_pod(document):
    return msgspec.json.decode(msgspec.json.encode(document), type=Pod)


def proxy(*, node="mcs-c2", status=None, annotations=None, finalizers=True, **spec):
    return {
        "metadata": {
            "name": "a",
            "uid": "u-1",
            "finalizers": ["other/one", KEYS.finalizer] if finalizers else ["other/one"],
            "annotations": {KEYS.manifest: "{}", **(annotations or {})},
        },
        "spec": {
            "containers": [{"name": "c"}],
            "schedulerName": "mcs",
            **({"nodeName": node} if node else {}),
            **spec,
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort", **(status or {})},
    }


def delegate(phase="Running", *, annotations=None, **status):
    pod = {
        "metadata": {"labels": DELEGATE, "annotations": annotations or {}},
        "status": {"phase": phase, **status},
    }
    return delegate_observed(as_pod(pod), KEYS)


def container(name="c", **state):
    return {"name": name, "state": state, "ready": "running" in state, "image": "i"}


def condition(type, status, *, reason=None, time=EARLIER):
    made = {"type": type, "status": status, "lastTransitionTime": time}
    return made | ({"reason": reason} if reason else {})


def show(document, seen, **options):
    """The proxy after feedback; asserts that a second look finds nothing to do."""
    patch = feedback.shown(as_pod(document), seen, KEYS, at=AT, **options)
    if patch is None:
        return document
    assert patch["metadata"]["uid"] == "u-1"
    after = patched(document, patch, Patch.STRATEGIC)
    assert feedback.shown(as_pod(after), seen, KEYS, at="later", **options) is None
    return after


def by_type(document):
    return {item["type"]: item for item in document["status"].get("conditions", [])}


def test_a_bound_proxy_shows_its_running_delegate():
    running = {"startedAt": EARLIER}
    seen = delegate(
        startTime=EARLIER,
        conditions=[condition("Ready", "True"), condition("Initialized", "True")],
        containerStatuses=[container(running=running)],
        podIP="10.0.0.1",
        qosClass="Burstable",
        observedGeneration=4,
        hostIP="1.2.3.4",
    )

    after = show(proxy(), seen)

    status = after["status"]
    assert (status["phase"], status["startTime"]) == ("Running", EARLIER)
    assert status["qosClass"] == "BestEffort"
    assert not {"podIP", "podIPs", "hostIP", "observedGeneration"} & status.keys()
    assert by_type(after)["Ready"] == condition("Ready", "True")
    assert status["containerStatuses"][0]["state"] == {"running": running}
    assert after["metadata"]["annotations"][KEYS.delegate_ips] == "10.0.0.1"


def test_a_binding_is_shown_as_scheduled():
    waiting = condition("PodScheduled", "False", reason="WaitingForCluster")

    after = show(proxy(status={"conditions": [waiting]}), delegate("Pending"))

    assert by_type(after)["PodScheduled"] == condition("PodScheduled", "True", time=AT)


def test_an_unbound_proxy_is_not_running_before_it_is_bound():
    after = show(proxy(node=""), delegate(annotations={"a": "b"}))

    assert after["status"]["phase"] == "Pending"
    assert after["metadata"]["annotations"]["a"] == "b"


def test_an_unbound_proxy_shows_an_end():
    assert show(proxy(node=""), delegate("Succeeded"))["status"]["phase"] == "Succeeded"


@pytest.mark.parametrize(
    ("before", "seen", "after"),
    [
        ("Pending", "Running", "Running"),
        ("Running", "Pending", "Running"),
        ("Running", "Unknown", "Running"),
        ("Running", "Failed", "Failed"),
        ("Pending", "Succeeded", "Succeeded"),
        ("Succeeded", "Running", "Succeeded"),
        ("Failed", "Succeeded", "Failed"),
        ("Succeeded", "Failed", "Succeeded"),
        ("Failed", "Pending", "Failed"),
    ],
)
def test_phases_go_one_way(before, seen, after):
    assert show(proxy(status={"phase": before}), delegate(seen))["status"]["phase"] == after


def test_an_older_sight_of_the_delegate_changes_nothing():
    status = {"phase": "Running", "containerStatuses": [container(running={})]}
    document = proxy(status=status)

    assert show(document, delegate("Pending", reason="Old")) == document


def test_ends_carry_exit_codes_messages_and_restarts():
    terminated = {"exitCode": 3, "message": "out of luck", "reason": "Error", "finishedAt": AT}
    last = {"terminated": {"exitCode": 1}}
    ended = {**container(terminated=terminated), "restartCount": 2, "lastState": last}

    after = show(proxy(), delegate("Failed", reason="R", message="M", containerStatuses=[ended]))

    status = after["status"]
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "R", "M")
    [shown] = status["containerStatuses"]
    assert shown["state"] == {"terminated": terminated}
    assert (shown["restartCount"], shown["lastState"]) == (2, last)


def test_containers_that_the_target_injected_are_not_shown():
    seen = delegate(
        containerStatuses=[container("istio"), container("c")],
        initContainerStatuses=[container("istio-init"), container("i")],
    )

    status = show(proxy(initContainers=[{"name": "i"}]), seen)["status"]

    assert [item["name"] for item in status["containerStatuses"]] == ["c"]
    assert [item["name"] for item in status["initContainerStatuses"]] == ["i"]


def test_a_reason_that_is_over_goes():
    document = proxy(status={"phase": "Running", "reason": "NodeLost", "message": "m"})

    status = show(document, delegate())["status"]

    assert not {"reason", "message"} & status.keys()


def test_conditions_of_others_stay():
    disruption = condition("DisruptionTarget", "True", reason="EvictionByEvictionAPI")

    after = show(
        proxy(status={"conditions": [disruption]}),
        delegate(conditions=[condition("Ready", "True")]),
    )

    assert by_type(after)["DisruptionTarget"] == disruption


def test_what_kubernetes_wrote_of_a_silent_node_is_restored_unless_the_cluster_is_lost():
    seen = delegate(conditions=[condition("Ready", "True")])
    marked = condition("Ready", "False", reason="NodeNotReady", time=AT)
    document = proxy(status={"phase": "Running", "conditions": [marked]})

    assert by_type(show(document, seen))["Ready"]["status"] == "True"
    assert by_type(show(document, seen))["Ready"].get("reason") is None
    assert by_type(show(document, seen, lost=True))["Ready"] == marked


def test_a_condition_keeps_its_time_while_its_status_stays():
    document = proxy(status={"conditions": [condition("Ready", "False", reason="A", time="t0")]})

    after = show(document, delegate(conditions=[condition("Ready", "False", reason="B")]))

    assert by_type(after)["Ready"] == condition("Ready", "False", reason="B", time="t0")


def test_addresses_stand_in_the_status_only_where_they_are_reachable():
    addresses = [{"ip": "10.0.0.2"}, {"ip": "fd00::2"}]
    old = {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]}

    status = show(proxy(status=old), delegate(podIPs=addresses), reachable=True)["status"]

    assert (status["podIP"], status["podIPs"]) == ("10.0.0.2", addresses)


def test_both_addresses_of_a_dual_stack_pod_are_annotated():
    seen = delegate(podIPs=[{"ip": "10.0.0.2"}, {"ip": "fd00::2"}])

    assert show(proxy(), seen)["metadata"]["annotations"][KEYS.delegate_ips] == "10.0.0.2,fd00::2"


def test_annotations_that_others_put_on_the_delegate_come_back():
    seen = delegate(annotations={"workflows.argoproj.io/outputs": "{}", KEYS.proxy_name: "x"})

    annotations = show(proxy(), seen)["metadata"]["annotations"]

    assert annotations == {KEYS.manifest: "{}", "workflows.argoproj.io/outputs": "{}"}


def test_an_edit_on_the_proxy_is_not_undone_by_the_delegates_copy():
    written = json.dumps({"metadata": {"annotations": {"note": "old"}}})
    document = proxy(annotations={KEYS.manifest: written, "note": "edited"})

    assert (
        show(document, delegate("Pending", annotations={"note": "old"}))["metadata"]["annotations"][
            "note"
        ]
        == "edited"
    )
    after = show(document, delegate(annotations={"note": "news"}))
    assert after["metadata"]["annotations"]["note"] == "news"


def test_our_annotations_and_kubectls_are_never_overwritten():
    applied = "kubectl.kubernetes.io/last-applied-configuration"
    forged = DelegateObserved(
        placement="u-1.1",
        namespace="n",
        name="d",
        uid="u-2",
        annotations={KEYS.manifest: "forged", KEYS.elect: "x", applied: "{}"},
    )

    assert show(proxy(), forged)["metadata"]["annotations"] == {KEYS.manifest: "{}"}


def test_annotations_that_do_not_fit_are_left_out():
    seen = delegate(annotations={"a": "x" * 200_000, "b": "y" * 100_000, "c": "z"})

    annotations = show(proxy(), seen)["metadata"]["annotations"]

    assert set(annotations) == {KEYS.manifest, "a", "c"}


@pytest.mark.parametrize(
    ("policy", "code", "own", "final"),
    [
        ("Never", 1, {}, True),
        ("OnFailure", 0, {}, True),
        ("OnFailure", 1, {}, False),
        ("Always", 0, {}, False),
        ("Never", 1, {"restartPolicy": "Always"}, False),
        ("Always", 1, {"restartPolicy": "Never"}, True),
        ("Never", 1, {"restartPolicyRules": [{"action": "Restart"}]}, False),
    ],
)
def test_a_container_that_ended_for_good_stays_ended(policy, code, own, final):
    before = {"phase": "Running", "containerStatuses": [container(terminated={"exitCode": code})]}
    document = proxy(status=before, restartPolicy=policy, containers=[{"name": "c", **own}])

    [shown] = show(document, delegate(containerStatuses=[container(waiting={})]))["status"][
        "containerStatuses"
    ]

    assert ("terminated" in shown["state"]) is final


def test_an_ended_ephemeral_container_stays_ended():
    ended = [container("e", terminated={"exitCode": 0})]
    document = proxy(
        status={"phase": "Running", "ephemeralContainerStatuses": ended},
        ephemeralContainers=[{"name": "e"}],
    )

    after = show(document, delegate(ephemeralContainerStatuses=[container("e", running={})]))

    assert after["status"]["ephemeralContainerStatuses"] == ended


def release(document, **options):
    patch = feedback.released(as_pod(document), KEYS, at=AT, **options)
    if patch is None:
        return document
    after = patched(document, patch, Patch.STRATEGIC)
    assert feedback.released(as_pod(after), KEYS, at="later", **options) is None
    assert after["metadata"]["finalizers"] == ["other/one"]
    return after


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_release_shows_the_delegates_end(phase):
    seen = delegate(phase, containerStatuses=[container(terminated={"exitCode": 0})])

    status = release(proxy(status={"phase": "Running"}), delegate=seen)["status"]

    assert status["phase"] == phase
    assert status["containerStatuses"][0]["state"] == {"terminated": {"exitCode": 0}}


@pytest.mark.parametrize(
    ("end", "phase", "reason"),
    [
        (End.SUCCEEDED, "Succeeded", None),
        (End.FAILED, "Failed", "DelegateLost"),
        (End.DELETED, "Failed", "DelegateLost"),
        (End.NEVER_CREATED, "Failed", "DelegateLost"),
        (End.UNKNOWN, "Failed", "DelegateLost"),
    ],
)
def test_a_release_without_an_observed_end_still_ends_the_proxy(end, phase, reason):
    status = release(proxy(), delegate=delegate("Running"), end=end)["status"]

    assert (status["phase"], status.get("reason")) == (phase, reason)


def test_a_release_says_why():
    status = release(proxy(), reason="ClusterRemoved", message="c2 is dead")["status"]

    assert (status["reason"], status["message"]) == ("ClusterRemoved", "c2 is dead")


def test_a_released_proxy_is_not_ready():
    conditions = [condition("Ready", "True"), condition("PodScheduled", "True")]

    after = release(proxy(status={"phase": "Running", "conditions": conditions}))

    assert by_type(after)["Ready"] == condition("Ready", "False", reason="PodFailed", time=AT)
    assert by_type(after)["PodScheduled"]["status"] == "True"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_release_keeps_the_end_that_was_shown(phase):
    after = release(proxy(status={"phase": phase}), delegate=delegate("Running"), reason="Other")

    assert after["status"]["phase"] == phase
    assert "reason" not in after["status"]


def test_a_proxy_already_let_go_needs_nothing():
    document = proxy(status={"phase": "Failed"}, finalizers=False)

    assert feedback.released(as_pod(document), KEYS, at=AT) is None


def test_a_failed_proxy_keeps_its_finalizer_until_its_delegate_is_gone():
    document = proxy()

    patch = feedback.failed(as_pod(document), reason="NodeMismatch", message="m", at=AT)

    after = patched(document, patch, Patch.STRATEGIC)
    assert after["metadata"]["finalizers"] == ["other/one", KEYS.finalizer]
    assert (after["status"]["phase"], after["status"]["reason"]) == ("Failed", "NodeMismatch")
    assert feedback.failed(as_pod(after), reason="NodeMismatch", message="m", at=AT) is None


STATES = st.sampled_from(
    [{"waiting": {"reason": "x"}}, {"running": {}}, {"terminated": {"exitCode": 1}}]
)
STATUS = st.fixed_dictionaries(
    {"phase": st.sampled_from(list(Phase))},
    optional={
        "reason": st.sampled_from(["", "R"]),
        "startTime": st.just(EARLIER),
        "podIPs": st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2"]), max_size=1).map(
            lambda items: [{"ip": item} for item in items]
        ),
        "conditions": st.dictionaries(
            st.sampled_from(["Ready", "PodScheduled", "X"]), st.sampled_from(["True", "False"])
        ).map(lambda items: [condition(key, value) for key, value in items.items()]),
        "containerStatuses": STATES.map(lambda state: [container(**state)]),
    },
)


@given(STATUS, STATUS, st.booleans(), st.booleans(), st.sampled_from(["Never", "Always"]))
def test_feedback_settles_and_never_goes_back(before, after, bound, reachable, policy):
    document = proxy(node="mcs-c2" if bound else "", status=before, restartPolicy=policy)

    made = show(document, delegate(**after), reachable=reachable)

    old, new = Phase(before["phase"]), Phase(made["status"]["phase"])
    assert new is old if old.ended else new in {old, after["phase"]}
    assert not (old is Phase.RUNNING and new is Phase.PENDING)
    assert bound or new is old or new.ended
    again = feedback.released(as_pod(made), KEYS, at=AT, delegate=delegate(**after))
    assert Phase(patched(made, again, Patch.STRATEGIC)["status"]["phase"]).ended
