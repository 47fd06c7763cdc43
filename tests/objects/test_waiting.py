import msgspec
import pytest

from mcs.adapters.memory_patches import patched
from mcs.events.decisions import (
    BeyondBudget,
    Fits,
    Incomplete,
    Lacks,
    Never,
    Partly,
    PodDeferred,
)
from mcs.objects.kinds import Pod
from mcs.objects.waiting import deferral_words, rejected, trying, waiting, waiting_words
from mcs.ports import Patch

AT = "2026-01-01T00:01:00Z"
REASONS = {"c2": Never(constraint="node selector"), "c1": Lacks(resource="cpu"), "c3": Fits()}


def as_pod(document):
    return msgspec.json.decode(msgspec.json.encode(document), type=Pod)


def proxy(*, status=None, **spec):
    return {"metadata": {"uid": "u-1"}, "spec": spec, "status": status or {}}


def scheduled(document, patch):
    assert patch["metadata"] == {"uid": "u-1"}
    [condition] = patched(document, patch, Patch.STRATEGIC)["status"]["conditions"]
    return condition


def test_reasons_are_told_by_cluster_in_peoples_words():
    assert waiting_words(REASONS) == (
        "no cluster takes the pod: c1: not enough cpu on any one node; "
        "c2: ruled out by node selector; c3: it fits, in a later cycle"
    )
    assert waiting_words({}) == "no cluster has joined the federation"


@pytest.mark.parametrize(
    ("group", "reasons", "words"),
    [
        (None, REASONS, waiting_words(REASONS)),
        (None, {"c1": Partly()}, waiting_words({"c1": Partly()})),
        (Incomplete(size=8), {}, "its group waits for members: 8 are placed together, or none"),
        (BeyondBudget(), {}, "its group is too large to be placed at once"),
    ],
)
def test_a_pod_of_a_group_waits_with_its_group(group, reasons, words):
    event = PodDeferred(
        uid="u", source="c1", namespace="default", name="a", reasons=reasons, group=group
    )

    assert deferral_words(event) == words


def test_room_for_one_is_not_room_for_its_group():
    words = "no cluster takes the pod: c1: not enough room for the whole group"
    assert waiting_words({"c1": Partly()}) == words


def test_a_waiting_proxy_says_why_and_never_unschedulable():
    document = proxy()

    condition = scheduled(document, waiting(as_pod(document), REASONS, at=AT))

    assert condition == {
        "type": "PodScheduled",
        "status": "False",
        "reason": "WaitingForCluster",
        "message": waiting_words(REASONS),
        "lastTransitionTime": AT,
    }


def test_a_proxy_that_says_so_already_is_left_alone():
    document = proxy()
    after = patched(document, waiting(as_pod(document), REASONS, at=AT), Patch.STRATEGIC)

    assert waiting(as_pod(after), REASONS, at="later") is None
    changed = waiting(as_pod(after), {}, at="later")
    assert scheduled(after, changed)["lastTransitionTime"] == AT


def test_a_tried_proxy_says_where():
    document = proxy()

    patch = trying(as_pod(document), "c2", "c1-default-a", unschedulable="0/3 nodes", at=AT)

    condition = scheduled(document, patch)
    assert condition["reason"] == "WaitingForDelegate"
    assert condition["message"] == (
        "being tried in cluster c2 as pod c1-default-a, which finds no node: 0/3 nodes"
    )


def test_a_rejection_is_told_in_the_api_servers_words():
    document = proxy()

    condition = scheduled(document, rejected(as_pod(document), "c2", "exceeded quota", at=AT))

    assert condition["reason"] == "DelegateRejected"
    assert condition["message"] == "cluster c2 rejected the delegate: exceeded quota"


def test_a_message_is_bounded():
    condition = scheduled(proxy(), rejected(as_pod(proxy()), "c2", "x" * 9999, at=AT))

    assert len(condition["message"]) == 1000


@pytest.mark.parametrize(
    "placed",
    [
        proxy(nodeName="mcs-c2"),
        proxy(schedulingGates=[{"name": "g"}]),
        proxy(status={"phase": "Failed"}),
    ],
)
def test_a_proxy_that_does_not_wait_says_nothing(placed):
    assert waiting(as_pod(placed), REASONS, at=AT) is None
