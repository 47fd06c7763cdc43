"""Everything is killed and paused at random, under a stream of pods; then all must be well.

    MCS_CHAOS_SECONDS=120 MCS_CHAOS_SEED=7 pytest tests/chaos/test_chaos.py

What happens is drawn from the seed beforehand and printed if the run fails (``plan``); what is
checked is told in ``verdict``.
"""

import os
import sys

import pytest

from tests.chaos.conftest import ALWAYS
from tests.chaos.plan import draw
from tests.chaos.running import Run, evidence
from tests.chaos.supervision import parts_of
from tools.federation import Federation

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.live,
    # Of connections that die at a bad moment, Python's ssl and nats-py leave sockets to the garbage
    # collector; the processes under test are others than this one.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SECONDS = float(os.environ.get("MCS_CHAOS_SECONDS", "0"))
SEED = os.environ.get("MCS_CHAOS_SEED", "1")
SHORT_S = {1: 15.0, 3: 20.0}


@pytest.mark.parametrize("servers", [1, 3], ids=["one nats-server", "three nats-servers"])
async def test_whatever_dies_or_freezes_nothing_is_lost_or_doubled(servers, capsys):
    federation = Federation(
        "c1",
        "c2",
        servers=servers,
        nats=ALWAYS,
        policy={"lost-after": 10},
        environment={"MCS_HEARTBEAT": "1"},
    )
    async with federation:
        for plane in federation.planes.values():
            await plane.add_nodes(2, cpu="2")  # scarce: some pods wait
        await federation.add_scheduler()
        await federation.add_agent("c2")
        if SECONDS:
            await federation.add_scheduler()
            await federation.add_agent("c1")
        plan = draw(SEED, parts_of(federation), SECONDS or SHORT_S[servers])
        async with evidence(federation, plan):
            report = await Run(federation, plan, "chaos").carry_out()
    lines = [f"chaos, {servers} nats-server(s), seed {SEED!r}, {plan.duration_s:g} s:"]
    lines += [f"  {what}: {value}" for what, value in report.items()]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
