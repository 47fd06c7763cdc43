"""Leader election on the memory cluster, with clocks moved by hand."""

import asyncio
import contextlib

import pytest

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.errors import Deposed, Unreachable
from mcs.objects.kinds import LEASES
from mcs.ports import Stream
from mcs.services.leadership import KnownLog, Leadership
from mcs.settings import LeaseSettings
from tests.services.clocks import HandClock, turns
from tests.services.members import KEYS

SETTINGS = LeaseSettings(namespace="default")


class World:
    def __init__(self):
        self.clock = HandClock()
        self.cluster = MemoryCluster("c1", self.clock)
        self.tasks = []

    def candidate(self, name, clock=None):
        return Leadership(self.cluster, clock or self.clock, KEYS, SETTINGS, name)

    def start(self, work):
        self.tasks.append(asyncio.create_task(work))
        return self.tasks[-1]

    async def lease(self):
        return await self.cluster.get(LEASES, SETTINGS.name, namespace="default")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        with contextlib.suppress(Deposed):
            await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_the_first_candidate_leads_at_once():
    async with World() as world:
        first = world.candidate("first")
        assert not first.held()
        await first.acquire()

        assert first.held()
        spec = (await world.lease()).spec
        assert (spec.holder_identity, spec.lease_duration_seconds) == ("first", 15)
        assert spec.renew_time == "2025-06-15T15:06:40.000000Z"


async def test_of_two_candidates_one_leads():
    async with World() as world:
        first, second = world.candidate("first"), world.candidate("second")
        for candidate in first, second:
            world.start(candidate.acquire())
        await turns()

        assert [first.held(), second.held()].count(True) == 1


async def test_a_leader_that_renews_keeps_everybody_else_out():
    async with World() as world:
        first, second = world.candidate("first"), world.candidate("second")
        await first.acquire()
        world.start(first.hold())
        waiting = world.start(second.acquire())
        await world.clock.advance(120)

        assert first.held()
        assert not waiting.done()
        assert (await world.lease()).spec.lease_transitions == 0


async def test_a_dead_leader_is_followed_after_the_whole_duration():
    async with World() as world:
        first, second = world.candidate("first"), world.candidate("second")
        await first.acquire()
        waiting = world.start(second.acquire())
        await world.clock.advance(14)
        assert not first.held()
        assert not waiting.done()

        await world.clock.advance(4)
        assert second.held()
        assert (await world.lease()).spec.lease_transitions == 1


async def test_a_leader_stops_itself_before_anybody_may_follow():
    async with World() as world:
        first = world.candidate("first")
        await first.acquire()
        holding = world.start(first.hold())
        await world.clock.advance(4)
        world.cluster.stop()
        await world.clock.advance(9)
        assert first.held()

        await world.clock.advance(1)
        assert not first.held()
        await world.clock.advance(2)
        with pytest.raises(Deposed, match="not renewed"):
            await holding


async def test_a_short_outage_of_the_api_server_deposes_nobody():
    async with World() as world:
        first = world.candidate("first")
        await first.acquire()
        holding = world.start(first.hold())
        world.cluster.stop()
        await world.clock.advance(7)
        world.cluster.start()
        await world.clock.advance(30)

        assert first.held()
        assert not holding.done()


async def test_a_leader_that_slept_too_long_does_not_go_on_as_if_nothing_had_been():
    async with World() as world:
        first = world.candidate("first")
        await first.acquire()
        holding = world.start(first.hold())
        await turns()
        world.clock.elapsed_s += 60  # nobody was woken: the process stood still
        await world.clock.advance(2)

        with pytest.raises(Deposed):
            await holding


async def test_a_lost_answer_to_the_claim_is_found_on_the_next_try():
    async with World() as world:
        lost = []

        async def lose_first_create(request):
            if request.verb == "create" and not lost:
                lost.append(request)
                raise Unreachable("the answer was lost")

        world.cluster.after = lose_first_create
        first = world.candidate("first")
        world.start(first.acquire())
        await world.clock.advance(3)

        assert lost
        assert first.held()


async def test_who_releases_is_followed_at_once():
    async with World() as world:
        first, second = world.candidate("first"), world.candidate("second")
        await first.acquire()
        await first.release()
        assert not first.held()

        await second.acquire()
        assert second.held()


async def test_who_does_not_lead_releases_nothing():
    async with World() as world:
        first, second = world.candidate("first"), world.candidate("second")
        await first.acquire()
        await second.release()

        assert (await world.lease()).spec.holder_identity == "first"


async def test_somebody_elses_name_in_the_lease_deposes():
    async with World() as world:
        first = world.candidate("first")
        await first.acquire()
        holding = world.start(first.hold())
        spec = {"holderIdentity": "thief", "renewTime": "2025-06-15T16:00:00.000000Z"}
        await world.cluster.patch(LEASES, SETTINGS.name, {"spec": spec}, namespace="default")
        await world.clock.advance(2)

        with pytest.raises(Deposed, match="thief leads now"):
            await holding
        assert not first.held()


async def test_a_deleted_lease_is_made_again():
    async with World() as world:
        first = world.candidate("first")
        await first.acquire()
        world.start(first.hold())
        await world.cluster.delete(LEASES, SETTINGS.name, namespace="default")
        await world.clock.advance(3)

        assert (await world.lease()).spec.holder_identity == "first"


async def test_what_a_leader_knows_of_the_logs_is_its_successors():
    async with World() as world:
        first, second = world.candidate("first"), world.candidate("second")
        await first.acquire()
        world.start(first.hold())
        first.remember(Stream.DECISIONS, KnownLog("log-1", 41))
        await world.clock.advance(2)
        first.remember(Stream.DECISIONS, KnownLog("log-1", 42))
        await world.clock.advance(2)
        await first.release()
        await second.acquire()

        assert second.known == {Stream.DECISIONS: KnownLog("log-1", 42)}


async def test_to_delete_the_lease_is_to_forget():
    async with World() as world:
        first = world.candidate("first")
        await first.acquire()
        first.remember(Stream.DECISIONS, KnownLog("log-1", 41))
        await world.cluster.delete(LEASES, SETTINGS.name, namespace="default")
        await first.acquire()

        assert first.known == {}


async def test_an_unreadable_memory_is_reported_and_passed_over(caplog):
    async with World() as world:
        first = world.candidate("first")
        await first.acquire()
        await first.release()
        annotations = {KEYS.key("logs"): "{not json"}
        await world.cluster.patch(
            LEASES, SETTINGS.name, {"metadata": {"annotations": annotations}}, namespace="default"
        )
        second = world.candidate("second")
        await second.acquire()

        assert second.known == {}
    assert "cannot be read" in caplog.text


async def test_what_a_leader_could_not_write_down_it_knows_when_it_leads_again():
    async with World() as world:
        first = world.candidate("first")
        await first.acquire()
        first.remember(Stream.DECISIONS, KnownLog("log-1", 41))
        first.remember(Stream.OBSERVATIONS, KnownLog("log-2", 7))
        await first.keep()
        first.remember(Stream.DECISIONS, KnownLog("log-1", 42))
        await world.clock.advance(60)
        await first.acquire()

        assert first.known[Stream.DECISIONS] == KnownLog("log-1", 42)


async def test_what_a_leader_knew_is_forgotten_with_the_lease():
    async with World() as world:
        first = world.candidate("first")
        await first.acquire()
        first.remember(Stream.DECISIONS, KnownLog("log-1", 42))
        await first.keep()
        await world.cluster.delete(LEASES, SETTINGS.name, namespace="default")
        second = world.candidate("second")
        await second.acquire()
        second.remember(Stream.DECISIONS, KnownLog("log-1", 3))
        await second.keep()
        leading = world.start(first.acquire())
        await world.clock.advance(60)
        await leading

        assert first.known == {Stream.DECISIONS: KnownLog("log-1", 3)}
