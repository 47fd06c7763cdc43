import json

import msgspec
import pytest

from mcs.errors import BadManifest
from mcs.names import Keys
from mcs.objects.kinds import Object, Pod
from mcs.objects.manifest import decoded, parsed, saved
from mcs.objects.tolerations import of_proxy

KEYS = Keys()
PROVIDER = {"virtual-kubelet.io/provider": "mcs"}


def saved_of(admitted, proxy):
    """The saved manifest's spec after the proxy got spec fields ``proxy``."""
    text = json.dumps({"spec": admitted})
    tolerations = [*of_proxy(admitted.get("tolerations", [])), *proxy.pop("tolerations", [])]
    selector = PROVIDER | proxy.pop("nodeSelector", {})
    pod = {
        "metadata": {"annotations": {KEYS.manifest: text}},
        "spec": {"nodeSelector": selector, "tolerations": tolerations, **proxy},
    }
    found = saved(msgspec.convert(pod, Pod), KEYS)
    return found if found == text else json.loads(found)["spec"]


def test_an_unchanged_proxy_gives_the_annotation_byte_for_byte():
    admitted = {
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {}},
    }

    assert saved_of(admitted, {}) == json.dumps({"spec": admitted})
    assert saved_of(admitted, {"nodeSelector": {"a": "b"}}) == json.dumps({"spec": admitted})


def test_a_selector_added_while_gated_is_the_delegates():
    assert saved_of({}, {"nodeSelector": {"flavor": "spot"}}) == {
        "nodeSelector": {"flavor": "spot"}
    }
    assert saved_of({"nodeSelector": {"a": "b"}}, {"nodeSelector": {"flavor": "spot"}}) == {
        "nodeSelector": {"a": "b", "flavor": "spot"}
    }


def test_a_toleration_added_later_is_the_delegates():
    mine = {"key": "mine", "operator": "Exists", "effect": "NoSchedule"}
    added = {"key": "spot", "operator": "Exists", "effect": "NoSchedule"}

    assert saved_of({"tolerations": [mine]}, {"tolerations": [added]}) == {
        "tolerations": [mine, added]
    }


def required(*terms):
    return {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}
        }
    }


def term(*keys):
    return {"matchExpressions": [{"key": key, "operator": "Exists"} for key in keys]}


def test_affinity_added_while_gated_holds_beside_the_users():
    assert saved_of({}, {"affinity": required(term("z"))}) == {"affinity": required(term("z"))}
    assert saved_of(
        {"affinity": {"podAffinity": {}, **required(term("a"), term("b"))}},
        {"affinity": required(term("z"))},
    ) == {"affinity": {"podAffinity": {}, **required(term("a", "z"), term("b", "z"))}}


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"spec": 3}'])
def test_an_unreadable_manifest_is_told(text):
    pod = msgspec.convert({"metadata": {"annotations": {KEYS.manifest: text}}}, Pod)

    with pytest.raises(BadManifest):
        saved(pod, KEYS)


def test_a_proxy_without_manifest_is_told():
    with pytest.raises(BadManifest):
        saved(Pod(), KEYS)


def test_manifests_are_read_as_structs_or_as_data():
    assert decoded('{"metadata": {"name": "a"}}', Object).metadata.name == "a"
    assert parsed('{"a": [1]}') == {"a": [1]}
    with pytest.raises(BadManifest):
        parsed("[]")
