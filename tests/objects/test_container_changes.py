import msgspec

from mcs.objects.container_changes import container_changes
from mcs.objects.kinds import Pod
from mcs.objects.status import ContainerStatus, DelegateStatus, State

POD = msgspec.convert(
    {"spec": {"containers": [{"name": "a"}, {"name": "b"}], "restartPolicy": "Never"}}, Pod
)


def seen(*names, **state):
    statuses = tuple(ContainerStatus(name=name, state=State(**state)) for name in names)
    return DelegateStatus(container_statuses=statuses)


def test_equal_statuses_are_no_change():
    assert container_changes(POD, seen("a", running={}), seen("a", running={})) == {}


def test_a_delegate_without_statuses_takes_none_away():
    assert container_changes(POD, seen("a", running={}), DelegateStatus()) == {}


def test_a_changed_list_is_given_whole_with_the_fields_that_are_always_shown():
    changes = container_changes(POD, seen("a", running={}), seen("a", "b", "istio", running={}))

    assert [item["name"] for item in changes["containerStatuses"]] == ["a", "b"]
    assert changes["containerStatuses"][0] == {
        "name": "a",
        "ready": False,
        "restartCount": 0,
        "image": "",
        "imageID": "",
        "state": {"running": {}},
        "lastState": {},
    }


def test_one_container_that_ended_for_good_does_not_hold_back_another():
    now = seen("a", terminated={"exitCode": 0})

    changes = container_changes(POD, now, seen("a", "b", waiting={}))

    states = {item["name"]: item["state"] for item in changes["containerStatuses"]}
    assert states == {"a": {"terminated": {"exitCode": 0}}, "b": {"waiting": {}}}
