"""``mcs why`` on a terminal: the story, the verdicts and what they rest on, the standing."""

import io

from rich.console import Console

from mcs.views.stories import story_view
from tests.building import World, delegate, node, pod, proxy
from tests.views.test_explaining import behind, told

WIDTH = 130


def shown(world, uid):
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None)
    story = told(world, uid)
    console.print(story_view(story, behind(world, story)))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_a_story_is_told_to_its_end():
    world = World()
    world.join("c1", node("n1", cpu=100))
    world.proxies("c1", proxy("u1"))
    world.cycle()

    text = shown(world, "u1")

    assert text.startswith("default/pod-u1 of c1  (uid u1)")
    assert "When it was last told to wait, by decision 2" in text
    assert "Now it waits for a place." in text
    assert text.count("not enough cpu: asks 200m cpu, the only eligible node (n1) has 100m") == 2


def busy():
    """u1 and u2 were placed by one cycle, into a tie; only u1 was seen bound when u3 came."""
    world = World()
    world.join("c1", node("n1", cpu=940), pod("dns", "n1", 260))
    world.join("c2", node("n9", cpu=600))
    world.proxies("c1", proxy("u1"), proxy("u2"))
    world.cycle()
    world.delegates("c1", "c1", delegate("u1.1", node="n1"))
    world.proxies("c1", proxy("u3", cpu=300))
    world.cycle()
    return world


def test_a_verdict_names_its_events_and_the_bookings_that_counted():
    text = shown(busy(), "u3")

    assert "c1            1   fits: there is room for 1 of its kind   ← tie with c2, broken" in text
    assert "as many as c1: the name decides" in text
    rest = text.partition("They rest on:\n")[2].partition("\n\n")[0]
    assert rest.splitlines() == [
        "c1  obs 3   node n1 has 940m cpu, 16Gi memory, ready",
        "c1  obs 3   pod default/dns uses 260m cpu on n1",
        "c1  obs 14  delegate of default/pod-u1 is Pending on n1",
        "c2  obs 8   node n9 has 600m cpu, 16Gi memory, ready",
        "c2  dec 3   booked for default/pod-u2 on n9: 200m cpu, not seen bound yet",
    ]


def test_bookings_of_the_same_cycle_count_too_and_name_their_decision():
    assert "c1  dec 2  booked for default/pod-u1 on n1: 200m cpu, by the same cycle" in shown(
        busy(), "u2"
    )


def test_who_is_further_ahead_in_the_queue_takes_its_place_first():
    world = World()
    world.join("c1", node("n1", cpu=300))
    world.proxies("c1", proxy("u1"), proxy("u2"))

    assert "c1  queue  default/pod-u1 goes first, on n1: 200m cpu" in shown(world, "u2")
