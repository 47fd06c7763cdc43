import msgspec

from mcs.events.constraints import Constraints, Requirement, Term, Toleration
from mcs.objects.constraints import constraints, gates
from mcs.objects.kinds import PodSpec


def spec(**fields):
    return msgspec.convert(fields, PodSpec)


def test_a_pod_that_asks_nothing_is_not_constrained():
    assert constraints(spec()) == Constraints()
    assert gates(spec()) == ()


def test_the_selector_is_in_order_of_keys():
    found = constraints(spec(nodeSelector={"b": "2", "a": "1"}))

    assert list(found.selector.items()) == [("a", "1"), ("b", "2")]


def affinity(required):
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def test_required_node_affinity_is_read_whole():
    terms = [
        {
            "matchExpressions": [{"key": "gpu", "operator": "In", "values": ["a", "b"]}],
            "matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n1"]}],
        },
        {"matchExpressions": [{"key": "x", "operator": "Exists"}]},
    ]

    found = constraints(spec(affinity=affinity({"nodeSelectorTerms": terms})))

    assert found.affinity == (
        Term(
            labels=(Requirement(key="gpu", operator="In", values=("a", "b")),),
            fields=(Requirement(key="metadata.name", operator="NotIn", values=("n1",)),),
        ),
        Term(labels=(Requirement(key="x", operator="Exists"),)),
    )


def test_affinity_without_terms_matches_nothing_and_no_affinity_matches_all():
    assert constraints(spec(affinity=affinity({}))).affinity == ()
    assert constraints(spec(affinity={"nodeAffinity": {}})).affinity is None
    assert constraints(spec(affinity={})).affinity is None


def test_preferred_affinity_constrains_nothing():
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}

    assert constraints(spec(affinity={"nodeAffinity": preferred})) == Constraints()


def test_a_toleration_without_operator_means_equal():
    found = constraints(
        spec(
            tolerations=[{"key": "a", "value": "b"}, {"operator": "Exists", "effect": "NoSchedule"}]
        )
    )

    assert found.tolerations == (
        Toleration(key="a", operator="Equal", value="b", effect=""),
        Toleration(key="", operator="Exists", value="", effect="NoSchedule"),
    )


def test_gates_are_named():
    assert gates(spec(schedulingGates=[{"name": "kueue"}, {"name": "b"}])) == ("kueue", "b")
