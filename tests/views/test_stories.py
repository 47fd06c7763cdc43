"""``mcs why`` on a terminal: the story, the verdicts, the standing."""

import io

from rich.console import Console

from mcs.views.stories import story_view
from tests.building import World, node, proxy
from tests.views.test_explaining import told


def test_a_story_is_told_to_its_end():
    world = World()
    world.join("c1", node("n1", cpu=100))
    world.proxies("c1", proxy("u1"))
    world.cycle()
    console = Console(file=io.StringIO(), width=100, color_system=None)

    console.print(story_view(told(world, "u1")))

    text = console.file.getvalue()
    assert text.startswith("default/pod-u1 of c1  (uid u1)")
    assert "When it was last told to wait, by decision 2" in text
    assert "Now it waits for a place." in text
    assert text.count("not enough cpu: asks 200m cpu, the only eligible node (n1) has 100m") == 2
