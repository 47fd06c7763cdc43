"""Which group a pod says that it belongs to."""

import json

import msgspec
import pytest

from mcs.errors import BadGroup
from mcs.events.constraints import Group
from mcs.names import Keys
from mcs.objects.grouping import Grouped, group_of, named, saved_group

KEYS = Keys()


def pod(*, name=None, size=None, placement=None, labels=None, **spec):
    stated = {KEYS.group: name, KEYS.group_size: size, KEYS.group_placement: placement}
    annotations = {key: value for key, value in stated.items() if value is not None}
    return {"metadata": {"annotations": annotations, "labels": labels}, "spec": spec}


def group(document):
    return group_of(msgspec.convert(document, Grouped), KEYS)


def test_annotations_name_a_group():
    assert group(pod(name="train", size="8")) == Group(name="train", size=8)
    assert group(pod(name="t", size="1", placement="one-cluster")) == Group(name="t", size=1)
    assert group(pod(name="a.b_c-1", size="10000", placement="spread")) == Group(
        name="a.b_c-1", size=10_000, spread=True
    )


def test_other_pods_have_none():
    assert group({}) is None
    assert group({"metadata": {"annotations": None, "labels": None}, "spec": {}}) is None
    assert group(pod()) is None


@pytest.mark.parametrize(
    ("native", "name"),
    [
        ({"schedulingGroup": {"podGroupName": "w-0"}}, "w-0"),
        ({"workloadRef": {"name": "job", "podGroup": "workers"}}, "job/workers"),
        (
            {"workloadRef": {"name": "job", "podGroup": "workers", "podGroupReplicaKey": "1"}},
            "job/workers/1",
        ),
        ({"labels": {"scheduling.x-k8s.io/pod-group": "nginx"}}, "nginx"),
    ],
)
def test_a_name_of_kubernetes_own_counts_where_the_size_is_told(native, name):
    assert named(msgspec.convert(pod(**native), Grouped)) == name
    assert group(pod(**native)) is None
    assert group(pod(size="3", **native)) == Group(name=name, size=3)
    assert group(pod(name="ours", size="3", **native)) == Group(name="ours", size=3)


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"name": "g"}, f"add annotation {KEYS.group_size}"),
        ({"placement": "spread"}, f"add annotation {KEYS.group_size}"),
        ({"size": "3"}, f"{KEYS.group_size} needs {KEYS.group}"),
        ({"name": "", "size": "3"}, f"{KEYS.group} is ''"),
        ({"name": "a/b", "size": "3"}, f"{KEYS.group} is 'a/b'"),
        ({"name": "x" * 254, "size": "3"}, "at most 253"),
        ({"name": "g\n", "size": "3"}, f"{KEYS.group} is 'g\\n'"),
        ({"name": "g", "size": "0"}, f"{KEYS.group_size} is '0': use a whole number from 1 to"),
        ({"name": "g", "size": "-1"}, f"{KEYS.group_size} is '-1'"),
        ({"name": "g", "size": "three"}, f"{KEYS.group_size} is 'three'"),
        ({"name": "g", "size": "3.5"}, f"{KEYS.group_size} is '3.5'"),
        ({"name": "g", "size": "٣"}, f"{KEYS.group_size} is '٣'"),
        ({"name": "g", "size": "10001"}, f"{KEYS.group_size} is '10001': use a whole number"),
        ({"name": "g", "size": "9" * 5000}, "use a whole number from 1 to 10000"),
        ({"name": "g", "size": "3", "placement": "two"}, "use 'one-cluster' or 'spread'"),
    ],
)
def test_what_describes_no_group_is_refused_with_the_annotation_to_change(stated, told):
    with pytest.raises(BadGroup) as caught:
        group(pod(**stated))

    assert told in str(caught.value)


def test_a_saved_manifest_that_says_nothing_clear_names_no_group():
    assert saved_group(json.dumps(pod(name="g", size="2")), KEYS) == Group(name="g", size=2)
    assert saved_group(json.dumps(pod(name="g", size="two")), KEYS) is None
    assert saved_group('{"metadata": {"annotations": 7}}', KEYS) is None
    assert saved_group("not json", KEYS) is None
