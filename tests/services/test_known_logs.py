"""Is it still the log that was known? On the memory log and cluster."""

import asyncio

import pytest
from msgspec import structs

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.errors import LogLost, Unavailable
from mcs.events import codec
from mcs.events.decisions import CycleMarked
from mcs.events.event import Last
from mcs.events.frames import digest
from mcs.ports import Stream
from mcs.services.known_logs import SECOND_LOOK_S, KnownLogs
from mcs.services.leadership import KnownLog, Leadership
from mcs.settings import LeaseSettings
from tests.services.clocks import HandClock, turns
from tests.services.members import KEYS, Log


class Bench(Log):
    def __init__(self):
        super().__init__()
        self.hand = HandClock()
        cluster = MemoryCluster("c1", self.hand)
        settings = LeaseSettings(namespace="default")
        self.lease = Leadership(cluster, self.hand, KEYS, settings, "me")
        self.connection = self.broker.connect()
        self.logs = KnownLogs(self.connection, self.lease, self.hand)

    async def check(self):
        """Twice, if it is said to be lost."""
        checking = asyncio.create_task(self.logs.check())
        await self.hand.advance(SECOND_LOOK_S)
        await checking


async def test_a_log_met_for_the_first_time_is_remembered():
    bench = Bench()
    bench.decide(CycleMarked())
    await bench.logs.check()

    assert bench.logs.identities == {
        Stream.OBSERVATIONS: "memory-observations",
        Stream.DECISIONS: "memory-decisions",
    }
    (stored,) = bench.broker.streams[Stream.DECISIONS].messages
    known = KnownLog("memory-decisions", 1, digest(stored.subject, stored.data))
    assert bench.lease.known[Stream.DECISIONS] == known


async def test_a_longer_log_is_the_same_log():
    bench = Bench()
    for _ in range(2):
        bench.decide(CycleMarked())
        await bench.logs.check()

    assert bench.lease.known[Stream.DECISIONS].position == 2


@pytest.mark.parametrize("stream", list(Stream))
async def test_another_log_is_refused_with_what_to_do(stream):
    bench = Bench()
    await bench.logs.check()
    bench.broker.replace(stream, "another")

    with pytest.raises(LogLost, match=r"another stream.*delete the Lease default/mcs-agent"):
        await bench.check()


async def test_a_shorter_log_is_refused():
    bench = Bench()
    for _ in range(3):
        bench.decide(CycleMarked())
    await bench.logs.check()
    bench.broker.lose_tail(Stream.DECISIONS, 2)

    with pytest.raises(LogLost, match="ends at 2, but this cluster's agents knew 3"):
        await bench.check()


async def test_a_log_that_lost_its_end_and_grew_again_is_refused():
    bench = Bench()
    for _ in range(3):
        bench.decide(CycleMarked())
    await bench.logs.check()
    bench.broker.rewrite_tail(Stream.DECISIONS, 1, [("mcs.dec._._", b"other")] * 5)

    with pytest.raises(LogLost, match="DECISIONS 3 is not the message that"):
        await bench.check()


async def test_what_was_read_or_acknowledged_since_must_stay():
    bench = Bench()
    await bench.logs.check()
    for _ in range(3):
        bench.decide(CycleMarked())
    stored = bench.broker.streams[Stream.DECISIONS].messages[-1]
    bench.logs.note(Stream.DECISIONS, Last(sequence=3, digest=digest(stored.subject, stored.data)))
    bench.logs.note(Stream.DECISIONS, Last(sequence=1, digest="of an earlier one"))
    bench.broker.rewrite_tail(Stream.DECISIONS, 1, [("mcs.dec._._", b"other")] * 5)

    with pytest.raises(LogLost, match="DECISIONS 3 is not the message that"):
        await bench.check()


async def test_what_was_known_before_a_pause_is_compared_too():
    """Lost with the end of the log, while nothing was said; and the next word came through."""
    bench = Bench()
    for _ in range(3):
        bench.decide(CycleMarked())
    await bench.logs.check()
    bench.broker.rewrite_tail(Stream.DECISIONS, 2, [("mcs.dec._._", b"other")] * 2)
    await bench.hand.advance(1)
    bench.decide(CycleMarked())
    stored = bench.broker.streams[Stream.DECISIONS].messages[-1]
    bench.logs.note(Stream.DECISIONS, Last(sequence=5, digest=digest(stored.subject, stored.data)))

    with pytest.raises(LogLost, match="DECISIONS 3 is not the message that"):
        await bench.check()


async def test_what_is_noted_while_the_logs_are_compared_is_kept_and_no_loss():
    bench = Bench()
    bench.decide(CycleMarked())
    await bench.logs.check()
    checking = asyncio.create_task(bench.logs.check())
    await asyncio.sleep(0)
    bench.logs.note(Stream.DECISIONS, Last(sequence=7, digest="x"))
    bench.logs.note(Stream.OBSERVATIONS, Last(sequence=7, digest="x"))

    await checking
    assert {known.position for known in bench.lease.known.values()} == {7}


async def test_what_was_trimmed_cannot_be_compared_and_is_no_loss():
    bench = Bench()
    for _ in range(3):
        bench.decide(CycleMarked())
    await bench.logs.check()
    bench.decide(CycleMarked())
    bench.broker.trim(Stream.DECISIONS, 4)

    await bench.logs.check()


async def test_a_log_that_counts_what_it_does_not_hold_is_refused():
    bench = Bench()
    for _ in range(3):
        bench.decide(CycleMarked())
    await bench.logs.check()
    bench.broker.damage(Stream.DECISIONS, 2)

    with pytest.raises(LogLost, match="1 of these messages are not in it"):
        await bench.check()


async def test_observations_that_a_decision_was_based_on_must_be_there():
    bench = Bench()
    bench.decide(CycleMarked())
    (stored,) = bench.broker.streams[Stream.DECISIONS].messages
    frame, _ = codec.decode_decision(stored.subject, stored.data)
    later = structs.replace(frame, based_on=7, previous=digest(stored.subject, stored.data))
    bench.broker.store([(stored.subject, codec.encode(later))])

    with pytest.raises(LogLost, match="OBSERVATIONS ends at 0, but decision 2 was based on 7"):
        await bench.check()


async def test_watching_survives_an_outage_and_notices_a_loss():
    bench = Bench()
    bench.decide(CycleMarked())
    await bench.logs.check()
    watching = asyncio.create_task(bench.logs.watch(5))
    bench.connection.cut()
    await bench.hand.advance(11)
    assert not watching.done()

    bench.connection.mend()
    bench.broker.lose_tail(Stream.DECISIONS, 0)
    await bench.hand.advance(5 + SECOND_LOOK_S)
    with pytest.raises(LogLost):
        await watching


async def test_what_is_appended_counts_as_known():
    bench = Bench()
    sequence = await bench.logs.append([("mcs.obs.c1.cluster", b"one")])

    known = KnownLog("memory-observations", sequence, digest("mcs.obs.c1.cluster", b"one"))
    assert bench.lease.known[Stream.OBSERVATIONS] == known


@pytest.mark.parametrize("stream", list(Stream))
async def test_nothing_is_appended_to_a_log_that_lost_what_was_known(stream):
    """It would be missing in the log that people put in its place."""
    bench = Bench()
    for _ in range(3):
        bench.decide(CycleMarked())
        await bench.logs.append([("mcs.obs.c1.cluster", b"before")])
    await bench.logs.check()
    bench.connection.cut()
    bench.broker.lose_tail(stream, 2)
    bench.connection.mend()
    known = dict(bench.lease.known)

    appending = asyncio.create_task(bench.logs.append([("mcs.obs.c1.cluster", b"after")]))
    await bench.hand.advance(SECOND_LOOK_S)
    with pytest.raises(LogLost, match=f"{stream} ends at 2"):
        await appending
    assert b"after" not in [m.data for m in bench.broker.streams[Stream.OBSERVATIONS].messages]
    assert bench.lease.known == known


async def test_an_append_is_not_known_to_be_good_while_the_logs_cannot_be_compared():
    bench = Bench()
    await bench.logs.check()
    bench.connection.cut()

    with pytest.raises(Unavailable):
        await bench.logs.append([("mcs.obs.c1.cluster", b"one")])


async def test_a_loss_that_one_look_finds_and_the_next_does_not_is_none(caplog):
    """A server that has just begun to lead may not know all."""
    bench = Bench()
    for _ in range(3):
        bench.decide(CycleMarked())
    await bench.logs.check()
    decisions = bench.broker.streams[Stream.DECISIONS]
    tail = [(each.subject, each.data) for each in decisions.messages[2:]]
    bench.broker.lose_tail(Stream.DECISIONS, 2)
    checking = asyncio.create_task(bench.logs.check())
    await turns()
    bench.broker.store(tail)

    await bench.hand.advance(SECOND_LOOK_S)
    await checking
    assert "looking again" in caplog.text
