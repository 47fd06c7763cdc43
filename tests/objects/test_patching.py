import msgspec

from mcs.objects.kinds import Condition, Pod
from mcs.objects.patching import condition_changes, patch_of

POD = msgspec.convert(
    {
        "metadata": {"uid": "u-1"},
        "status": {"conditions": [{"type": "A", "status": "True", "lastTransitionTime": "t0"}]},
    },
    Pod,
)


def test_a_patch_that_would_say_nothing_is_none():
    assert patch_of(POD) is None
    assert patch_of(POD, annotations={}, changes={}) is None


def test_a_patch_holds_only_for_this_pod():
    assert patch_of(POD, annotations={"a": "b"}, changes={"phase": "Failed"}, let_go="f") == {
        "metadata": {
            "uid": "u-1",
            "annotations": {"a": "b"},
            "$deleteFromPrimitiveList/finalizers": ["f"],
        },
        "status": {"phase": "Failed"},
    }


def test_only_conditions_that_differ_are_patched():
    same = Condition(type="A", status="True", last_transition_time="t9")
    new = Condition(type="B", status="False", reason="R")

    assert condition_changes(POD, [same], at="t1") == []
    assert condition_changes(POD, [same, new], at="t1") == [
        {
            "type": "B",
            "status": "False",
            "reason": "R",
            "message": None,
            "lastTransitionTime": "t1",
        }
    ]
    turned = condition_changes(POD, [Condition(type="A", status="False")], at="t1")
    assert turned[0]["lastTransitionTime"] == "t1"
