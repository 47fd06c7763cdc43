"""A member's ledger holds what concerns it, and nothing else."""

import contextlib

import pytest

from mcs.errors import LogLost
from mcs.events.observations import Phase
from mcs.events.subjects import delegate_channel
from mcs.ports import Stream
from mcs.services.followed_ledger import FollowedLedger
from tests.decisions.placements import ID, observed, placed, withdrawn
from tests.services.members import Log, running, until


@contextlib.asynccontextmanager
async def read(followed):
    async with running(followed):
        await followed.caught_up()
        assert followed.whole
        yield followed.ledger


def told(log):
    log.decide(placed(), target="c2", source="c1")
    log.decide(placed(2, "c3"), target="c3", source="c1")
    log.observe("c2", delegate_channel("c1"), observed(phase=Phase.RUNNING, node="n1"))
    log.observe("c3", delegate_channel("c9"), observed(7))


async def test_a_target_follows_its_own_placements():
    log = Log()
    told(log)
    async with read(FollowedLedger.of_target(log.broker.connect(), "c2")) as ledger:
        assert list(ledger.placements) == [ID]
        assert ledger.placements[ID].phase is Phase.RUNNING


async def test_a_target_keeps_a_manifest_until_its_delegate_was_seen():
    log = Log()
    log.decide(placed(), target="c2", source="c1")
    async with read(FollowedLedger.of_target(log.broker.connect(), "c2")) as ledger:
        assert ledger.placements[ID].manifest
        log.observe("c2", delegate_channel("c1"), observed(node="n1"))
        await until(lambda: not ledger.placements[ID].manifest)


async def test_a_source_follows_all_placements_of_its_proxies_without_manifests():
    log = Log()
    told(log)
    async with read(FollowedLedger.of_source(log.broker.connect(), "c1")) as ledger:
        assert [placement.target for placement in ledger.placements.values()] == ["c2", "c3"]
        assert not any(placement.manifest for placement in ledger.placements.values())


async def test_listeners_hear_of_each_event_after_it_was_folded():
    log, heard = Log(), []
    followed = FollowedLedger.of_target(log.broker.connect(), "c2")
    followed.subscribe(lambda _stored, event, placement: heard.append((event, placement.decided)))
    async with read(followed):
        sequence = log.decide(placed(), target="c2", source="c1")
        log.decide(withdrawn(), target="c2", source="c1")
        await until(lambda: len(heard) == 2)

    assert heard == [(placed(), sequence), (withdrawn(), sequence)]
    assert followed.last.sequence == sequence + 1


async def test_another_log_is_not_followed():
    log = Log()
    followed = FollowedLedger.of_target(
        log.broker.connect(), "c2", identities={Stream.DECISIONS: "another"}
    )
    with pytest.RaisesGroup(LogLost):
        await followed.run()
