"""Snapshots: taken at cycle boundaries, believed only when the log bears them out."""

import asyncio
import logging

import msgspec
import pytest

from mcs.adapters.memory_branch import InlineBranch
from mcs.adapters.memory_log import MemoryBroker
from mcs.adapters.memory_snapshots import MemorySnapshots
from mcs.errors import BadSnapshot, Unavailable
from mcs.ports import Stream
from mcs.projections.state import RULES, State
from mcs.services import snapshots
from mcs.services.snapshots import Head, Keeper, newest, pack, unpack
from mcs.settings import SchedulerSettings
from tests.histories_at_random import RandomWorld, fold_tail
from tests.services.clocks import LeapingClock

STREAMS = (Stream.DECISIONS, Stream.OBSERVATIONS)


class Saved:
    """A log, in a broker, and a snapshot of each of its cycles."""

    def __init__(self, seed=1, steps=40, identity="memory"):
        self.clock = LeapingClock()
        self.broker = MemoryBroker(self.clock, identity=identity)
        self.packed = []
        self.world = RandomWorld(seed, self._before_cycle).run(steps)
        for _, subject, time_ns, data in self.world.observations:
            self.broker.streams[Stream.OBSERVATIONS].add(subject, data, time_ns)
        for _, subject, data, _ in self.world.decisions:
            self.broker.streams[Stream.DECISIONS].add(subject, data, 1)
        self.log = self.broker.connect()
        self.bucket = {}

    def _before_cycle(self, state, _):
        streams = {name: _Info(stream.identity) for name, stream in self.broker.streams.items()}
        self.packed.append(pack(state, streams, self.clock.now()))

    async def start(self):
        infos = {stream: await self.log.info(stream) for stream in STREAMS}
        return await newest(MemorySnapshots(self.bucket), self.log, self.clock, infos)


class _Info:
    def __init__(self, identity):
        self.identity = identity


def forged(packed, **changes):
    """The same snapshot with another head, and a checksum that is right."""
    line, _, body = packed.partition(b" ")[2].partition(b"\n")
    head = msgspec.structs.replace(msgspec.json.decode(line, type=Head), **changes)
    rest = msgspec.json.encode(head) + b"\n" + body
    return snapshots._checksum(rest) + b" " + rest


# -- starting from one ---------------------------------------------------------------------------


async def test_any_snapshot_and_its_tail_give_what_the_whole_log_gives_i3():
    saved = Saved()
    whole = fold_tail(State(), saved.world)
    for packed in saved.packed[1:]:
        saved.bucket = {"a": packed}
        start = await saved.start()

        assert start.state.decided.sequence > 0
        assert fold_tail(start.state, saved.world).digest() == whole.digest()


async def test_what_is_started_from_is_told():
    saved = Saved()
    saved.bucket = {"a": saved.packed[-1]}
    await saved.clock.sleep(120)
    head, _ = unpack(saved.packed[-1])
    tail = len(saved.world.decisions) + len(saved.world.observations)
    tail -= head.decided.sequence + head.observed.sequence

    told = (await saved.start()).told

    assert told.startswith(f"starting from snapshot at decision {head.decided.sequence} (2 min old")
    assert told.endswith(f"KiB) + {tail} messages")


async def test_without_a_snapshot_the_log_is_folded_from_its_head(caplog):
    saved = Saved()
    start = await saved.start()

    assert start.told.startswith("no snapshot: from the log's head")
    assert start.state.position == 0
    assert caplog.messages == []


async def test_the_newest_good_one_is_taken_and_each_other_is_warned_of(caplog):
    saved = Saved()
    good = saved.packed[len(saved.packed) // 2]
    saved.bucket = {
        "oldest": saved.packed[1],
        "good": good,
        "damaged": saved.packed[-2][:-9],
        "future": forged(saved.packed[-1], format=99),
    }
    start = await saved.start()

    assert start.state.decided == unpack(good)[0].decided
    assert [message.split(":")[0] for message in caplog.messages] == [
        "snapshot future is passed over",
        "snapshot damaged is passed over",
    ]


class Dumb(MemorySnapshots):
    """A store whose calls named in ``fails`` do."""

    def __init__(self, bucket, *fails):
        super().__init__(bucket)
        self.fails = set(fails)

    async def names(self):
        return await self._or_fail("names", super().names())

    async def load(self, name):
        return await self._or_fail("load", super().load(name))

    async def save(self, name, data):
        await self._or_fail("save", super().save(name, data))

    async def _or_fail(self, what, call):
        result = await call
        if what in self.fails:
            raise Unavailable(f"no {what}")
        return result


@pytest.mark.parametrize("fails", ["names", "load"])
async def test_a_store_that_does_not_answer_keeps_nobody_from_starting(fails, caplog):
    saved = Saved()
    infos = {stream: await saved.log.info(stream) for stream in STREAMS}
    store = Dumb({"a": saved.packed[-1]}, fails)

    start = await newest(store, saved.log, saved.clock, infos)

    assert start.state.position == 0
    assert f"no {fails}" in caplog.text


# -- what is passed over, and why ----------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 5, 40, 90, 400, -400, -1])
@pytest.mark.parametrize("how", ["changed", "cut", "inserted"])
def test_damaged_bytes_are_no_snapshot(at, how):
    packed = Saved().packed[-1]
    at %= len(packed)
    other = bytes([packed[at] ^ 1])
    damaged = {
        "changed": packed[:at] + other + packed[at + 1 :],
        "cut": packed[:at],
        "inserted": packed[:at] + b"7" + packed[at:],
    }[how]

    with pytest.raises(BadSnapshot):
        unpack(damaged)


@pytest.mark.parametrize("field", ["format", "schema", "rules"])
def test_one_of_a_newer_version_is_passed_over(field):
    packed = Saved().packed[-1]
    number = getattr(unpack(packed)[0], field) + 1

    with pytest.raises(BadSnapshot, match=r"a newer version made it \(mcs 9.9, "):
        unpack(forged(packed, version="9.9", **{field: number}))


def test_a_newer_form_is_said_to_be_newer_whatever_follows_its_numbers():
    head = b'{"format":2,"schema":1,"rules":1,"version":"9.9","shape":[1]}\n\x00\x01'
    with pytest.raises(BadSnapshot, match="a newer version made it"):
        unpack(b"sum " + head)


@pytest.mark.parametrize("number", ["SCHEMA", "RULES"])
def test_the_predecessors_are_loaded_and_older_ones_are_not(number, monkeypatch):
    packed = Saved().packed[-1]
    here = getattr(snapshots, number)
    monkeypatch.setattr(snapshots, number, here + 1)
    assert unpack(packed)[1].position > 0

    monkeypatch.setattr(snapshots, number, here + 2)
    with pytest.raises(BadSnapshot, match="older than this one's predecessor"):
        unpack(packed)


def test_a_state_of_another_digest_is_passed_over():
    with pytest.raises(BadSnapshot, match="has the digest"):
        unpack(forged(Saved().packed[-1], state="0" * 32))


def test_a_state_at_another_position_is_passed_over():
    saved = Saved()
    other = unpack(saved.packed[-2])[0].decided
    with pytest.raises(BadSnapshot, match="not the state that its head speaks of"):
        unpack(forged(saved.packed[-1], decided=other))


async def passed_over(saved, caplog):
    start = await saved.start()
    assert start.state.position == 0
    return caplog.text


async def test_one_of_another_stream_is_passed_over(caplog):
    saved = Saved(identity="this")
    saved.bucket = {"a": Saved(identity="other").packed[-1]}

    assert "it is of another DECISIONS" in await passed_over(saved, caplog)


@pytest.mark.parametrize("stream", STREAMS)
async def test_one_ahead_of_the_logs_end_is_passed_over(stream, caplog):
    saved = Saved()
    saved.bucket = {"a": saved.packed[-1]}
    head, _ = unpack(saved.packed[-1])
    ends = {
        Stream.DECISIONS: head.decided.sequence,  # without the decision that bears it out
        Stream.OBSERVATIONS: head.observed.sequence - 1,
    }
    saved.broker.lose_tail(stream, ends[stream])

    told = await passed_over(saved, caplog)

    assert f"ahead of {stream}, which ends at {ends[stream]}: was the log's end lost?" in told


async def test_one_before_the_logs_head_is_passed_over(caplog):
    saved = Saved()
    saved.bucket = {"a": saved.packed[3]}
    head, _ = unpack(saved.packed[3])
    saved.broker.trim(Stream.OBSERVATIONS, head.observed.sequence + 2)

    assert "OBSERVATIONS was trimmed beyond it" in await passed_over(saved, caplog)


async def test_one_that_reaches_just_to_a_trimmed_logs_head_is_taken():
    saved = Saved()
    saved.bucket = {"a": saved.packed[3]}
    head, _ = unpack(saved.packed[3])
    saved.broker.trim(Stream.OBSERVATIONS, head.observed.sequence + 1)

    assert (await saved.start()).state.observed == head.observed


async def test_what_older_rules_folded_is_passed_over_where_the_log_is_whole_i3(caplog):
    """They may have made another state of the same log, which no replay by these would give."""
    saved = Saved()
    saved.bucket = {"a": forged(saved.packed[-1], rules=RULES - 1)}

    told = await passed_over(saved, caplog)

    assert f"rules {RULES - 1} folded it, and rules {RULES} can fold the whole log" in told


async def test_what_older_rules_folded_is_taken_where_the_head_was_trimmed():
    saved = Saved()
    saved.bucket = {"a": forged(saved.packed[3], rules=RULES - 1)}
    head, _ = unpack(saved.packed[3])
    saved.broker.trim(Stream.OBSERVATIONS, head.observed.sequence + 1)

    assert (await saved.start()).state.observed == head.observed


async def test_one_of_another_course_of_the_same_log_is_passed_over(caplog):
    """As after a restore from a backup, with the same identity and other decisions since."""
    saved, other = Saved(seed=1), Saved(seed=2)
    saved.bucket = {"a": other.packed[5]}

    assert "the log is another one" in await passed_over(saved, caplog)


async def test_one_of_another_state_than_the_decision_names_is_passed_over(caplog):
    saved = Saved()
    state = unpack(saved.packed[-1])[1]
    state.elapsed_ms += 1
    infos = {stream: await saved.log.info(stream) for stream in STREAMS}
    saved.bucket = {"a": pack(state, infos, 0.0)}

    assert "was made in state" in await passed_over(saved, caplog)


async def test_one_before_an_unreadable_decision_is_passed_over(caplog):
    saved = Saved()
    saved.bucket = {"a": saved.packed[-1]}
    at = unpack(saved.packed[-1])[0].decided.sequence
    stream = saved.broker.streams[Stream.DECISIONS]
    stream.messages[at] = msgspec.structs.replace(stream.messages[at], data=b"{")

    assert "says nothing" in await passed_over(saved, caplog)


# -- saving them ---------------------------------------------------------------------------------


class Kept:
    """A keeper, and the state that it is shown."""

    def __init__(self, store=None, **settings):
        self.clock = LeapingClock()
        self.store = store if store is not None else MemorySnapshots()
        settings = {"snapshot_every_s": 100.0, "snapshot_messages": 50, **settings}
        self.keeper = Keeper(self.store, InlineBranch(), self.clock, SchedulerSettings(**settings))
        self.keeper.begin(State(), {})
        self.states = [unpack(packed)[1] for packed in Saved(steps=120).packed]

    async def show(self, state):
        self.keeper.consider(state)
        while self.keeper._saving is not None:
            await asyncio.sleep(0)
        return list(self.store.bucket)


def name(state):
    return f"decision-{state.decided.sequence:012d}"


async def test_one_is_saved_after_so_many_messages_and_not_before():
    kept = Kept()
    early = [state for state in kept.states if state.position < 50]
    late = next(state for state in kept.states if state.position >= 50)
    for state in early:
        assert await kept.show(state) == []

    assert await kept.show(late) == [name(late)]
    assert unpack(kept.store.bucket[name(late)])[1].digest() == late.digest()


async def test_one_is_saved_after_so_many_seconds_and_not_before():
    kept = Kept(snapshot_messages=10**9)
    await kept.clock.sleep(99)
    assert await kept.show(kept.states[-2]) == []
    await kept.clock.sleep(1)

    assert await kept.show(kept.states[-1]) == [name(kept.states[-1])]


async def test_with_no_seconds_none_is_saved():
    kept = Kept(snapshot_every_s=0.0, snapshot_messages=1)

    assert await kept.show(kept.states[-1]) == []


async def test_the_newest_few_are_kept():
    kept = Kept(snapshot_messages=1, snapshots_kept=2)
    for state in kept.states[1:6]:
        await kept.show(state)

    assert list(kept.store.bucket) == [name(state) for state in kept.states[4:6]]


async def test_two_are_never_saved_at_once():
    kept = Kept(snapshot_messages=1)
    kept.keeper.consider(kept.states[1])
    kept.keeper.consider(kept.states[2])

    assert await kept.show(kept.states[3]) == [name(kept.states[1])]


async def test_what_is_saved_is_the_state_when_it_was_shown():
    """The scheduler folds on while the store is slow."""
    kept = Kept(snapshot_messages=1)
    state = kept.states[-1]
    before, key = state.digest(), name(state)
    kept.keeper.consider(state)
    state.membership.members.clear()
    state.elapsed_ms += 1
    while kept.keeper._saving is not None:
        await asyncio.sleep(0)

    assert unpack(kept.store.bucket[key])[1].digest() == before


class Forgetful(MemorySnapshots):
    """Loses the last byte of everything."""

    async def save(self, name, data):
        await super().save(name, data[:-1])


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (Dumb({}, "save"), "no save"),
        (Dumb({}, "load"), "no load"),
        (Dumb({}, "names"), "no names"),
        (Forgetful(), "what was stored is not what was saved"),
    ],
)
async def test_a_store_that_fails_is_warned_of_and_tried_again_later(store, said, caplog):
    caplog.set_level(logging.WARNING)
    kept = Kept(store)
    await kept.show(kept.states[-2])
    await kept.show(kept.states[-1])

    assert caplog.text.count(said) == 1
    await kept.clock.sleep(100)
    await kept.show(kept.states[-1])
    assert caplog.text.count(said) == 2


async def test_nothing_old_is_dropped_for_one_that_cannot_be_read_back():
    store = Forgetful({f"old-{number}": b"" for number in range(3)})
    kept = Kept(store)
    await kept.show(kept.states[-1])

    assert len(store.bucket) == 4
