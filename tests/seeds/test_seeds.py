"""The simulator on many seeds, each checked against every rule.

``make sim SEEDS=…`` runs more; a seed that fails there goes into ``found.txt`` with its story.
"""

import os
from pathlib import Path

import pytest

from mcs.simulation.campaign import campaign, run_block

FOUND = [
    int(line.split()[0])
    for line in (Path(__file__).parent / "found.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
SEEDS = 1000


def told(failures):
    return [f"mcs simulate --seed {failure.seed}: {failure.text}" for failure in failures]


def test_a_few_seeds():
    assert told(run_block(1, 6).failures) == []


@pytest.mark.simulator
@pytest.mark.parametrize("seed", FOUND)
def test_a_seed_that_found_something(seed):
    assert told(run_block(seed, seed + 1).failures) == []


@pytest.mark.simulator
def test_a_thousand_seeds():
    blocks = list(campaign(0, SEEDS, jobs=os.cpu_count() or 1))
    assert told([failure for block in blocks for failure in block.failures]) == []
    assert sum(block.end - block.begin for block in blocks) == SEEDS
    assert sum(block.pods for block in blocks) > 5 * SEEDS
    assert sum(sum(block.happened.values()) for block in blocks) > 5 * SEEDS
