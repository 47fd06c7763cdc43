"""Many seeds: all are run once, and an interrupted campaign goes on."""

import logging
import subprocess
import sys
import time
from pathlib import Path

from mcs.simulation.campaign import BLOCK, Block, campaign, hushed, run_block
from mcs.simulation.checkers.borders import Secrecy
from mcs.simulation.checkers.findings import Findings
from tests.simulation.worlds import LeapingClock


def test_a_block_sums_up():
    block = run_block(1, 3)
    assert (block.begin, block.end) == (1, 3)
    assert block.failures == []
    assert block.simulated_s > 60
    assert block.events > 100
    assert block.happened


def test_a_campaign_goes_on_where_it_was(tmp_path):
    journal = tmp_path / "sim" / "journal.jsonl"
    whole = list(campaign(1, 3, jobs=1, journal=journal))
    assert [(block.begin, block.end) for block in whole] == [(1, 4)]
    text = journal.read_bytes()
    journal.write_bytes(text + b'{"begin": 4, "en')  # killed while it wrote

    again = list(campaign(1, 3, jobs=1, journal=journal))
    assert again == whole
    assert journal.read_bytes() == text


def test_its_workers_end_when_it_is_killed():
    command = [sys.executable, "-m", "mcs", "simulate", "--seeds", "500", "--jobs", "2"]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        workers = eventually(lambda: len(found := children(killed.pid)) == 2 and found)
    finally:
        killed.kill()
        killed.wait()
    eventually(lambda: not any(Path(f"/proc/{each}").exists() for each in workers))


def children(pid):
    """The workers of a process: those of its children that run seeds."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for each in found if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]


def eventually(condition):
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_blocks_add_up():
    total = Block(begin=0, end=0, happened={"Kill": 1})
    total.add(Block(begin=0, end=BLOCK, pods=3, happened={"Kill": 2, "Pause": 1}))
    assert (total.pods, total.happened) == (3, {"Kill": 3, "Pause": 1})


def test_what_is_hushed_is_still_looked_at(caplog):
    """A campaign that silenced the loggers would find no secret in a log record (I10)."""
    findings = Findings(LeapingClock())
    secrecy = Secrecy(["hidden"], findings)
    logger = logging.getLogger("mcs.services.executor")
    with hushed():
        logger.warning("this is %s", "hidden")
    secrecy.close()
    assert [found.invariant for found in findings.found] == ["I10"]
    assert caplog.records == []
    logger.warning("heard again")
    assert [record.getMessage() for record in caplog.records] == ["heard again"]
