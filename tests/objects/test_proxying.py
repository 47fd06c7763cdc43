import pytest

from mcs.objects.proxying import is_proxied, proxied, restored
from mcs.objects.tolerations import of_proxy

CLAIM = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
EPHEMERAL = {"name": "v", "ephemeral": {"volumeClaimTemplate": {}}}
STAND_IN = {"name": "v", "downwardAPI": {"defaultMode": 420}}
CONSTRAINED = {
    "schedulerName": "volcano",
    "nodeSelector": {"gpu": "yes"},
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [{"maxSkew": 1}],
}


def there_and_back(spec, *, stateful=False):
    return restored(proxied(spec, stateful=stateful), spec, stateful=stateful)


def test_constraints_are_replaced_by_one_for_virtual_nodes():
    assert proxied(CONSTRAINED, stateful=False) == {
        "schedulerName": "mcs",
        "nodeSelector": {"virtual-kubelet.io/provider": "mcs"},
        "tolerations": of_proxy([]),
    }
    assert there_and_back(CONSTRAINED) == CONSTRAINED


def test_what_the_user_can_see_stays():
    spec = {
        "schedulerName": "default-scheduler",
        "containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}, "ports": []}],
        "initContainers": [{"name": "i"}],
        "hostNetwork": True,
        "schedulingGates": [{"name": "kueue"}],
        "priorityClassName": "high",
        "terminationGracePeriodSeconds": 7,
        "volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "secret": {"secretName": "s"}}],
    }
    changed = {"schedulerName", "nodeSelector", "tolerations"}

    made = proxied(spec, stateful=False)

    assert {key: made[key] for key in made if key not in changed} == {
        key: spec[key] for key in spec if key not in changed
    }


@pytest.mark.parametrize("volume", [CLAIM, EPHEMERAL])
def test_a_claim_leaves_an_empty_volume_for_its_mounts(volume):
    mounted = [{"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/data"}]}]
    spec = {"schedulerName": "x", "volumes": [volume], "containers": mounted}

    made = proxied(spec, stateful=False)

    assert (made["volumes"], made["containers"]) == ([STAND_IN], mounted)
    assert there_and_back(spec) == spec


def test_a_stateful_sets_claims_stay_and_its_ephemeral_volumes_do_not():
    assert proxied({"volumes": [CLAIM]}, stateful=True)["volumes"] == [CLAIM]
    assert proxied({"volumes": [EPHEMERAL]}, stateful=True)["volumes"] == [STAND_IN]


@pytest.mark.parametrize("kind", ["containers", "initContainers"])
def test_raw_devices_of_claims_go_and_come_back(kind):
    spec = {
        "schedulerName": "x",
        "volumes": [CLAIM],
        kind: [{"name": "c", "volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]}],
    }

    assert proxied(spec, stateful=False)[kind] == [{"name": "c"}]
    assert proxied(spec, stateful=True)[kind] == spec[kind]
    assert there_and_back(spec) == spec


def test_device_claims_go_and_come_back():
    resources = {"claims": [{"name": "gpu"}], "requests": {"cpu": "1"}}
    spec = {
        "schedulerName": "x",
        "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "t"}],
        "containers": [{"name": "c", "resources": resources}, {"name": "d"}],
    }

    made = proxied(spec, stateful=False)

    assert "resourceClaims" not in made
    assert made["containers"] == [
        {"name": "c", "resources": {"requests": {"cpu": "1"}}},
        {"name": "d"},
    ]
    assert there_and_back(spec) == spec


def test_what_others_put_on_the_proxy_since_is_the_users():
    spec = CONSTRAINED | {"containers": [{"name": "c"}]}
    proxy = proxied(spec, stateful=False)
    sidecar = {"name": "istio", "volumeMounts": [{"name": "w", "mountPath": "/w"}]}
    proxy["containers"] = [*proxy["containers"], sidecar]
    proxy["volumes"] = [{"name": "w", "emptyDir": {}}]
    proxy["affinity"] = {"podAffinity": {}}
    proxy["schedulerName"] = "kueue"

    assert restored(proxy, spec, stateful=False) == {
        **spec,
        "containers": [{"name": "c"}, sidecar],
        "volumes": [{"name": "w", "emptyDir": {}}],
        "affinity": {"podAffinity": {}},
        "schedulerName": "kueue",
    }


def test_a_forged_saved_spec_changes_only_constraints_and_claims():
    proxy = proxied({"containers": [{"name": "c"}], "volumes": [CLAIM]}, stateful=False)
    forged = {
        "containers": [{"name": "c", "image": "evil", "securityContext": {"privileged": True}}],
        "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
        "hostPID": True,
        "serviceAccountName": "admin",
        "nodeSelector": {"a": "b"},
    }

    assert restored(proxy, forged, stateful=False) == {
        "containers": [{"name": "c"}],
        "volumes": [STAND_IN],
        "nodeSelector": {"a": "b"},
    }


def test_a_proxy_is_known_by_its_selector():
    assert is_proxied(proxied({}, stateful=False))
    assert not is_proxied(CONSTRAINED)
    assert not is_proxied({})
