"""What ``--at`` may name, and where that lies in both logs."""

import pytest

from mcs.errors import BadSettings, LogLost, NoSuchMoment
from mcs.ports import Stored, Stream
from mcs.projections.state import State
from mcs.services.moments import Asked, By, asked_moment, find
from mcs.services.reading import Ends, fold
from mcs.views.amounts import iso_time
from tests.building import World, node, proxy
from tests.services.logs import WorldLog

NOW_S = 1_700_000_100.0


def history():
    """Cycle 1 claims (1 frame), 2 places into two clusters (2 frames), 3 is a mark, then silence.

    Observations: 1-5 c1 joins, 6-10 c2 joins, 11 the proxies, 12-14 ticks, 15-16 ticks at the end.
    """
    world = World()
    world.join("c1", node("n1", cpu=300))
    world.join("c2", node("n1", cpu=300))
    world.proxies("c1", proxy("u1"), proxy("u2"))
    world.cycle()
    world.tick(1, 3)
    world.mark()
    world.tick(1, 2)
    return world


def stored(world, sequence, *, later_ns=0):
    """The time of an observation, as it is typed."""
    return iso_time(world.observations[sequence - 1][2] + later_ns)


async def at(world, text, now_s=NOW_S):
    log = WorldLog(world)
    ends = await Ends.of(log.connection)
    return await find(log.connection, asked_moment(text, now_s), ends, now_s)


async def place(world, text, now_s=NOW_S):
    moment = await at(world, text, now_s)
    return moment.ends.decisions, moment.ends.observations


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("", None),
        ("dec:45", Asked(By.DECISION, 45)),
        ("dec 45", Asked(By.DECISION, 45)),
        ("cycle:7", Asked(By.CYCLE, 7)),
        ("obs:678", Asked(By.OBSERVATION, 678)),
        ("90s", Asked(By.TIME, int((NOW_S - 90) * 1e9))),
        ("2023-11-14T22:13:20Z", Asked(By.TIME, 1_700_000_000_000_000_000)),
    ],
)
def test_a_moment_is_a_time_or_a_place_in_the_log(text, asked):
    assert asked_moment(text, NOW_S) == asked


@pytest.mark.parametrize("text", ["yesterday", "dec:", "dec:x", "node:4", "obs:-1"])
def test_what_is_no_moment_is_answered_with_examples(text):
    with pytest.raises(BadSettings, match="dec:45, cycle:45 or obs:678"):
        asked_moment(text, NOW_S)


async def test_now_is_the_end_of_both_logs():
    assert await place(history(), "") == (4, 16)


async def test_a_decision_stands_with_its_whole_cycle_and_what_it_was_based_on():
    world = history()

    assert [frame.count for *_, frame in world.decisions] == [1, 2, 2, 1]
    assert await place(world, "dec:1") == (1, 0)
    assert await place(world, "dec:2") == await place(world, "dec:3") == (3, 11)
    assert await place(world, "cycle:2") == (3, 11)
    assert await place(world, "cycle:3") == (4, 14)


async def test_an_observation_stands_after_the_cycles_that_were_based_on_less():
    world = history()

    assert await place(world, "obs:11") == (1, 11)
    assert await place(world, "obs:12") == (3, 12)
    assert await place(world, "obs:16") == (4, 16)


async def test_a_time_stands_after_all_that_was_stored_by_then():
    world = history()

    assert await place(world, stored(world, 12, later_ns=1000)) == (3, 12)
    assert await place(world, stored(world, 11, later_ns=1000)) == (1, 11)
    assert await place(world, stored(world, 11, later_ns=1_000_000)) == (3, 11)
    assert await place(world, stored(world, 16, later_ns=-1000)) == (4, 15)


async def test_ages_are_counted_to_the_moment():
    world = history()

    assert (await at(world, "10s")).time_ns == int((NOW_S - 10) * 1e9)
    assert (await at(world, "obs:12")).time_ns == world.observations[11][2]
    assert (await at(world, "")).time_ns == int(NOW_S * 1e9)
    late = await at(world, "dec:4")
    assert late.time_ns == late.decided_ns > world.observations[13][2]


async def test_half_a_cycle_has_not_landed_yet():
    world = history()
    log = WorldLog(world)
    stream = log.broker.streams[Stream.DECISIONS]
    first, third = stream.get(2).time_ns, stream.get(3)
    stream.messages[2] = Stored(3, third.subject, first + 50_000, third.data)
    ends = await Ends.of(log.connection)

    moment = await find(log.connection, Asked(By.TIME, first + 10_000), ends, NOW_S)

    assert (moment.ends.decisions, moment.ends.observations) == (1, 11)


async def test_a_state_at_a_place_is_the_one_that_was_decided_in():
    """The digest in each cycle's frames is that of the state just before it."""
    world = history()
    log = WorldLog(world)
    ends = await Ends.of(log.connection)
    for sequence, _, _, frame in world.decisions[1:]:
        if frame.index:
            continue
        before = await find(log.connection, Asked(By.DECISION, sequence - 1), ends, NOW_S)
        state = State()
        await fold(log.connection, state, Ends(before.ends.decisions, frame.based_on))

        assert state.digest() == frame.state


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2100-01-01", "2100-01-01 00:00:00.000 UTC is in the future: the log ends at 2023-11-14"),
        ("2001-01-01", "2001-01-01 00:00:00.000 UTC is before the log's head, which is of 2023-"),
        ("dec:99", "the log has no decision 99: it holds 1 to 4"),
        ("dec:0", "the log has no decision 0"),
        ("obs:99", "the log has no observation 99: it holds 1 to 16"),
        ("cycle:99", "there is no cycle 99: the log's last one is 3"),
        ("cycle:0", "there is no cycle 0"),
    ],
)
async def test_what_the_log_does_not_hold_is_said(text, told):
    with pytest.raises(NoSuchMoment, match=told):
        await at(history(), text)


async def test_what_was_trimmed_away_is_said():
    log = WorldLog(history())
    log.broker.trim(Stream.OBSERVATIONS, 5)
    ends = await Ends.of(log.connection)

    with pytest.raises(NoSuchMoment, match="no observation 4: it holds 5 to 16"):
        await find(log.connection, Asked(By.OBSERVATION, 4), ends, NOW_S)


async def test_an_empty_log_has_no_past():
    world = World()
    world.decisions.clear()
    log = WorldLog(world)
    ends = await Ends.of(log.connection)

    now = await find(log.connection, None, ends, NOW_S)

    assert (now.ends.decisions, now.ends.observations, now.decided_ns) == (0, 0, 0)
    with pytest.raises(NoSuchMoment, match="it holds none"):
        await find(log.connection, Asked(By.DECISION, 1), ends, NOW_S)
    with pytest.raises(NoSuchMoment, match="it is empty"):
        await find(log.connection, Asked(By.TIME, 5), ends, NOW_S)


async def test_a_decision_that_cannot_be_read_is_a_damaged_log():
    log = WorldLog(history())
    log.broker.store([("mcs.dec._._", b"{")])
    ends = await Ends.of(log.connection)

    with pytest.raises(LogLost, match="DECISIONS 5 cannot be read"):
        await find(log.connection, Asked(By.DECISION, 5), ends, NOW_S)
