"""The filters of kube-scheduler that placement honours, as a table of cases."""

import pytest

from mcs.decisions.fitting import barred, replicas
from mcs.events.constraints import Constraints, Requirement, Taint, Term, Toleration
from mcs.projections.inventory import NodeState

GPU = "nvidia.com/gpu"


def node(**fields):
    defaults = {
        "cluster": "c1",
        "name": "n1",
        "allocatable": {"cpu": 1000, "memory": 1000, "pods": 5},
        "labels": {"disk": "ssd", "generation": "7"},
        "taints": (),
        "ready": True,
        "cordoned": False,
        "pool": "default",
    }
    return NodeState(**{**defaults, **fields})


TAINT = Taint(key="team", value="a", effect="NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        (Toleration(key="team", value="a", effect="NoSchedule"), True),
        (Toleration(key="team", value="a"), True),
        (Toleration(key="team", operator="Exists"), True),
        (Toleration(operator="Exists"), True),
        (Toleration(key="team", value="b"), False),
        (Toleration(key="other", operator="Exists"), False),
        (Toleration(key="team", value="a", effect="NoExecute"), False),
        (Toleration(value="a"), False),
    ],
)
def test_a_taint_bars_unless_tolerated(toleration, tolerated):
    reason = barred(Constraints(tolerations=(toleration,)), node(taints=(TAINT,)))

    assert reason == ("" if tolerated else "taint team")


def test_a_prefer_no_schedule_taint_bars_nobody():
    taint = Taint(key="team", effect="PreferNoSchedule")

    assert barred(Constraints(), node(taints=(taint,))) == ""


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ready": False}, "node not ready"),
        ({"cordoned": True}, "node cordoned"),
        ({"labels": {}}, "node selector disk"),
        ({}, ""),
    ],
)
def test_readiness_cordon_and_selector_bar(fields, reason):
    assert barred(Constraints(selector={"disk": "ssd"}), node(**fields)) == reason


@pytest.mark.parametrize(
    ("operator", "values", "key", "holds"),
    [
        ("In", ("ssd", "nvme"), "disk", True),
        ("In", ("hdd",), "disk", False),
        ("In", ("x",), "absent", False),
        ("NotIn", ("hdd",), "disk", True),
        ("NotIn", ("ssd",), "disk", False),
        ("NotIn", ("x",), "absent", True),
        ("Exists", (), "disk", True),
        ("Exists", (), "absent", False),
        ("DoesNotExist", (), "absent", True),
        ("DoesNotExist", (), "disk", False),
        ("Gt", ("6",), "generation", True),
        ("Gt", ("7",), "generation", False),
        ("Lt", ("8",), "generation", True),
        ("Lt", ("x",), "generation", False),
        ("Newer", ("x",), "disk", False),
    ],
)
def test_affinity_requirements(operator, values, key, holds):
    requirement = Requirement(key=key, operator=operator, values=values)
    constraints = Constraints(affinity=(Term(labels=(requirement,)),))

    assert barred(constraints, node()) == ("" if holds else "node affinity")


def test_one_term_is_enough_and_an_empty_one_matches_nothing():
    name = Term(fields=(Requirement(key="metadata.name", operator="In", values=("n1",)),))

    assert barred(Constraints(affinity=(Term(), name)), node()) == ""
    assert barred(Constraints(affinity=(Term(),)), node()) == "node affinity"
    assert barred(Constraints(affinity=()), node()) == "node affinity"


@pytest.mark.parametrize(
    ("requests", "used", "expected"),
    [
        ({"cpu": 200}, {}, (5, "pods")),
        ({"cpu": 200}, {"cpu": 500, "pods": 1}, (2, "cpu")),
        ({"cpu": 100}, {}, (5, "pods")),
        ({}, {"pods": 2}, (3, "pods")),
        ({"cpu": 200, "memory": 400}, {}, (2, "memory")),
        ({GPU: 1}, {}, (0, GPU)),
        ({GPU: 0}, {}, (5, "pods")),
        ({"cpu": 1}, {"cpu": 1200}, (0, "cpu")),
    ],
)
def test_replicas_are_limited_by_the_scarcest_resource(requests, used, expected):
    assert replicas(requests, node(), used) == expected
