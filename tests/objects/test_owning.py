import msgspec
import pytest

from mcs.names import Keys
from mcs.objects.kinds import Node, Pod
from mcs.objects.owning import Owner, Role, is_virtual, owner, role

KEYS = Keys()
LABELS = {KEYS.proxy_uid: "u-1", KEYS.attempt: "2", KEYS.source: "c1"}


def pod(labels=None, annotations=None, **spec):
    return msgspec.convert(
        {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}, Pod
    )


def test_a_delegate_names_its_source_and_placement():
    assert owner(pod(LABELS), KEYS) == Owner(source="c1", placement="u-1.2")


@pytest.mark.parametrize(
    "labels",
    [
        None,
        {},
        {**LABELS, KEYS.attempt: "x"},
        {**LABELS, KEYS.attempt: ""},
        {**LABELS, KEYS.source: ""},
        {**LABELS, KEYS.proxy_uid: ""},
        {KEYS.proxy_uid: "u-1"},
    ],
)
def test_a_pod_without_all_three_labels_is_no_delegate(labels):
    assert owner(pod(labels), KEYS) is None
    assert role(pod(labels), KEYS) is Role.OTHER


def test_a_proxy_has_our_manifest_and_our_scheduler():
    manifest = {KEYS.manifest: "{}"}

    assert role(pod(None, manifest, schedulerName="mcs"), KEYS) is Role.PROXY
    assert role(pod(None, manifest, schedulerName="other"), KEYS) is Role.OTHER
    assert role(pod(None, {}, schedulerName="mcs"), KEYS) is Role.OTHER


def test_a_delegate_is_a_delegate_whatever_else_it_carries():
    assert role(pod(LABELS, {KEYS.manifest: ""}, schedulerName="mcs"), KEYS) is Role.DELEGATE


def test_what_is_not_ours_on_a_virtual_node_is_a_stray():
    here = frozenset({"mcs-c2"})

    assert role(pod(nodeName="mcs-c2"), KEYS, virtual_nodes=here) is Role.STRAY
    assert role(pod(nodeName="mcs-real"), KEYS, virtual_nodes=here) is Role.OTHER
    assert role(pod(), KEYS, virtual_nodes=here) is Role.OTHER


def test_virtual_nodes_are_known_by_their_provider():
    label = {"virtual-kubelet.io/provider": "mcs"}

    assert is_virtual(msgspec.convert({"metadata": {"labels": label}}, Node))
    assert not is_virtual(
        msgspec.convert({"metadata": {"labels": {"virtual-kubelet.io/provider": "azure"}}}, Node)
    )
    assert not is_virtual(Node())
