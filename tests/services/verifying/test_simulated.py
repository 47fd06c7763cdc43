"""Logs that the product itself wrote under accidents are clean: what is legal is judged as legal.

The simulator's logs hold retries, frames that came late, gaps, deposed schedulers and restarts.
"""

import asyncio

import pytest

from mcs.names import Keys
from mcs.ports import Stream
from mcs.services.findings import Flaw
from mcs.services.verifying import verify
from mcs.simulation.drawing import draw
from mcs.simulation.plan import BadFrame
from mcs.simulation.running import run
from tests.stored import StoredLog

SEEDS = [seed for seed in range(1, 9) if not draw(seed).damaging]  # the others lose a log's end


def log_of(outcome):
    streams = {stream: [] for stream in Stream}
    for stored in sorted(outcome.log, key=lambda stored: stored.sequence):
        decided = stored.subject.startswith("mcs.dec.")
        streams[Stream.DECISIONS if decided else Stream.OBSERVATIONS].append(stored)
    return StoredLog(streams[Stream.OBSERVATIONS], streams[Stream.DECISIONS])


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_written_under_accidents_is_clean(seed):
    plan = draw(seed)
    outcome = run(plan, whole=True)

    found = asyncio.run(verify(log_of(outcome), Keys(), now_s=0))

    forged = any(isinstance(each, BadFrame) for each in plan.accidents)
    flaws = {each.flaw for each in found.differences}
    assert flaws <= ({Flaw.FOREIGN} if forged else set()), found.differences
    assert found.counts.derived + found.counts.claims == found.counts.cycles > 1
