"""A good log is always clean; a log with one frame tampered with is always found out."""

import asyncio

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mcs.adapters.memory_snapshots import MemorySnapshots
from mcs.events import codec
from mcs.events.event import Last
from mcs.events.frames import digest
from mcs.events.observations import Phase, Verb
from mcs.events.seals import Seal
from mcs.names import Keys
from mcs.ports import Stored, Stream
from mcs.projections.state import RULES
from mcs.services.findings import Flaw, Held
from mcs.services.snapshots import pack
from mcs.services.verifying import earliest, verify
from tests.building import World, delegate, deleted, node, proxy
from tests.stored import StoredLog

STREAMS = st.sampled_from(list(Stream))


def verified(log, **options):
    return asyncio.run(verify(log, Keys(), now_s=0, **options))


def step(world):
    """A cycle as a scheduler makes it: with a mark where there is nothing to decide."""
    if not world.cycle():
        world.mark()


def eventful():
    """A small world in which most kinds of events happen."""
    world = World()
    world.join("c1", node("n1", cpu=500))
    world.join("c2", node("n1", cpu=1000))
    world.proxies("c1", proxy("u1"), proxy("u2"), proxy("u3", cpu=5000))
    step(world)
    world.delegates("c2", "c1", delegate("u1.1", node="n1"))
    step(world)
    for _ in range(3):
        world.tick(1)
        world.heartbeat("c1", decision=world.state.decided)
        world.heartbeat("c2")
    world.proxies("c1", deleted("u1"))
    step(world)
    world.delegates("c2", "c1", delegate("u2.1", node="n1", phase=Phase.RUNNING))
    world.command(id="o1", verb=Verb.CORDON, cluster="c2")
    step(world)
    world.tick()
    return world


WORLD = eventful()
LOG = StoredLog.of(WORLD)
SEAL = Seal(decided=WORLD.state.decided, observed=WORLD.state.observed)


@st.composite
def worlds(draw):
    """A world of a few clusters, and whatever happens in it."""
    world = World()
    names = ["c1", "c2", "c3"][: draw(st.integers(1, 3))]
    for name in names:
        world.join(name, node("n1", cpu=draw(st.sampled_from([100, 500, 2000]))))
    uids = 0
    for _ in range(draw(st.integers(0, 12))):
        name = draw(st.sampled_from(names))
        match draw(st.sampled_from(["proxy", "cycle", "mark", "tick", "beat", "delete", "join"])):
            case "proxy":
                uids += 1
                world.proxies(name, proxy(f"u{uids}", cpu=draw(st.sampled_from([100, 700]))))
            case "cycle":
                world.cycle()
            case "mark":
                step(world)
            case "tick":
                world.tick(draw(st.integers(1, 60)))
            case "beat":
                world.heartbeat(name, decision=world.state.decided)
            case "delete" if uids:
                world.proxies(name, deleted(f"u{draw(st.integers(1, uids))}"))
            case "join":
                world.join(name, node("n1"), id=f"join-{len(world.observations)}")
    return world


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_an_untouched_log_is_clean(world):
    seal = Seal(decided=world.state.decided, observed=world.state.observed)

    found = verified(StoredLog.of(world), expected=seal)

    assert found.clean and found.whole, found.differences
    assert found.held is Held.AGREES
    assert found.seal == seal
    assert found.counts.decision_frames == len(world.decisions)
    assert found.counts.observations == len(world.observations)
    assert found.counts.derived + found.counts.claims == found.counts.cycles


def renumbered(messages):
    return [
        msgspec.structs.replace(stored, sequence=number)
        for number, stored in enumerate(messages, 1)
    ]


def leaves(value, path=()):
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], (*path, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from leaves(each, (*path, number))
    else:
        yield path


def with_leaf_changed(data, draw):
    """The frame with one value changed, as valid JSON of the same types."""
    tree = msgspec.json.decode(data)
    path = draw(st.sampled_from(list(leaves(tree))))
    inner = tree
    for step in path[:-1]:
        inner = inner[step]
    match inner[path[-1]]:
        case bool(value):
            changed = not value
        case int(value):
            changed = value + draw(st.sampled_from([-1, 1, 1000]))
        case str(value):
            changed = value + "x" if not value or draw(st.booleans()) else value[1:]
        case _:
            changed = "x"
    inner[path[-1]] = changed
    return msgspec.json.encode(tree)


def with_byte_changed(data, draw):
    """The frame with one byte changed, which stays valid JSON."""
    position = draw(st.integers(0, len(data) - 1))
    byte = draw(st.sampled_from(b"0123456789abcdefzZ-."))
    changed = data[:position] + bytes([byte]) + data[position + 1 :]
    try:
        msgspec.json.decode(changed)
    except msgspec.DecodeError:
        assume(False)
    return changed


@st.composite
def tamperings(draw):
    """A good log with one thing done to it, and what was done."""
    log, stream = LOG.copy(), draw(STREAMS)
    messages = log.streams[stream]
    number = draw(st.integers(0, len(messages) - 1))
    stored = messages[number]
    kinds = ["remove", "dig", "leaf", "byte", "swap", "insert", "double", "cut", "move", "redate"]
    kind = draw(st.sampled_from(kinds))
    match kind:
        case "remove":
            del messages[number]
            messages[:] = renumbered(messages)
        case "dig":
            assume(number > 0)  # a trimmed head is no tampering with OBSERVATIONS
            del messages[number]
        case "leaf":
            changed = with_leaf_changed(stored.data, draw)
            messages[number] = msgspec.structs.replace(stored, data=changed)
        case "byte":
            changed = with_byte_changed(stored.data, draw)
            messages[number] = msgspec.structs.replace(stored, data=changed)
        case "swap":
            other = draw(st.integers(0, len(messages) - 1))
            messages[number], messages[other] = messages[other], stored
            messages[:] = renumbered(messages)
        case "insert":
            source = LOG.streams[stream][draw(st.integers(0, len(messages) - 1))]
            foreign = msgspec.structs.replace(source, data=with_leaf_changed(source.data, draw))
            messages.insert(number, foreign)
            messages[:] = renumbered(messages)
        case "double":
            messages.insert(number, stored)
            messages[:] = renumbered(messages)
        case "cut":
            del messages[number:]
        case "move":
            subject = draw(st.sampled_from([each.subject for each in messages]))
            messages[number] = msgspec.structs.replace(stored, subject=subject)
        case "redate":
            assume(stream is Stream.OBSERVATIONS)  # nothing is folded of a decision's time
            later = stored.time_ns + draw(st.sampled_from([-1, 1, 10**9]))
            messages[number] = msgspec.structs.replace(stored, time_ns=later)
    # Whatever is added behind the digest known outside may be true.
    ends = {name: len(LOG.streams[name]) for name in Stream}
    grown = log.streams[Stream.OBSERVATIONS][: ends[Stream.OBSERVATIONS]]
    assume((grown, log.streams[Stream.DECISIONS]) != tuple(LOG.streams.values()))
    return kind, stream, number, log


@settings(max_examples=400, deadline=None)
@given(tamperings())
def test_a_log_tampered_with_is_found_out(tampering):
    _, _, _, log = tampering

    found = verified(log, expected=SEAL)

    assert not found.clean
    first = found.differences[0]
    assert first.words


@settings(max_examples=200, deadline=None)
@given(tamperings())
def test_without_a_digest_from_outside_all_before_the_last_cycle_is_found_out(tampering):
    kind, stream, number, log = tampering
    last = len(WORLD.decisions) - 1
    known = WORLD.decisions[-1][3].based_on
    if stream is Stream.OBSERVATIONS:
        assume(log.streams[stream][:known] != LOG.streams[stream][:known])
    else:
        assume(kind != "cut" and (number < last or kind not in {"remove", "dig"}))

    assert not verified(log).clean


def changed_decision(position, **fields):
    """The good log with fields of one decision frame changed."""
    log = LOG.copy()
    messages = log.streams[Stream.DECISIONS]
    stored = messages[position]
    frame, _ = codec.decode_decision(stored.subject, stored.data)
    data = codec.encode(msgspec.structs.replace(frame, **fields))
    messages[position] = msgspec.structs.replace(stored, data=data)
    return log


def first(log, **options):
    return verified(log, **options).differences[0]


def test_a_missing_frame_is_named():
    log = LOG.copy()
    del log.streams[Stream.DECISIONS][2]

    found = first(log)

    assert (found.flaw, found.sequence) == (Flaw.MISSING, 3)
    assert found.words == "DECISIONS 3 is missing: 4 stands in its place"


def test_a_hole_in_the_observations_is_named():
    log = LOG.copy()
    del log.streams[Stream.OBSERVATIONS][4]

    found = first(log)

    assert (found.flaw, found.stream, found.sequence) == (Flaw.MISSING, Stream.OBSERVATIONS, 5)


def test_a_decision_that_is_no_frame_is_named():
    log = LOG.copy()
    messages = log.streams[Stream.DECISIONS]
    messages[1] = msgspec.structs.replace(messages[1], data=b"{}")

    found = first(log)

    assert (found.flaw, found.sequence) == (Flaw.UNREADABLE, 2)
    assert "cannot be read" in found.words


def test_a_frame_that_names_another_one_before_it_is_shown_beside_what_it_should_be():
    found = first(changed_decision(2, previous="0" * 32))

    assert (found.flaw, found.sequence) == (Flaw.CHAIN, 3)
    assert found.expected == LOG.streams[Stream.DECISIONS][2].data
    assert b'"previous":"0000' in found.found


def test_a_frame_that_forgets_the_one_before_it_on_its_subject_is_named():
    position = next(
        number for number, (_, _, _, frame) in enumerate(WORLD.decisions) if frame.last.sequence
    )

    found = first(changed_decision(position, last=msgspec.structs.replace(SEAL.decided)))

    assert found.flaw is Flaw.SUBJECT
    assert "on mcs.dec." in found.words


@pytest.mark.parametrize("fields", [{"cycle": 9}, {"reign": 2}, {"reign": 0}, {"count": 0}])
def test_a_cycle_that_is_not_the_next_one_is_named(fields):
    found = first(changed_decision(3, **fields))

    assert found.flaw is Flaw.CYCLE


def test_a_cycle_based_on_what_lies_before_the_last_one_is_named():
    found = first(changed_decision(5, based_on=1))

    assert (found.flaw, found.sequence) == (Flaw.BASED_ON, 6)
    assert "never goes back" in found.words


def test_a_cycle_based_on_what_is_not_there_is_named():
    log = LOG.copy()
    del log.streams[Stream.OBSERVATIONS][20:]

    found = first(log)

    assert found.flaw is Flaw.BASED_ON
    assert "OBSERVATIONS ends at 20: its end was cut off" in found.words


def test_a_changed_observation_is_found_by_the_next_cycle():
    log = LOG.copy()
    messages = log.streams[Stream.OBSERVATIONS]
    position = next(n for n, each in enumerate(messages) if b'"u2"' in each.data)
    data = messages[position].data.replace(b'"u2"', b'"u9"', 1)
    messages[position] = msgspec.structs.replace(messages[position], data=data)

    found = first(log)

    assert (found.flaw, found.stream) == (Flaw.OBSERVED, Stream.DECISIONS)
    assert found.since < position + 1 <= found.until


def test_another_state_is_told_from_another_decision():
    position = 3

    state = first(changed_decision(position, state="0" * 32))
    decision = first(changed_decision(position, events=WORLD.decisions[1][3].events))

    assert state.flaw is Flaw.STATE
    assert "in another state than the log gives" in state.words
    assert decision.flaw is Flaw.DECISION
    assert decision.expected == LOG.streams[Stream.DECISIONS][position].data


def test_a_cycle_cut_in_the_middle_is_found_without_any_help():
    frames = [frame for _, _, _, frame in WORLD.decisions]
    position = next(number for number, frame in enumerate(frames) if frame.count > 1)
    log = LOG.copy()
    del log.streams[Stream.DECISIONS][position + 1 :]

    found = first(log)

    assert found.flaw is Flaw.INCOMPLETE
    assert "has 1 of its 2 frames" in found.words


def test_a_log_cut_off_is_found_by_a_digest_known_outside():
    log = LOG.copy()
    del log.streams[Stream.DECISIONS][-1]

    # The tail of OBSERVATIONS names no later decision: nothing inside tells.
    assert verified(log).clean
    found = verified(log, expected=SEAL)
    assert found.held is Held.DIFFERS
    assert found.differences[0].flaw is Flaw.SEAL
    assert "ends at 5, but 6 was known outside: its end was cut off" in found.differences[0].words


def test_a_log_cut_off_is_found_by_what_agents_have_read():
    world = eventful()
    world.heartbeat("c1", decision=world.state.decided)
    log = StoredLog.of(world)
    del log.streams[Stream.DECISIONS][-1]

    found = first(log)

    assert (found.flaw, found.sequence) == (Flaw.LOST, len(world.decisions))
    assert "cut off" in found.words


def test_a_digest_that_was_not_reached_is_not_said_to_agree():
    log = LOG.copy()
    del log.streams[Stream.DECISIONS][2]

    found = verified(log, expected=SEAL)

    assert found.held is Held.NOT_REACHED


def test_a_digest_that_was_passed_before_the_difference_agrees():
    _, subject, data, _ = WORLD.decisions[0]
    early = Seal(decided=Last(sequence=1, digest=digest(subject, data)))

    found = verified(changed_decision(3, cycle=9), expected=early)

    assert found.held is Held.AGREES


def test_a_cycle_counts_as_whole_when_all_of_its_frames_do():
    frames = [frame for _, _, _, frame in WORLD.decisions]
    position = next(number for number, frame in enumerate(frames) if frame.index == 1)

    found = verified(changed_decision(position, events=()))

    assert found.differences[0].cycle == frames[position].cycle
    assert found.cycle == frames[position].cycle - 1


def test_the_digest_of_another_log_is_told():
    other = msgspec.structs.replace(SEAL.observed, digest="0" * 32)

    found = verified(LOG, expected=msgspec.structs.replace(SEAL, observed=other))

    assert found.held is Held.DIFFERS
    assert found.differences[0].flaw is Flaw.SEAL


def test_a_log_that_grew_still_holds_its_old_digest():
    world = eventful()
    seal = Seal(decided=world.state.decided, observed=world.state.observed)
    world.tick()
    step(world)

    found = verified(StoredLog.of(world), expected=seal)

    assert found.clean
    assert found.held is Held.AGREES


def test_retries_and_gaps_are_legal_and_counted():
    world = eventful()
    heartbeats = [message for message in world.observations if b"heartbeat" in message[3]]
    world.store(heartbeats[-1][1], heartbeats[-1][3])
    world.observe("c2", "capacity", node("n2"), number=40)
    world.resync("c2", "capacity", node("n1"))
    world.store("mcs.obs.c1.proxy", b"garbage")
    step(world)

    found = verified(StoredLog.of(world))

    assert found.clean, found.differences
    assert (found.counts.retried, found.counts.gaps) == (1, 1)
    assert sum(found.counts.parked.values()) == 1


def test_what_no_agent_wrote_is_a_difference_in_a_log_that_is_whole():
    world = eventful()
    heartbeats = [message for message in world.observations if b"heartbeat" in message[3]]
    _, subject, _, data = heartbeats[-1]
    world.store(subject, data.replace(b'"events"', b'"at":"then","events"'))
    step(world)

    found = verified(StoredLog.of(world))

    assert [each.flaw for each in found.differences] == [Flaw.FOREIGN]
    assert "which another frame had" in found.differences[0].words
    assert found.counts.decision_frames == len(world.decisions)


def foreign_rules(world):
    """The world's log, taken over by a scheduler of rules to come."""
    from mcs.decisions.framing import frame_cycle
    from mcs.events.decisions import (
        CycleMarked,
        Policy,
        PolicyActivated,
        ProxyReleased,
        SchedulerClaimed,
    )

    claim = SchedulerClaimed(reign=2, id="newer")
    activation = PolicyActivated(rules=99, schema=1, version="9", policy=Policy())
    release = ProxyReleased(uid="u3", source="c1", namespace="default", name="pod-u3")
    for events in (claim, activation), (CycleMarked(),), (release,):
        world.tick()
        cycle = frame_cycle(world.state, 2, events)
        for number, (frame, (subject, written)) in enumerate(
            zip(cycle.frames, cycle.messages, strict=True), cycle.after + 1
        ):
            data = written.replace(frame.state.encode(), b"f" * 32)  # another fold's
            world.decisions.append((number, subject, data, frame))
            world.state.decide(number, subject, data, frame)
    return world


def test_cycles_of_rules_to_come_have_a_verdict_of_their_own():
    found = verified(StoredLog.of(foreign_rules(eventful())))

    assert found.clean, found.differences
    assert not found.whole
    assert found.counts.foreign_rules == {99: 3}


def test_their_chain_is_held_all_the_same():
    log = StoredLog.of(foreign_rules(eventful()))
    messages = log.streams[Stream.DECISIONS]
    messages[-2] = msgspec.structs.replace(messages[-2], data=messages[-2].data + b" ")

    assert first(log).flaw is Flaw.CHAIN


def test_below_a_trimmed_head_there_is_only_the_chain():
    log = LOG.copy()
    log.trim(Stream.OBSERVATIONS, 12)

    found = verified(log, expected=SEAL)

    assert found.clean, found.differences
    assert not found.whole
    assert found.counts.chain_only == found.counts.cycles
    assert found.held is Held.AGREES


def test_below_a_trimmed_head_changed_observations_are_found_by_the_running_digest():
    log = LOG.copy()
    log.trim(Stream.OBSERVATIONS, 12)
    messages = log.streams[Stream.OBSERVATIONS]
    position = len(messages) - 3
    later = messages[position].time_ns + 1
    messages[position] = msgspec.structs.replace(messages[position], time_ns=later)

    assert first(log, expected=SEAL).flaw in {Flaw.OBSERVED, Flaw.SEAL}


def test_from_a_snapshot_on_cycles_are_derived_again():
    world = eventful()
    world.tick()
    snapshot = world.replay()
    step(world)
    world.tick()
    step(world)
    log = StoredLog.of(world)
    log.trim(Stream.OBSERVATIONS, snapshot.observed.sequence - 2)

    found = verified(log, start=snapshot)

    assert found.clean, found.differences
    assert found.counts.derived == 2
    assert found.counts.chain_only == found.counts.cycles - 2


async def test_the_oldest_snapshot_that_is_whole_and_reaches_the_head_is_gone_on_from():
    world = eventful()
    snapshots = MemorySnapshots()
    states = {}
    for name in ("too-old", "oldest", "newest"):
        world.tick()
        states[name] = world.replay()
        await snapshots.save(name, pack(states[name], {}, 0.0))
        step(world)
    await snapshots.save("damaged", b"x")
    log = StoredLog.of(world)
    assert await earliest(snapshots, log) is None, "nothing is missing"

    log.trim(Stream.OBSERVATIONS, states["oldest"].observed.sequence + 1)
    found = await earliest(snapshots, log)

    assert found.digest() == states["oldest"].digest()
    assert (await verify(log, Keys(), now_s=0, start=found)).counts.derived == 2


async def test_a_snapshot_that_older_rules_folded_is_not_gone_on_from(monkeypatch):
    world, snapshots = eventful(), MemorySnapshots()
    world.tick()
    state = world.replay()
    world.tick()
    step(world)
    log = StoredLog.of(world)
    log.trim(Stream.OBSERVATIONS, state.observed.sequence + 1)
    with monkeypatch.context() as older:
        older.setattr("mcs.services.snapshots.RULES", RULES - 1)
        await snapshots.save("older", pack(state, {}, 0.0))
    assert await earliest(snapshots, log) is None

    await snapshots.save("today's", pack(state, {}, 0.0))
    assert (await earliest(snapshots, log)).digest() == state.digest()


async def test_a_snapshot_of_another_history_is_not_believed():
    world = eventful()
    world.tick()
    snapshot = world.replay()
    snapshot.elapsed_ms += 1
    step(world)
    log = StoredLog.of(world)
    log.trim(Stream.OBSERVATIONS, snapshot.observed.sequence + 1)

    found = await verify(log, Keys(), now_s=0, start=snapshot)

    assert found.counts.derived == 0


def test_an_empty_log_is_clean():
    found = verified(StoredLog([], []), expected=Seal())

    assert found.clean
    assert found.whole
    assert found.newest_s is None


def test_progress_is_told():
    told = []

    verified(LOG, told=lambda done, total, _: told.append((done, total)))

    everything = len(WORLD.decisions) + len(WORLD.observations)
    assert told[-1] == (everything, everything)
    assert told == sorted(told)


def test_the_newest_cycle_tells_whether_anybody_is_active():
    newest_s = LOG.streams[Stream.DECISIONS][-1].time_ns / 1e9

    found = asyncio.run(verify(LOG, Keys(), now_s=newest_s + 3))

    assert found.newest_s == pytest.approx(3, abs=0.01)


def test_another_domain_decides_otherwise():
    found = asyncio.run(verify(LOG, Keys("example.com"), now_s=0))

    assert found.differences[0].flaw is Flaw.DECISION


def test_an_extra_frame_behind_a_cycle_does_not_continue_it():
    log = LOG.copy()
    messages = log.streams[Stream.DECISIONS]
    frame, _ = codec.decode_decision(messages[-1].subject, messages[-1].data)
    more = msgspec.structs.replace(
        frame, index=1, count=2, previous=SEAL.decided.digest, last=SEAL.decided
    )
    messages.append(Stored(messages[-1].sequence + 1, messages[-1].subject, 0, codec.encode(more)))

    found = first(log)

    assert found.flaw in {Flaw.CYCLE, Flaw.SUBJECT}
