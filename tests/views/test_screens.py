"""Scenes fit any terminal: what does not fit is summed up, never cut off unsaid."""

import io

import pytest
from rich.console import Console

from mcs.views.scenes import Gauge, Pair, Place, Scene
from mcs.views.screens import draw
from mcs.views.words import say


def scene(clusters=2, nodes=3, pairs=5, **more):
    def gauge(number):
        return Gauge(node=f"n{number}", whole=1000, others=250, ours=250, booked=250, count=2)

    places = [
        Place(cluster=f"c{number}", gauges=tuple(gauge(each) for each in range(1, nodes + 1)))
        for number in range(1, clusters + 1)
    ]
    each = Pair(proxy="p", shows="Running", target="c1", node="n1", delegate="Running")
    return Scene(
        title=say("the title"),
        heading=say("the heading"),
        places=tuple(places),
        pairs=tuple([each] * pairs),
        tail=tuple(say(f"event {number}") for number in range(100)),
        tail_title="events: 100",
        **more,
    )


def drawn(what, width=100, height=34):
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(draw(what, width, height))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_bar_tells_others_use_from_ours_from_bookings_from_what_is_free():
    bar = next(line for line in drawn(scene()) if " n1 " in line).split()[2]

    assert bar == "█" * 12 + "▒" * 5 + "░" * 6


def test_proxies_stand_beside_their_delegates_under_the_clusters():
    text = "\n".join(drawn(scene()))

    assert text.index("the title") < text.index("the heading") < text.index(" c1 ")
    assert "p       Running     →   c1            n1     Running" in text
    assert "250m free 2 pods" in text
    assert "event 99" in text


@pytest.mark.parametrize("height", [20, 24, 34, 60])
@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize(("clusters", "nodes", "pairs"), [(2, 3, 10), (1, 40, 500), (3, 9, 40)])
def test_it_fits_the_terminal(clusters, nodes, pairs, width, height):
    lines = drawn(scene(clusters, nodes, pairs), width, height)

    spare = 0 if clusters == 1 or width >= 120 else 8  # storeys of two lines each at least
    assert len(lines) <= height + spare
    assert max(len(line) for line in lines) <= width
    assert "event 99" in "\n".join(lines)


def test_more_nodes_than_fit_are_summed_up():
    text = "\n".join(drawn(scene(clusters=1, nodes=40), height=24))

    assert "free" in text
    rest = next(line for line in text.splitlines() if "+" in line)
    count = int(rest.split("+")[1].split()[0])
    assert f"{count * 250}m free" in rest
    assert f"{count * 2} pods" in rest


def test_more_pods_than_fit_are_counted():
    lines = drawn(scene(pairs=50), height=24)

    shown = sum("→" in line for line in lines)
    assert any(f"and {50 - shown} more: {50 - shown} Running" in line for line in lines)


def test_what_is_wrong_with_a_cluster_stands_on_its_border():
    places = (Place(cluster="c1", gauges=(), note="lost"),)

    assert any(" c1 lost " in line for line in drawn(scene_with(places)))


def scene_with(places):
    return Scene(
        title=(), heading=(), places=places, pairs=(), tail=(), tail_title="events: 0", rows=3
    )


def test_a_scene_without_clusters_can_be_drawn():
    assert any("events: 0" in line for line in drawn(scene_with(())))
