import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcs.adapters.memory_patches import patched
from mcs.errors import BadSettings
from mcs.names import Keys
from mcs.objects.admission import Admitted, Refused, Rules, mutate
from mcs.ports import Patch

KEYS = Keys()
ELECTED = {KEYS.elect: ""}
GPU = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
NOT_READY = {
    "key": "node.kubernetes.io/not-ready",
    "operator": "Exists",
    "effect": "NoExecute",
    "tolerationSeconds": 300,
}


def pod(*, annotations=ELECTED, metadata=None, **spec):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "a",
            "namespace": "default",
            "annotations": dict(annotations),
            **(metadata or {}),
        },
        "spec": {"schedulerName": "default-scheduler", "containers": [{"name": "c"}], **spec},
    }


def admitted(given_pod, rules=None):
    """The pod after the answer was applied to it."""
    before = copy.deepcopy(given_pod)
    answer = mutate(given_pod, KEYS, rules)
    assert isinstance(answer, Admitted), answer
    assert given_pod == before
    return patched(given_pod, list(answer.operations), Patch.JSON)


def saved(proxy):
    return json.loads(proxy["metadata"]["annotations"][KEYS.manifest])


def test_an_elected_pod_becomes_a_proxy():
    proxy = admitted(pod(nodeSelector={"gpu": "yes"}, tolerations=[GPU, NOT_READY]))

    assert proxy["metadata"]["finalizers"] == ["multicluster.admiralty.io/delegate"]
    assert proxy["spec"]["schedulerName"] == "mcs"
    assert proxy["spec"]["nodeSelector"] == {"virtual-kubelet.io/provider": "mcs"}
    assert proxy["spec"]["containers"] == [{"name": "c"}]
    assert GPU not in proxy["spec"]["tolerations"]
    assert NOT_READY in proxy["spec"]["tolerations"]


def test_the_manifest_is_the_pod_as_admitted():
    original = pod(
        nodeSelector={"gpu": "yes"},
        volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
        metadata={"labels": {"app": "x"}, "finalizers": ["a.io/b"], "generateName": "a-"},
    )

    proxy = admitted(original)

    assert saved(proxy) == original
    assert proxy["metadata"]["finalizers"] == ["a.io/b", KEYS.finalizer]


def test_noise_and_what_kubectl_applied_are_not_saved():
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    noise = {"managedFields": [{}], "creationTimestamp": None, "uid": "u"}

    made = saved(admitted(pod(annotations=ELECTED | applied, metadata=noise)))

    # metadata given above replaces nothing but adds noise
    assert made["metadata"] == {"name": "a", "namespace": "default", "annotations": ELECTED}


@pytest.mark.parametrize(
    "untouched",
    [
        pod(annotations={}),
        pod(annotations={"other": "x"}),
        {"metadata": {}, "spec": {}},
        {"metadata": {"annotations": None}},
        {},
    ],
)
def test_other_pods_are_not_touched(untouched):
    assert mutate(untouched, KEYS) == Admitted()


@pytest.mark.parametrize(
    ("staying", "words"),
    [
        (pod(nodeName="n1"), "node n1"),
        (pod(metadata={"labels": {KEYS.proxy_uid: "u"}}), "delegate"),
        (
            pod(metadata={"ownerReferences": [{"kind": "DaemonSet", "controller": True}]}),
            "DaemonSet",
        ),
    ],
)
def test_a_pod_that_cannot_move_stays_with_a_warning(staying, words):
    answer = mutate(staying, KEYS)

    assert answer.operations == ()
    [warning] = answer.warnings
    assert "default/a" in warning
    assert words in warning


@pytest.mark.parametrize(
    "forged",
    [
        pod(annotations={KEYS.manifest: "{}"}),
        pod(annotations=ELECTED | {KEYS.manifest: "{}"}, nodeName="n1"),
        pod(
            annotations=ELECTED | {KEYS.manifest: "nonsense"},
            nodeSelector={"virtual-kubelet.io/provider": "mcs"},
        ),
        pod(
            annotations=ELECTED | {KEYS.manifest: "{}"},
            nodeSelector={"virtual-kubelet.io/provider": "mcs"},
        ),
    ],
)
def test_a_forged_manifest_is_refused(forged):
    answer = mutate(forged, KEYS)

    assert isinstance(answer, Refused)
    assert "default/a" in answer.message
    assert KEYS.manifest in answer.message


def test_a_forged_manifest_on_an_ordinary_elected_pod_is_overwritten():
    proxy = admitted(pod(annotations=ELECTED | {KEYS.manifest: '{"spec": {"hostPID": true}}'}))

    assert saved(proxy) == pod()


def test_the_second_call_has_nothing_to_do():
    proxy = admitted(pod(nodeSelector={"gpu": "yes"}, tolerations=[GPU]))

    assert mutate(proxy, KEYS) == Admitted()


def test_what_built_in_plugins_add_back_is_left_alone():
    proxy = admitted(pod(nodeSelector={"zone": "a"}, tolerations=[GPU, NOT_READY]))

    proxy["spec"]["nodeSelector"]["zone"] = "a"  # PodNodeSelector, RuntimeClass
    proxy["spec"]["tolerations"].append(GPU)  # PodTolerationRestriction, RuntimeClass

    assert mutate(proxy, KEYS) == Admitted()


def test_a_toleration_added_back_that_would_end_pods_on_unreachable_nodes_is_removed():
    proxy = admitted(pod())
    wanted = list(proxy["spec"]["tolerations"])
    proxy["spec"]["tolerations"].append({**NOT_READY, "key": "node.kubernetes.io/unreachable"})

    assert admitted(proxy)["spec"]["tolerations"] == wanted


def test_a_sidecar_injected_since_reaches_the_manifest_alone():
    proxy = admitted(pod(nodeSelector={"gpu": "yes"}))
    proxy["spec"]["containers"].append({"name": "istio"})

    [operation] = mutate(proxy, KEYS).operations

    assert operation["path"].startswith("/metadata/annotations/")
    assert saved(admitted(proxy)) == pod(
        nodeSelector={"gpu": "yes"}, containers=[{"name": "c"}, {"name": "istio"}]
    )


def test_affinity_put_there_since_reaches_the_delegate():
    proxy = admitted(pod())
    proxy["spec"]["affinity"] = {"podAntiAffinity": {}}

    again = admitted(proxy)

    assert "affinity" not in again["spec"]
    assert saved(again)["spec"]["affinity"] == {"podAntiAffinity": {}}


def large(value):
    return pod(
        metadata={"name": None, "generateName": "job-"},
        containers=[{"name": "c", "env": [{"name": "A", "value": value}]}],
    )


def test_a_pod_too_large_to_keep_is_refused_by_name():
    answer = mutate(large("x" * 200_000), KEYS, namespace="default")

    assert isinstance(answer, Refused)
    assert answer.code == 413
    assert "default/job-*" in answer.message
    assert "ConfigMap" in answer.message
    assert len(answer.message) < 500
    assert isinstance(mutate(large("x" * 190_000), KEYS), Admitted)


def test_size_counts_bytes_and_annotations():
    assert isinstance(mutate(large("ä" * 100_000), KEYS), Refused)
    assert isinstance(mutate(pod(annotations=ELECTED | {"big": "x" * 130_000}), KEYS), Refused)
    assert isinstance(mutate(pod(annotations=ELECTED | {"big": "x" * 110_000}), KEYS), Admitted)


@pytest.mark.parametrize("kind", ["containers", "initContainers"])
def test_literal_values_of_secret_looking_variables_can_be_refused(kind):
    rules = Rules(env_refused="(?i)password|token")
    secret = pod(**{kind: [{"name": "c", "env": [{"name": "DB_PASSWORD", "value": "hunter2"}]}]})

    answer = mutate(secret, KEYS, rules)

    assert isinstance(answer, Refused)
    assert "DB_PASSWORD" in answer.message
    assert "hunter2" not in answer.message
    assert isinstance(mutate(secret, KEYS), Admitted)


def test_references_and_other_variables_are_let_in():
    variables = [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "HOME", "value": "/"},
        {"name": "TOKEN_EMPTY", "value": ""},
    ]
    fine = pod(containers=[{"name": "c", "env": variables}])

    assert isinstance(mutate(fine, KEYS, Rules(env_refused="TOKEN")), Admitted)


def test_a_bad_pattern_is_told_at_once():
    with pytest.raises(BadSettings):
        Rules(env_refused="(")


def test_another_domain_gives_other_keys():
    keys = Keys(domain="mcs.example.org")

    assert mutate(pod(), keys) == Admitted()
    proxy = mutate(pod(annotations={keys.elect: ""}), keys).operations
    assert proxy[0]["path"] == "/metadata/annotations/mcs.example.org~1sourcepod-manifest"


VOLUMES = st.sampled_from(
    [
        {"emptyDir": {}},
        {"persistentVolumeClaim": {"claimName": "x"}},
        {"ephemeral": {"volumeClaimTemplate": {}}},
        {"downwardAPI": {"items": []}},
        {"downwardAPI": {"defaultMode": 420}},
    ]
)
SECONDS = st.sampled_from([None, 0, 10, 300])
TOLERATIONS = st.builds(
    lambda key, effect, seconds: {
        "operator": "Exists",
        **({"key": key} if key else {}),
        **({"effect": effect} if effect else {}),
        **({} if seconds is None or effect != "NoExecute" else {"tolerationSeconds": seconds}),
    },
    st.sampled_from(["", "gpu", "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]),
    st.sampled_from(["", "NoSchedule", "NoExecute"]),
    SECONDS,
)
CONTAINER = st.fixed_dictionaries(
    {},
    optional={
        "volumeDevices": st.just([{"name": "v0", "devicePath": "/dev/x"}]),
        "resources": st.sampled_from([{"claims": [{"name": "g"}]}, {"requests": {"cpu": "1"}}]),
    },
)
SPECS = st.fixed_dictionaries(
    {
        "containers": st.lists(CONTAINER, min_size=1, max_size=3).map(
            lambda items: [{"name": f"c{i}", **item} for i, item in enumerate(items)]
        )
    },
    optional={
        "volumes": st.lists(VOLUMES, max_size=3).map(
            lambda items: [{"name": f"v{i}", **item} for i, item in enumerate(items)]
        ),
        "tolerations": st.lists(TOLERATIONS, max_size=4),
        "nodeSelector": st.dictionaries(st.sampled_from("ab"), st.just("c")),
        "affinity": st.just({"nodeAffinity": {}}),
        "topologySpreadConstraints": st.just([{"maxSkew": 1}]),
        "resourceClaims": st.just([{"name": "g"}]),
        "schedulingGates": st.just([{"name": "kueue"}]),
    },
)
OWNERS = st.sampled_from([[], [{"kind": "StatefulSet", "controller": True}], [{"kind": "Job"}]])


@given(SPECS, OWNERS)
def test_the_user_s_pod_is_kept_whole_and_the_answer_is_idempotent(spec, owners):
    original = pod(metadata={"ownerReferences": owners}, **spec)

    proxy = admitted(original)

    assert saved(proxy) == original
    assert mutate(proxy, KEYS) == Admitted()


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({KEYS.group: "g", KEYS.group_size: "0"}, "use a whole number from 1 to 10000"),
        ({KEYS.group: "g"}, f"add annotation {KEYS.group_size}"),
    ],
)
def test_a_pod_that_describes_no_group_is_refused_by_name(stated, words):
    answer = mutate(pod(annotations=ELECTED | stated), KEYS)

    assert isinstance(answer, Refused)
    assert answer.code == 422
    assert "default/a" in answer.message
    assert words in answer.message


def test_a_pod_that_is_not_elected_may_say_of_groups_what_it_likes():
    assert mutate(pod(annotations={KEYS.group_size: "0"}), KEYS) == Admitted()


def test_a_pod_of_a_group_is_let_in_and_saved_with_it():
    stated = {KEYS.group: "g", KEYS.group_size: "3"}
    answer = mutate(pod(annotations=ELECTED | stated), KEYS)

    assert answer.warnings == ()
    proxy = admitted(pod(annotations=ELECTED | stated))
    assert saved(proxy)["metadata"]["annotations"] == ELECTED | stated


def test_a_group_of_kubernetes_own_without_a_size_is_let_in_with_a_warning():
    group = {"schedulingGroup": {"podGroupName": "workers-0"}}

    [warning] = mutate(pod(**group), KEYS).warnings

    assert "default/a" in warning
    assert "'workers-0'" in warning
    assert KEYS.group_size in warning
    assert mutate(pod(annotations=ELECTED | {KEYS.group_size: "2"}, **group), KEYS).warnings == ()
