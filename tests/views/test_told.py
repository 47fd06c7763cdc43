"""``mcs why --json``: the same story as data."""

import json

import msgspec

from mcs.views.told import why_data
from tests.building import World, node, proxy
from tests.views.test_explaining import behind, told
from tests.views.test_stories import busy


def data(world, uid):
    story = told(world, uid)
    return json.loads(msgspec.json.encode(why_data(story, behind(world, story))))


def test_a_placed_pod_has_the_verdicts_of_its_decision():
    found = data(busy(), "u3")

    assert (found["cluster"], found["namespace"], found["name"]) == ("c1", "default", "pod-u3")
    assert (found["decision"], found["observation"]) == (4, 15)
    decided = found["decided"]
    assert (decided["stream"], decided["sequence"], decided["based_on"]) == ("DECISIONS", 4, 15)
    c1, c2 = decided["verdicts"]
    assert (c1["verdict"], c1["score"], c1["chosen"], c1["tie"]) == (
        {"verdict": "fits"},
        1,
        True,
        ["c2"],
    )
    assert [each["sequence"] for each in c1["behind"]] == [3, 3, 14]
    assert [(each["name"], each["decision"]) for each in c2["bookings"]] == [("pod-u2", 3)]
    assert found["verdicts"] == []


def test_a_waiting_pod_has_those_of_the_moment():
    world = World()
    world.join("c1", node("n1", cpu=100))
    world.proxies("c1", proxy("u1"))

    found = data(world, "u1")

    assert found["decided"] is None
    assert found["standing"] == "it waits for a place"
    (row,) = found["verdicts"]
    assert row["verdict"] == {"verdict": "lacks", "resource": "cpu"}
    assert row["text"].endswith("asks 200m cpu, the only eligible node (n1) has 100m")
    assert [each["text"] for each in row["behind"]] == ["node n1 has 100m cpu, 16Gi memory, ready"]
