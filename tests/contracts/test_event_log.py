"""What every ``EventLog`` does: the one in memory and the one over NATS alike; and what is only
looked at (``stored_world``), an exported one, too.
"""

import asyncio
import time

import pytest

from mcs.adapters.appending import HEADER_ROOM, MOST_BYTES
from mcs.errors import BadSubject, LogLost, Refused, TooLarge, Unavailable, Uncertain
from mcs.ports import Stored, Stream, StreamInfo

OBS, DEC = Stream.OBSERVATIONS, Stream.DECISIONS
SOON_S = 30.0  # a bound for what should happen at once, on a machine that may stand still
FILTERED = pytest.mark.parametrize(
    ("subject", "sequences"),
    [
        ("mcs.dec.c0.s", [1, 4, 7, 10]),
        ("mcs.dec.*.s", list(range(1, 11))),
        ("mcs.dec.>", list(range(1, 11))),
        ("mcs.dec.c1.*", [2, 5, 8]),
    ],
)


async def observe(log, *data, subject="mcs.obs.c1.cluster"):
    for item in data:
        await log.append([(subject, item)])


async def read_all(reader, count, *, limit=1000):
    found = []
    while len(found) < count:
        some = await reader.next(limit=min(limit, count - len(found)), timeout_s=SOON_S)
        assert some, f"only {len(found)} of {count} messages came"
        found += some
    return found


async def lost(reader):
    """A reader says that the log is lost, perhaps after what it had already."""
    with pytest.raises(LogLost):
        await read_all(reader, 100)


def decisions(count, start=0):
    return [(f"mcs.dec.c{i % 3}.s", str(i).encode()) for i in range(start, start + count)]


async def test_what_was_appended_is_read_in_order(stored_world):
    async with stored_world as world:
        log = await world.connect()
        before = time.time_ns()
        assert await log.append([("mcs.obs.c1.cluster", b"one")]) == 1
        assert await log.append([("mcs.obs.c2.delegate.c1", b"")]) == 2
        found = await read_all(await log.read(OBS), 2)
        times = [message.time_ns for message in found]
        assert found == [
            Stored(1, "mcs.obs.c1.cluster", times[0], b"one"),
            Stored(2, "mcs.obs.c2.delegate.c1", times[1], b""),
        ]
        assert times == sorted(times)
        assert before - 10**9 < times[0] < time.time_ns() + 10**9


async def test_the_two_streams_count_apart(stored_world):
    async with stored_world as world:
        log = await world.connect()
        await observe(log, b"1", b"2")
        assert await log.append([("mcs.dec._._", b"1")]) == 1
        assert (await log.info(OBS)).last == 2


async def test_several_messages_land_together_and_in_order(stored_world):
    async with stored_world as world:
        log = await world.connect()
        assert await log.append(decisions(3)) == 3
        assert await log.append(decisions(2, 3)) == 5
        found = await read_all(await log.read(DEC), 5)
        assert [(m.subject, m.data) for m in found] == decisions(5)
        assert [m.sequence for m in found] == [1, 2, 3, 4, 5]


async def test_a_thousand_messages_are_one_append(world):
    async with world:
        log = await world.connect()
        assert await log.append(decisions(1000), expected_last=0) == 1000
        with pytest.raises(TooLarge):
            await log.append(decisions(1001))
        assert (await log.info(DEC)).last == 1000


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_the_fence_lets_through_who_has_seen_all(world, count):
    async with world:
        log = await world.connect()
        assert await log.append(decisions(count), expected_last=0) == count
        assert await log.append(decisions(count), expected_last=count) == 2 * count


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("expected", [0, 2, 4, 99])
async def test_the_fence_holds_and_nothing_is_written(world, count, expected):
    async with world:
        log = await world.connect()
        await log.append(decisions(3))
        with pytest.raises(Refused) as refused:
            await log.append(decisions(count), expected_last=expected)
        assert (refused.value.expected, refused.value.actual) == (expected, 3)
        assert (await log.info(DEC)).last == 3
        assert await log.append(decisions(count), expected_last=3) == 3 + count


@pytest.mark.parametrize("count", [1, 3])
async def test_of_two_connections_under_one_fence_one_wins(world, count):
    async with world:
        logs = [await world.connect(), await world.connect()]
        last = 0
        for _ in range(20):
            results = await asyncio.gather(
                *(log.append(decisions(count), expected_last=last) for log in logs),
                return_exceptions=True,
            )
            refused = [result for result in results if isinstance(result, Refused)]
            assert len(refused) == 1, results
            last += count
            assert last in results
            assert refused[0].actual == last
        assert (await logs[0].info(DEC)).last == last


async def test_the_fence_guards_observations_too(world):
    async with world:
        log = await world.connect()
        await observe(log, b"1")
        with pytest.raises(Refused):
            await log.append([("mcs.obs._clock", b"")], expected_last=0)


async def test_what_is_too_large_is_refused_before_it_is_sent(world):
    async with world:
        log = await world.connect()
        most = MOST_BYTES - HEADER_ROOM
        with pytest.raises(TooLarge):
            await log.append([("mcs.dec.c1.c2", b"x" * (most + 1))])
        with pytest.raises(TooLarge):
            await log.append([("mcs.dec.c1.c2", b"x"), ("mcs.dec.c1.c2", b"x" * (most + 1))])
        sizes = [len(m.data) for m in await _largest(log, most)]
        assert sizes == [most, most, 1]


async def _largest(log, most):
    await log.append([("mcs.dec.c1.c2", b"x" * most)], expected_last=0)
    await log.append([("mcs.dec.c1.c2", b"x" * most), ("mcs.dec.c1.c2", b"x")], expected_last=1)
    largest = await log.get(DEC, 1)
    assert largest is not None
    assert len(largest.data) == most
    return await read_all(await log.read(DEC), 3)


async def test_observations_are_appended_one_at_a_time(world):
    async with world:
        log = await world.connect()
        with pytest.raises(TooLarge):
            await log.append([("mcs.obs.c1.cluster", b"1"), ("mcs.obs.c1.cluster", b"2")])


@pytest.mark.parametrize(
    "messages",
    [
        [("other.subject", b"")],
        [("mcs.ctl.a.b.c", b"")],
        [("mcs.dec.*.b", b"")],
        [("mcs.dec.>", b"")],
        [("mcs.dec..b", b"")],
        [("mcs.dec.a b", b"")],
        [("mcs.obs.c1.cluster", b""), ("mcs.dec.a.b", b"")],
    ],
)
async def test_what_is_not_a_subject_of_one_stream_is_refused(world, messages):
    async with world:
        log = await world.connect()
        with pytest.raises(BadSubject):
            await log.append(messages)


async def test_a_reader_begins_after_its_position(stored_world):
    async with stored_world as world:
        log = await world.connect()
        await observe(log, b"1", b"2", b"3")
        reader = await log.read(OBS, after=2)
        assert [m.sequence for m in await read_all(reader, 1)] == [3]
        assert await (await log.read(OBS, after=3)).next(timeout_s=0.05) == []


async def test_a_waiting_reader_is_woken_by_an_append_of_another_connection(world):
    async with world:
        log, other = await world.connect(), await world.connect()
        reader = await log.read(OBS)
        waiting = asyncio.create_task(reader.next())
        await observe(other, b"1")
        async with asyncio.timeout(SOON_S):
            assert [m.data for m in await waiting] == [b"1"]


async def test_a_reader_gives_no_more_than_its_limit(stored_world):
    async with stored_world as world:
        log = await world.connect()
        await log.append(decisions(10))
        reader = await log.read(DEC)
        found = await read_all(reader, 10, limit=3)
        assert [m.data for m in found] == [data for _, data in decisions(10)]


async def test_readers_do_not_disturb_each_other(world):
    async with world:
        log = await world.connect()
        first, second = await log.read(DEC), await log.read(DEC)
        await log.append(decisions(4))
        assert await read_all(first, 4) == await read_all(second, 4)


@FILTERED
async def test_a_filtered_reader_gets_its_subject_only(world, subject, sequences):
    async with world:
        log = await world.connect()
        await log.append(decisions(6))
        reader = await log.read(DEC, subject=subject)
        await log.append(decisions(4, 6))
        found = await read_all(reader, len(sequences))
        assert [m.sequence for m in found] == sequences
        assert await reader.next(timeout_s=0.05) == []


@FILTERED
async def test_a_filtered_reader_finds_what_was_there_before(stored_world, subject, sequences):
    async with stored_world as world:
        log = await world.connect()
        await log.append(decisions(10))
        reader = await log.read(DEC, subject=subject)
        found = await read_all(reader, len(sequences), limit=2)
        assert [m.sequence for m in found] == sequences
        assert await reader.next(timeout_s=0.05) == []


async def test_readers_do_not_disturb_each_other_in_what_is_there(stored_world):
    async with stored_world as world:
        log = await world.connect()
        await log.append(decisions(10))
        first, second = await log.read(DEC), await log.read(DEC, after=2)
        assert await read_all(first, 10, limit=3) == [
            *await read_all(await log.read(DEC), 2),
            *await read_all(second, 8, limit=5),
        ]


async def test_a_slow_reader_of_much_skips_nothing(stored_world):
    async with stored_world as world:
        log = await world.connect()
        for start in range(0, 8000, 1000):
            await log.append(decisions(1000, start))
        whole = await log.read(DEC)
        part = await log.read(DEC, subject="mcs.dec.c1.s", after=5)
        found = await read_all(whole, 8000, limit=77)
        assert [m.sequence for m in found] == list(range(1, 8001))
        of_part = [m for m in found if m.subject == "mcs.dec.c1.s" and m.sequence > 5]
        assert await read_all(part, len(of_part), limit=501) == of_part


async def test_whoever_stops_waiting_has_taken_nothing(world):
    async with world:
        log = await world.connect()
        reader = await log.read(OBS)
        for round in range(5):
            waiting = asyncio.create_task(reader.next())
            appending = asyncio.create_task(log.append([("mcs.obs.c1.cluster", b"%d" % round)]))
            await asyncio.sleep(0)
            waiting.cancel()
            await appending
            taken = (await asyncio.gather(waiting, return_exceptions=True))[0]
            if isinstance(taken, BaseException):
                taken = await read_all(reader, 1)
            assert [m.data for m in taken] == [b"%d" % round]


async def test_a_closed_reader_says_so_to_who_waits(world):
    async with world:
        log = await world.connect()
        reader = await log.read(OBS)
        waiting = asyncio.create_task(reader.next())
        await asyncio.sleep(0)
        await reader.close()
        with pytest.raises(Unavailable):
            await waiting
        with pytest.raises(Unavailable):
            await reader.next()


async def test_a_closed_log_takes_and_gives_nothing(stored_world):
    async with stored_world as world:
        log = await world.connect()
        reader = await log.read(OBS)
        await log.close()
        with pytest.raises(Unavailable):
            await log.append([("mcs.obs.c1.cluster", b"")])
        with pytest.raises(Unavailable):
            await reader.next()
        with pytest.raises(Unavailable):
            await log.info(OBS)


async def test_info_tells_what_a_stream_holds(stored_world):
    async with stored_world as world:
        log = await world.connect()
        identity = (await log.info(OBS)).identity
        assert identity
        assert identity != (await log.info(DEC)).identity
        assert await log.info(OBS) == StreamInfo(first=1, last=0, identity=identity)
        await observe(log, b"1", b"2", b"3")
        assert await log.info(OBS) == StreamInfo(first=1, last=3, identity=identity)
        await world.trim(OBS, 3)
        assert await log.info(OBS) == StreamInfo(first=3, last=3, identity=identity)
        await world.trim(OBS, 4)
        assert await log.info(OBS) == StreamInfo(first=4, last=3, identity=identity)
        await observe(log, b"4")
        assert await log.info(OBS) == StreamInfo(first=4, last=4, identity=identity)


async def test_one_message_can_be_looked_up(stored_world):
    async with stored_world as world:
        log = await world.connect()
        await observe(log, b"1", b"2")
        await observe(log, b"3", subject="mcs.obs.c2.cluster")
        found = await read_all(await log.read(OBS), 3)
        assert [await log.get(OBS, n) for n in (0, 1, 2, 3, 4)] == [None, *found, None]
        assert await log.last(OBS, "mcs.obs.c1.cluster") == found[1]
        assert await log.last(OBS, "mcs.obs.*.cluster") == found[2]
        assert await log.last(OBS, "mcs.obs.>") == found[2]
        assert await log.last(OBS, "mcs.obs.c3.cluster") is None
        await world.trim(OBS, 2)
        assert await log.get(OBS, 1) is None


async def test_a_break_of_the_connection_is_counted_before_anything_goes_on_the_next(world):
    async with world:
        log = await world.connect()
        await observe(log, b"before")
        assert log.breaks == 0
        await world.break_connections()
        async with asyncio.timeout(SOON_S):
            while True:
                try:
                    await observe(log, b"after")
                    break
                except (Unavailable, Uncertain):
                    await asyncio.sleep(0.01)
        assert log.breaks == 1


async def test_a_reader_whose_position_was_trimmed_past_is_told(stored_world):
    async with stored_world as world:
        log = await world.connect()
        await observe(log, b"1", b"2", b"3")
        await world.trim(OBS, 3)
        for subject in ("", "mcs.obs.c1.*"):
            assert [m.data for m in await read_all(await log.read(OBS, after=2), 1)] == [b"3"]
            with pytest.raises(LogLost):
                await (await log.read(OBS, after=1, subject=subject)).next(timeout_s=SOON_S)


async def test_a_log_that_ends_before_the_position_is_lost(stored_world):
    async with stored_world as world:
        log = await world.connect()
        await observe(log, b"1")
        with pytest.raises(LogLost):
            await (await log.read(OBS, after=2)).next(timeout_s=SOON_S)


async def test_a_trim_of_what_was_read_or_concerned_others_is_not_a_loss(world):
    async with world:
        log = await world.connect()
        reader = await log.read(OBS)
        filtered = await log.read(OBS, subject="mcs.obs.c1.cluster")
        await observe(log, b"1")
        assert len(await read_all(reader, 1)) == len(await read_all(filtered, 1)) == 1
        await observe(log, b"2", b"3", subject="mcs.obs.c2.cluster")
        await read_all(reader, 2)
        await world.trim(OBS, 4)
        await observe(log, b"4")
        assert [m.sequence for m in await read_all(reader, 1)] == [4]
        assert [m.sequence for m in await read_all(filtered, 1)] == [4]


async def test_another_stream_in_its_place_is_a_lost_log(world):
    async with world:
        log = await world.connect()
        await observe(log, b"1")
        reader = await log.read(OBS)
        await read_all(reader, 1)
        await world.replace(OBS)
        await observe(log, b"other")
        with pytest.raises(LogLost):
            await reader.next(timeout_s=SOON_S)
        with pytest.raises(LogLost):
            await reader.next(timeout_s=SOON_S)


async def test_a_log_that_lost_its_end_is_a_lost_log(world):
    async with world:
        log = await world.connect()
        await observe(log, b"1", b"2", b"3")
        reader = await log.read(OBS)
        await read_all(reader, 3)
        await world.shorten(OBS, 2)
        with pytest.raises(LogLost):
            await reader.next(timeout_s=SOON_S)


@pytest.mark.parametrize("subject", ["", "mcs.obs.*.cluster"])
async def test_a_log_whose_end_was_lost_and_grew_again_is_a_lost_log(world, subject):
    async with world:
        log = await world.connect()
        await observe(log, b"1", b"2", b"3")
        reader = await log.read(OBS, subject=subject)
        await read_all(reader, 3)
        others = [("mcs.obs.c1.cluster", data) for data in (b"other", b"more", b"still more")]
        await world.rewrite(OBS, 2, others)
        await lost(reader)


async def test_a_log_that_counts_messages_which_it_has_not_is_a_lost_log(world):
    async with world:
        log = await world.connect()
        await observe(log, b"1", b"2", b"3")
        reader = await log.read(OBS)
        await read_all(reader, 3)
        await world.damage(OBS, 1)
        with pytest.raises(LogLost):
            await log.info(OBS)
        assert await log.get(OBS, 2) is None
        for each in reader, await log.read(OBS), await log.read(OBS, after=1):
            await lost(each)


async def test_a_stream_that_is_not_there_is_a_lost_log(world):
    async with world:
        log = await world.connect()
        await observe(log, b"1")
        reader = await log.read(OBS)
        await read_all(reader, 1)
        await world.remove(OBS)
        with pytest.raises(LogLost):
            await log.info(OBS)
        with pytest.raises(LogLost):
            await reader.next(timeout_s=SOON_S)
        with pytest.raises(LogLost):
            await (await log.read(OBS)).next(timeout_s=SOON_S)
        with pytest.raises(Unavailable):
            await log.append([("mcs.obs.c1.cluster", b"")])
