import json

import msgspec
import pytest

from mcs.objects.kinds import Pod
from mcs.objects.status import carried, read, shown

STATUS = {
    "phase": "Running",
    "reason": "R",
    "message": "M",
    "startTime": "2026-01-01T00:00:00Z",
    "conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": "t", "lastProbeTime": None}
    ],
    "containerStatuses": [
        {
            "name": "c",
            "state": {"terminated": {"exitCode": 3, "message": "out", "reason": "Error"}},
            "lastState": {"terminated": {"exitCode": 1}},
            "ready": True,
            "restartCount": 2,
            "image": "i",
            "imageID": "i@sha",
            "containerID": "containerd://1",
            "started": False,
        }
    ],
    "initContainerStatuses": [{"name": "i", "state": {"running": {"startedAt": "t"}}}],
    "ephemeralContainerStatuses": [{"name": "e", "state": {"waiting": {}}}],
    "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
}
FOREIGN = {
    "qosClass": "Burstable",
    "observedGeneration": 3,
    "resize": "Proposed",
    "nominatedNodeName": "n1",
    "hostIP": "192.168.0.1",
    "hostIPs": [{"ip": "192.168.0.1"}],
}


def as_read(status):
    return msgspec.json.decode(msgspec.json.encode({"status": status}), type=Pod)


def test_what_feedback_may_show_is_carried_whole():
    found = json.loads(bytes(carried(as_read(STATUS))))

    assert found == {
        **STATUS,
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "t"}],
    }


def test_what_is_true_of_one_cluster_only_is_not_carried():
    assert carried(as_read(STATUS | FOREIGN)) == carried(as_read(STATUS))


def test_resource_allocations_of_containers_are_not_carried():
    extra = {"allocatedResources": {"cpu": "1"}, "resources": {}, "volumeMounts": []}
    status = {"containerStatuses": [{"name": "c", **extra}]}

    assert json.loads(bytes(carried(as_read(status)))) == {"containerStatuses": [{"name": "c"}]}


def test_a_status_is_read_back():
    pod = as_read(STATUS)

    assert read(carried(pod)) == shown(pod)
    assert read(msgspec.Raw(b"{}")) == shown(Pod())


def test_a_foreign_status_is_told():
    with pytest.raises(msgspec.DecodeError):
        read(msgspec.Raw(b'{"phase": 1}'))


def test_a_single_address_counts():
    assert [item.ip for item in shown(as_read({"podIP": "10.0.0.9"})).pod_ips] == ["10.0.0.9"]
