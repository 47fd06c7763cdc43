"""What the log says of the delegates of one cluster, on the memory log."""

import asyncio
import contextlib

from mcs.events.decisions import PlacementWithdrawn, PodDeferred, PodPlaced, ProxyReleased
from mcs.events.observations import DelegateGone, DelegateObserved, ResyncStarted
from mcs.projections.ledger import Stage
from mcs.services.target_ledger import TargetLedger
from tests.services.members import Log, until

CONCERNS = {"uid": "u", "source": "c1", "target": "c2", "namespace": "default", "name": "a"}
PLACED = PodPlaced(placement="u.1", delegate="d", manifest="{large}", node="n1", **CONCERNS)
WITHDRAWN = PlacementWithdrawn(placement="u.1", delegate="d", reason="deleted", **CONCERNS)
RELEASED = ProxyReleased(placement="u.1", **CONCERNS)
SEEN = DelegateObserved(placement="u.1", namespace="default", name="d", uid="d", node="n1")
GONE = DelegateGone(placement="u.1", namespace="default", name="d")


@contextlib.asynccontextmanager
async def told(log):
    ledger = TargetLedger(log.broker.connect(), "c2")
    task = asyncio.create_task(ledger.run())
    try:
        await ledger.caught_up()
        yield ledger
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_decisions_and_sightings_make_one_record_without_its_manifest():
    log = Log()
    log.decide(PLACED, target="c2", source="c1")
    log.observe("c2", "delegate.c1", ResyncStarted(), SEEN)
    async with told(log) as ledger:
        placement = ledger.ledger.placements["u.1"]

        assert (placement.stage, placement.source) == (Stage.BOUND, "c1")
        assert placement.manifest == ""
        assert (ledger.sources, ledger.spoken_to) == ({"c1"}, {})


async def test_of_a_sighting_without_its_decision_the_channel_tells_the_source():
    log = Log()
    log.observe("c2", "delegate.c1", SEEN)
    async with told(log) as ledger:
        assert ledger.spoken_to == {"u.1": "c1"}

        log.decide(PLACED, target="c2", source="c1")
        await until(lambda: ledger.spoken_to == {})


async def test_others_delegates_and_decisions_are_not_read():
    log = Log()
    log.decide(PodDeferred(uid="u", source="c1", namespace="default", name="a"), source="c1")
    log.observe("c3", "delegate.c1", SEEN)
    log.decide(PLACED, target="c3", source="c1")
    async with told(log) as ledger:
        assert ledger.ledger.placements == {}
        assert ledger.sources == set()


async def test_what_is_over_and_released_is_forgotten_but_its_source_is_not():
    log = Log()
    log.decide(PLACED, WITHDRAWN, target="c2", source="c1")
    log.observe("c2", "delegate.c1", SEEN, GONE)
    async with told(log) as ledger:
        assert ledger.ledger.placements["u.1"].stage is Stage.GONE

        log.decide(RELEASED, target="c2", source="c1")
        await until(lambda: not ledger.ledger.placements)
        assert ledger.sources == {"c1"}


async def test_what_was_released_is_remembered_until_it_is_over():
    log = Log()
    log.decide(PLACED, RELEASED, target="c2", source="c1")
    log.observe("c2", "delegate.c1", SEEN)
    async with told(log) as ledger:
        assert "u.1" in ledger.ledger.placements

        log.observe("c2", "delegate.c1", GONE)
        await until(lambda: not ledger.ledger.placements)
