import json
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcs.errors import BadManifest
from mcs.names import Keys, PodKey
from mcs.objects.delegate import delegate_label, delegate_labels, delegate_manifest
from mcs.objects.kinds import Pod
from mcs.objects.manifest import decoded
from mcs.objects.owning import owner

KEYS = Keys()
DOMAIN = "multicluster.admiralty.io/"
POD = PodKey(namespace="default", name="a-x1")
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"


def delegate(metadata=None, **spec):
    return delegate_manifest(
        json.dumps({"metadata": metadata or {}, "spec": spec}),
        keys=KEYS,
        source="c1",
        pod=POD,
        uid="u-1",
        attempt=2,
        name="c1-default-a-x1",
    )


def spec_of(**spec):
    return delegate(**spec)["spec"]


def test_a_delegate_is_recognised_as_ours():
    made = delegate()

    assert owner(decoded(json.dumps(made), Pod), KEYS) == ("c1", "u-1.2")
    assert made["metadata"] == {
        "name": "c1-default-a-x1",
        "namespace": "default",
        "labels": {
            "multicluster.admiralty.io/proxy-uid": "u-1",
            "multicluster.admiralty.io/attempt": "2",
            "multicluster.admiralty.io/source": "c1",
        },
        "annotations": {
            "multicluster.admiralty.io/proxypod-namespace": "default",
            "multicluster.admiralty.io/proxypod-name": "a-x1",
        },
    }


def test_other_metadata_stays_behind():
    made = delegate(
        {
            "generateName": "a-",
            "finalizers": ["x/y"],
            "ownerReferences": [{"kind": "Job"}],
            "uid": "u-1",
        }
    )

    assert set(made["metadata"]) == {"name", "namespace", "labels", "annotations"}


def test_annotations_of_others_are_kept_and_ours_are_not():
    annotations = {
        "a.io/b": "c",
        KEYS.elect: "",
        KEYS.clustername: "c2",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    }

    made = delegate({"annotations": annotations})["metadata"]["annotations"]

    assert {key for key in made if not key.startswith(DOMAIN)} == {"a.io/b"}
    assert KEYS.elect not in made


def test_containers_and_constraints_are_kept():
    spec = {
        "containers": [{"name": "c", "image": "i", "env": [{"name": "A", "value": "b"}]}],
        "initContainers": [{"name": "i", "restartPolicy": "Always"}],
        "nodeSelector": {"gpu": "yes"},
        "affinity": {"podAntiAffinity": {}},
        "topologySpreadConstraints": [{"maxSkew": 1}],
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "schedulerName": "volcano",
        "serviceAccountName": "robot",
        "priorityClassName": "high",
        "runtimeClassName": "gvisor",
        "terminationGracePeriodSeconds": 7,
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
    }

    assert spec_of(**spec) == spec


def test_what_the_targets_admission_sets_itself_is_dropped():
    made = spec_of(
        nodeName="n1",
        priority=7,
        preemptionPolicy="Never",
        overhead={"cpu": "1"},
        schedulingGates=[{"name": "kueue"}],
        hostname="h",
    )

    assert made == {"hostname": "h"}


def toleration(key, seconds):
    return {
        "key": f"node.kubernetes.io/{key}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": seconds,
    }


def test_only_the_default_tolerations_are_dropped():
    own = toleration("not-ready", 60)

    assert spec_of(tolerations=[toleration("unreachable", 300), own]) == {"tolerations": [own]}
    assert spec_of(tolerations=[toleration("not-ready", 300)]) == {}


def mount(name, path=TOKEN):
    return {"name": name, "mountPath": path}


def test_the_sources_token_stays_behind_in_every_kind_of_container():
    volumes = [{"name": "kube-api-access-x", "projected": {}}, {"name": "v", "emptyDir": {}}]
    container = {"name": "c", "volumeMounts": [mount("kube-api-access-x"), mount("v", "/v")]}
    alone = {"name": "i", "volumeMounts": [mount("kube-api-access-x")]}

    assert spec_of(volumes=volumes, containers=[container], initContainers=[alone]) == {
        "volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [{"name": "c", "volumeMounts": [mount("v", "/v")]}],
        "initContainers": [{"name": "i"}],
    }


def test_a_token_secret_and_a_projection_mounted_at_the_tokens_path_stay_behind():
    for kind in ("secret", "projected"):
        container = {"name": "c", "volumeMounts": [mount("t", TOKEN + "/")]}

        assert spec_of(volumes=[{"name": "t", kind: {}}], containers=[container]) == {
            "containers": [{"name": "c"}]
        }


def test_a_users_own_way_to_hide_the_token_is_kept():
    spec = {
        "volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [{"name": "c", "volumeMounts": [mount("v")]}],
    }

    assert spec_of(**spec) == spec


def test_a_users_own_token_elsewhere_is_kept():
    spec = {
        "volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {}}]}}],
        "containers": [{"name": "c", "volumeMounts": [mount("v", "/vault")]}],
    }

    assert spec_of(**spec) == spec


def test_a_second_container_that_mounts_a_dropped_volume_elsewhere_stays_valid():
    containers = [
        {"name": "a", "volumeMounts": [mount("t")]},
        {"name": "b", "volumeMounts": [mount("t", "/else")]},
    ]

    made = spec_of(volumes=[{"name": "t", "secret": {}}], containers=containers)

    assert made == {"containers": [{"name": "a"}, {"name": "b"}]}


def test_an_unreadable_manifest_is_told():
    with pytest.raises(BadManifest):
        delegate_manifest("", keys=KEYS, source="c", pod=POD, uid="u", attempt=0, name="n")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("app", "app"),
        ("my_app", "my_app"),
        ("app.kubernetes.io/name", "app.kubernetes.io_name"),
        ("multicluster.admiralty.io/x", "multicluster.admiralty.io_x"),
        ("batch.kubernetes.io/job-name", "batch.kubernetes.io_job-name"),
        ("proxy-uid", "proxy-uid-#"),
        ("app/x", "app_x-#"),
    ],
)
def test_label_keys_move_into_our_domain(key, expected):
    found = delegate_label(key, KEYS).removeprefix(DOMAIN)

    assert re.sub(r"-[0-9a-f]{10}$", "-#", found) == expected


def test_labels_of_the_user_never_replace_ours():
    made = delegate({"labels": {"proxy-uid": "u-9", "source": "s", "attempt": "9"}})

    labels = made["metadata"]["labels"]
    assert len(labels) == 6
    assert (labels[KEYS.proxy_uid], labels[KEYS.source], labels[KEYS.attempt]) == ("u-1", "c1", "2")


WORD = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20)
NAME = st.builds(
    lambda parts, by: by.join(parts), st.lists(WORD, min_size=1, max_size=3), st.sampled_from("-_.")
)
PREFIX = st.builds(".".join, st.lists(WORD, min_size=1, max_size=5))
LABEL_KEY = NAME | st.builds("{}/{}".format, PREFIX, NAME)


@given(st.dictionaries(LABEL_KEY, st.just("v"), max_size=8))
def test_label_keys_stay_valid_and_apart(labels):
    made = delegate_labels(labels, KEYS)

    assert len(made) == len(labels)
    for key in made:
        name = key.removeprefix(DOMAIN)
        assert re.fullmatch(r"[a-z0-9A-Z]([-_.a-zA-Z0-9]{0,61}[a-z0-9A-Z])?", name)


@given(st.dictionaries(LABEL_KEY, st.just("v"), max_size=5), st.randoms(use_true_random=False))
def test_the_same_pod_gives_the_same_bytes(labels, random):
    shuffled = list(labels.items())
    random.shuffle(shuffled)

    assert json.dumps(delegate({"labels": labels})) == json.dumps(
        delegate({"labels": dict(shuffled)})
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"spec":[]}',
        '{"metadata":{"labels":{"a":1}}}',
        '{"metadata":{"annotations":["a"]}}',
        '{"spec":{"tolerations":[1]}}',
        '{"spec":{"volumes":{"name":"v"}}}',
        '{"spec":{"containers":[{"volumeMounts":7}]}}',
        '{"spec":{"volumes":[{"name":["unhashable"]}]}}',
        '{"spec":' + "[" * 100_000 + "}",
    ],
)
def test_a_manifest_of_another_form_is_a_bad_manifest_i8(text):
    with pytest.raises(BadManifest):
        delegate_manifest(
            text, keys=Keys(), source="c1", pod=PodKey("n", "p"), uid="u", attempt=1, name="d"
        )


def test_what_names_an_object_of_the_source_stays_behind():
    group = {"schedulingGroup": {"podGroupName": "g"}, "workloadRef": {"name": "w"}}

    assert spec_of(**group, hostname="h") == {"hostname": "h"}
