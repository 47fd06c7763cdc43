"""Many seeds: all are run once, and an interrupted campaign goes on."""

from mcs.simulation.campaign import BLOCK, Block, campaign, run_block


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


def test_blocks_add_up():
    total = Block(begin=0, end=0, happened={"Kill": 1})
    total.add(Block(begin=0, end=BLOCK, pods=3, happened={"Kill": 2, "Pause": 1}))
    assert (total.pods, total.happened) == (3, {"Kill": 3, "Pause": 1})
