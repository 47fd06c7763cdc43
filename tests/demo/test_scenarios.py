"""Floors follow from what fits at once, level after level."""

import math

import pytest

from mcs.demo.scenarios import Capacity, Scenario, capacity, floor_s, scenarios
from mcs.names import Keys
from mcs.simulation.workloads import Step
from tests.building import World, node, pod


def room(**slots):
    return {name: Capacity(free_milli=0, slots=count) for name, count in slots.items()}


@pytest.mark.parametrize(
    ("steps", "slots", "floor"), [(10, 3, 40.0), (10, 7, 20.0), (10, 10, 10.0), (1, 5, 10.0)]
)
def test_a_level_takes_as_many_waves_as_it_needs(steps, slots, floor):
    many = tuple(Step(name=f"s{number}", run_for_s=10.0) for number in range(steps))
    scenario = Scenario(run="r", title="t", clusters=("c",), steps=many)

    assert floor_s(scenario, room(c=slots)) == floor


def test_levels_come_one_after_the_other():
    dag = scenarios(Keys())[2]

    assert floor_s(dag, room(cluster1=3, cluster2=4)) == 10.0


def test_without_room_it_never_ends():
    assert floor_s(scenarios(Keys())[0], room(cluster1=0)) == math.inf


def test_capacity_is_what_fits_on_each_node():
    world = World()
    world.join("c1", node("n1", cpu=940), node("n2", cpu=940), pod("p", "n1", 550))

    assert capacity(world.state.inventory, "c1") == Capacity(free_milli=1330, slots=1 + 4)
