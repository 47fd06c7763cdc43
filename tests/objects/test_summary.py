import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcs.errors import BadSettings
from mcs.events.observations import NodeObserved
from mcs.objects.summary import common_labels
from tests.summarising import summarised


def node(name, cpu=1000, pods=10, **fields):
    return NodeObserved(name=name, allocatable={"cpu": cpu, "pods": pods}, **fields)


def test_totals_count_all_nodes_and_free_only_those_that_take_pods():
    nodes = [node("a"), node("b", ready=False), node("c", cordoned=True)]

    found = summarised(nodes, {"a": {"cpu": 300, "memory": 5}}, pods={"a": 2, "b": 1})

    assert found.totals == {"cpu": 3000, "pods": 30}
    assert found.free == {"cpu": 700, "pods": 8}
    assert (found.nodes, found.pods) == (3, 3)


def test_an_overfull_node_takes_nothing_from_others():
    found = summarised([node("a"), node("b")], {"a": {"cpu": 5000}})

    assert found.free == {"cpu": 1000, "pods": 20}


def test_no_nodes_are_nothing():
    found = summarised([], {})

    assert (found.totals, found.free, found.labels, found.nodes) == ({}, {}, {}, 0)


def test_labels_common_to_all_nodes_are_the_clusters():
    labels = [
        {"topology.kubernetes.io/region": "eu", "kubernetes.io/os": "linux", "a": "1", "b": "1"},
        {"topology.kubernetes.io/region": "eu", "kubernetes.io/os": "linux", "a": "2"},
    ]

    assert common_labels(labels) == {
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": "eu",
    }


@pytest.mark.parametrize(
    "key",
    [
        "kubernetes.io/hostname",
        "node-role.kubernetes.io/control-plane",
        "node.kubernetes.io/exclude-from-external-load-balancers",
        "virtual-kubelet.io/provider",
        "multicluster.admiralty.io/target",
        "type",
        "kubernetes.io/role",
    ],
)
def test_what_says_what_one_node_is_stays_with_it(key):
    assert common_labels([{key: "x", "kept": "y"}]) == {"kept": "y"}


def test_a_pattern_keeps_labels_back():
    labels = [{"secret.io/x": "1", "a": "b", "aa": "b"}]

    assert common_labels(labels, excluded=r"secret\.io/|a=b$") == {"aa": "b"}
    with pytest.raises(BadSettings):
        common_labels(labels, excluded="(")


NODES = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.booleans(),
        st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12")),
    ),
    max_size=5,
)


@given(NODES, st.randoms(use_true_random=False))
def test_the_order_of_nodes_changes_nothing(drawn, random):
    nodes = [
        node(f"n{i}", cpu=cpu, ready=ready, labels=labels)
        for i, (cpu, ready, labels) in enumerate(drawn)
    ]
    shuffled = list(nodes)
    random.shuffle(shuffled)

    found = summarised(nodes, {})

    assert found == summarised(shuffled, {})
    assert all(found.free.get(name, 0) <= amount for name, amount in found.totals.items())
    for key, value in found.labels.items():
        assert all(each.labels.get(key) == value for each in nodes)
