"""The order of history, and logs that do not hold together."""

import asyncio

import pytest

from mcs.adapters.clock import SystemClock
from mcs.adapters.memory_log import MemoryBroker
from mcs.errors import LogLost
from mcs.events import codec
from mcs.ports import Stream
from mcs.projections.state import Parked, State
from mcs.services.history import History
from tests.building import World, node, proxy


def world():
    made = World()
    made.join("c1", node("n1"))
    made.proxies("c1", proxy("u1"))
    made.cycle()
    made.mark()
    return made


def served(made, *, observations=None, change=lambda data: data):
    """A broker with the world's log; ``change`` is done to the last decision."""
    broker = MemoryBroker(SystemClock())
    for _, subject, time_ns, data in made.observations[:observations]:
        broker.streams[Stream.OBSERVATIONS].add(subject, data, time_ns)
    for number, (_, subject, data, _) in enumerate(made.decisions, 1):
        last = number == len(made.decisions)
        broker.streams[Stream.DECISIONS].add(subject, change(data) if last else data, 1)
    return broker


async def folded(broker, made, **options):
    history = History(broker.connect(), State(), **options)
    await history.open()
    async with asyncio.timeout(20):
        while history.state.decided.sequence < len(made.decisions):
            await history.follow(timeout_s=5)
    await history.close()
    return history


async def test_cycles_are_folded_in_the_states_they_were_decided_in():
    made = world()
    history = await folded(served(made), made, strict=True)

    assert history.state.digest() == made.state.digest()
    assert history.state.observed == made.state.observed


async def test_a_decision_that_does_not_follow_is_found_before_its_observations_are_waited_for():
    made = world()
    broker = served(made, change=lambda data: data.replace(b'"previous":"', b'"previous":"f'))

    with pytest.raises(LogLost, match="chain of digests is broken"):
        await folded(broker, made)


async def test_a_decision_based_on_what_is_not_there_is_not_waited_for():
    made = world()
    broker = served(made, observations=len(made.observations) - 1)

    with pytest.raises(LogLost, match=r"OBSERVATIONS ends at \d+, but DECISIONS \d+ was based on"):
        await folded(broker, made)


async def test_decisions_of_other_observations_are_not_built_upon_but_can_be_looked_at():
    made = world()
    sequence, subject, time_ns, data = made.observations[0]
    made.observations[0] = (sequence, subject, time_ns + 1, data)

    with pytest.raises(LogLost, match="was decided on other observations"):
        await folded(served(made), made, strict=True)
    assert (await folded(served(made), made)).state.ledger.placements


async def test_decisions_of_a_newer_version_are_counted():
    made = world()
    broker = served(made, change=lambda data: data.replace(b"cycle.marked", b"cycle.doubted"))
    history = await folded(broker, made)

    last = len(made.decisions)
    assert history.unknown == ["cycle.doubted"]
    assert history.state.parked == {
        "unreadable decision cycle.doubted": Parked(1, last, made.decisions[-1][1])
    }
    assert codec.decode_decision(*made.decisions[-1][1:3])


async def test_large_messages_end_a_slice_early(monkeypatch):
    made = world()
    made.tick(times=9)
    history = History(served(made).connect(), State())
    await history.open()
    monkeypatch.setattr("mcs.services.history.SLICE_BYTES", len(made.observations[-1][3]) + 1)
    counts = [await history.observe(timeout_s=5, limit=100)]
    while history.state.observed.sequence < len(made.observations):
        counts.append(await history.observe(timeout_s=5, limit=100))
    await history.close()

    assert counts[-1] in {1, 2}
    assert sum(counts) == len(made.observations)
    assert max(counts) < 4
    assert history.state.observed == made.state.observed
