from hypothesis import given
from hypothesis import strategies as st

from mcs.objects.tolerations import NOT_READY, OURS, UNREACHABLE, is_default, of_proxy

BLANKET = {"operator": "Exists"}
PATIENT = {"key": NOT_READY, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 7}
DEFAULTS = [
    {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for key in (NOT_READY, UNREACHABLE)
]


def kept(*stated):
    made = of_proxy(stated)
    assert made[-2:] == list(OURS)
    return made[:-2]


def test_a_proxy_tolerates_its_virtual_node_and_an_unreachable_one_without_end():
    assert of_proxy([]) == [
        {
            "key": "virtual-kubelet.io/provider",
            "operator": "Equal",
            "value": "mcs",
            "effect": "NoSchedule",
        },
        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"},
    ]


def test_the_users_patience_with_a_lost_cluster_is_kept():
    assert kept(PATIENT) == [PATIENT]
    assert kept(*DEFAULTS) == [DEFAULTS[0]]


def test_an_end_of_patience_with_unreachable_is_dropped():
    assert kept({**PATIENT, "key": UNREACHABLE}) == []
    assert kept({"key": UNREACHABLE, "operator": "Exists"}) == []


def test_tolerations_of_where_to_schedule_are_the_delegates():
    assert kept({"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}) == []
    assert kept({"key": "gpu", "operator": "Exists", "effect": "PreferNoSchedule"}) == []


def test_tolerations_of_all_effects_hold_for_no_execute_too():
    assert kept({"key": "gpu", "operator": "Exists"}) == [{"key": "gpu", "operator": "Exists"}]
    assert kept(BLANKET) == [BLANKET]


def test_a_blanket_with_an_end_is_narrowed_to_lost_clusters():
    blanket = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 7}

    assert kept(blanket) == [PATIENT]


def test_only_the_plugins_own_tolerations_are_default():
    assert [is_default(item) for item in DEFAULTS] == [True, True]
    assert not is_default(PATIENT)
    assert not is_default({**DEFAULTS[0], "operator": "Equal"})
    assert not is_default(BLANKET)


toleration = st.fixed_dictionaries(
    {},
    optional={
        "key": st.sampled_from(["", NOT_READY, UNREACHABLE, "gpu"]),
        "operator": st.sampled_from(["Exists", "Equal"]),
        "effect": st.sampled_from(["", "NoExecute", "NoSchedule"]),
        "tolerationSeconds": st.sampled_from([0, 10, 300]),
    },
)


@given(st.lists(toleration, max_size=5))
def test_nothing_ends_a_pod_on_an_unreachable_node_and_twice_is_once(stated):
    made = of_proxy(stated)

    matching = [item for item in made if item.get("key") in {"", None, UNREACHABLE}]
    assert all("tolerationSeconds" not in item for item in matching)
    assert of_proxy(made) == made
