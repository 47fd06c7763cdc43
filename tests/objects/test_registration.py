import base64
import copy

import pytest

from mcs.names import Keys
from mcs.objects.registration import (
    Service,
    Url,
    drift,
    manifest_policy,
    nodes_policy,
    policy_binding,
    webhook_configuration,
)

KEYS = Keys()


def webhook(at=None):
    made = webhook_configuration(at or Url("https://10.0.0.1:9443/"), b"PEM", KEYS)
    [hook] = made["webhooks"]
    return hook


def test_only_elected_pods_in_namespaces_that_opted_in_wait_for_us():
    hook = webhook()

    assert hook["namespaceSelector"] == {"matchLabels": {"multicluster-scheduler": "enabled"}}
    [condition] = hook["matchConditions"]
    assert (
        "'multicluster.admiralty.io/elect' in object.metadata.annotations"
        in (condition["expression"])
    )
    assert hook["rules"][0]["operations"] == ["CREATE"]
    assert hook["rules"][0]["resources"] == ["pods"]


def test_a_webhook_that_does_not_answer_refuses():
    hook = webhook()

    assert (hook["failurePolicy"], hook["sideEffects"], hook["reinvocationPolicy"]) == (
        "Fail",
        "None",
        "IfNeeded",
    )


def test_it_is_reached_by_url_or_service():
    bundle = base64.b64encode(b"PEM").decode()

    assert webhook()["clientConfig"] == {
        "caBundle": bundle,
        "url": "https://10.0.0.1:9443/mutate",
    }
    assert webhook(Service(namespace="mcs-system", name="agent"))["clientConfig"] == {
        "caBundle": bundle,
        "service": {"namespace": "mcs-system", "name": "agent", "port": 443, "path": "/mutate"},
    }
    assert Service(namespace="n", name="s").hosts == ("s.n.svc", "s.n.svc.cluster.local", "s.n")


def test_virtual_nodes_are_listed_by_name():
    [condition] = nodes_policy(["mcs-c2", "mcs-c1"], "it's me")["spec"]["matchConditions"]

    assert "in ['mcs-c1', 'mcs-c2']" in condition["expression"]
    assert r"username == 'it\'s me'" in condition["expression"]
    assert "in []" in nodes_policy([], "x")["spec"]["matchConditions"][0]["expression"]


def test_pods_that_no_policy_forbids_are_only_looked_at_once():
    for policy in nodes_policy(["mcs-c1"], "me"), manifest_policy(KEYS):
        assert len(policy["spec"]["matchConditions"]) == 1
        assert "variables." not in policy["spec"]["matchConditions"][0]["expression"]


def test_a_binding_puts_a_policy_in_force():
    spec = policy_binding("p")["spec"]

    assert spec == {"policyName": "p", "validationActions": ["Deny"]}


WANTED = [
    webhook_configuration(Url("https://a"), b"PEM", KEYS),
    nodes_policy(["mcs-c1"], "me"),
    manifest_policy(KEYS),
    policy_binding("p"),
]


@pytest.mark.parametrize("wanted", WANTED)
def test_what_is_registered_needs_no_repair(wanted):
    actual = copy.deepcopy(wanted)
    actual["metadata"] |= {"uid": "u", "labels": {"mine": "x"}}
    actual["status"] = {}

    assert drift(wanted, actual) is None


def test_defaults_of_the_api_server_are_no_drift():
    actual = copy.deepcopy(WANTED[0])
    actual["webhooks"][0]["rules"][0]["more"] = "x"
    actual["webhooks"][0]["added"] = {}
    del actual["webhooks"][0]["objectSelector"]

    assert drift(WANTED[0], actual) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"failurePolicy": "Ignore"},
        {"matchConditions": []},
        {"rules": []},
        {"namespaceSelector": {}},
        {"clientConfig": {"url": "https://a/mutate", "caBundle": "old"}},
    ],
)
def test_drift_is_repaired_whole(broken):
    actual = copy.deepcopy(WANTED[0])
    actual["webhooks"][0] |= broken

    assert drift(WANTED[0], actual) == {"webhooks": WANTED[0]["webhooks"]}


def test_a_second_webhook_in_ours_is_drift():
    actual = copy.deepcopy(WANTED[0])
    actual["webhooks"].append({"name": "other"})

    assert drift(WANTED[0], actual) is not None
    assert drift(WANTED[0], {}) is not None
