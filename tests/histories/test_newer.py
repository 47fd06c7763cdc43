"""Logs as a newer version would write them, read by this one: new fields anywhere, new tags."""

import asyncio
import json

import pytest

from mcs.adapters.clock import SystemClock
from mcs.adapters.memory_log import MemoryBroker
from mcs.events import codec
from mcs.events.decisions import SchedulerClaimed
from mcs.events.frames import digest, running
from mcs.ports import Stored, Stream
from mcs.projections.state import State
from mcs.services.followed_ledger import FollowedLedger
from mcs.services.history import History
from mcs.services.scheduler import Scheduler
from mcs.services.target_ledger import TargetLedger
from mcs.settings import SchedulerSettings
from mcs.views.lines import Teller
from tests.histories.record import fold, histories, read
from tests.services.members import running as at_work
from tests.services.members import until

QUICK = SchedulerSettings(silence_s=0.02, mark_s=0.02, retry_s=0.01)
NEW = {"mood": {"deep": [1, {"x": None}]}, "temperature": 10**30}
MELTED = {"type": "node.melted", "name": "n1", "at": "noon"}
DOUBTED = {"type": "placement.doubted", "placement": "u1.1"}


def wider(value):
    """JSON in which every object with a place for fields has some more."""
    if isinstance(value, list):
        return [wider(item) for item in value]
    if not isinstance(value, dict):
        return value
    parts = {"constraints", "taints", "policy", "affinity", "decision", "labels"}
    fields = {
        key: wider(item) if key in parts and not _is_map(key, item) else item
        for key, item in value.items()
    }
    return fields | NEW


def _is_map(key, item):
    """Labels of a node are a map, those of a term a list of parts."""
    return key == "labels" and isinstance(item, dict)


class Newer:
    """A history told again by a newer version, well chained."""

    def __init__(self, history, *, decision=None, observation=None):
        self.log = []
        self._digests, self._observed = {"": ""}, {0: ""}
        self._more = {Stream.DECISIONS: decision, Stream.OBSERVATIONS: observation}
        for stream, stored in history:
            self._tell(stream, stored)

    def _tell(self, stream, stored):
        try:
            frame = json.loads(stored.data)
        except ValueError:
            data = stored.data
        else:
            data = self._told(stream, frame)
        before = digest(stored.subject, stored.data)
        self._digests[before] = digest(stored.subject, data)
        if stream is Stream.OBSERVATIONS:
            seen = self._observed[stored.sequence - 1]
            message = (stored.sequence, stored.subject, stored.time_ns, data)
            self._observed[stored.sequence] = running(seen, *message)
        again = Stored(stored.sequence, stored.subject, stored.time_ns, data)
        self.log.append((stream, again))

    def _told(self, stream, frame):
        frame["schema"] = 2
        frame["previous"] = self._digests[frame["previous"]]
        if stream is Stream.DECISIONS:
            frame["observed"] = self._observed[frame["based_on"]]
            if frame["last"]:
                frame["last"]["digest"] = self._digests[frame["last"]["digest"]]
        for event in frame["events"]:
            if event.get("decision"):
                event["decision"]["digest"] = self._digests[event["decision"]["digest"]]
        more = self._more[stream]
        frame["events"] = [*([more] if more else []), *[wider(each) for each in frame["events"]]]
        if more and frame["events"][1:] and "started" in str(frame["events"][1].get("type")):
            frame["events"].append(frame["events"].pop(0))  # a resync's mark stands first
        if more and frame["events"][1:] and frame["events"][1].get("type") == "cluster.joined":
            frame["events"].append(frame["events"].pop(0))  # and so does a join
        return json.dumps(frame | NEW, separators=(",", ":")).encode()

    def broker(self):
        broker = MemoryBroker(SystemClock())
        for stream, stored in self.log:
            broker.streams[stream].add(stored.subject, stored.data, stored.time_ns)
        return broker


@pytest.fixture(scope="module")
def history():
    return [(stream, stored) for stream, stored, _ in read(histories()[-1])]


def facts(state):
    """What was understood; members hold digests of messages, which differ."""
    members = {
        name: (member.epoch, member.uid, member.lost, member.removed, member.cordons, member.roles)
        for name, member in state.membership.members.items()
    }
    parts = (state.backlog.digest(), state.ledger.digest(), *state.inventory.digest())
    return members, parts, state.policy, state.reign, state.commands


def test_fields_of_a_newer_version_are_passed_over(history):
    newer, before = fold(Newer(history).log), fold(history)

    assert facts(newer) == facts(before)
    assert newer.parked == before.parked


def test_a_tag_of_a_newer_version_is_parked_and_the_rest_of_its_frame_folded(history):
    newer, before = fold(Newer(history, observation=MELTED).log), fold(history)

    assert facts(newer) == facts(before)
    parked = newer.parked["unreadable event node.melted"]
    assert parked.count > 100
    assert parked.subject.startswith("mcs.obs.")


async def test_the_chains_hold_over_what_is_not_understood(history):
    newer = Newer(history, decision=DOUBTED, observation=MELTED)
    reading = History(newer.broker().connect(), State(), strict=True)
    await reading.open()
    end = sum(stream is Stream.DECISIONS for stream, _ in newer.log)
    while reading.state.decided.sequence < end:
        assert await reading.follow(timeout_s=5)
    await reading.close()

    assert set(reading.unknown) == {"placement.doubted"}
    assert reading.state.parked["unreadable decision placement.doubted"].count == end


@pytest.mark.parametrize("decision", [None, DOUBTED])
async def test_a_standby_that_meets_an_unknown_decision_never_claims_and_says_so(
    history, decision, caplog
):
    broker = Newer(history, decision=decision).broker()
    decided = broker.streams[Stream.DECISIONS]
    before, connection = decided.last, broker.connect()
    scheduler = Scheduler(connection, connection, SystemClock(), QUICK, draw_id=lambda: "x")
    refused = "not claiming: unknown decisions (placement.doubted)"
    async with at_work(scheduler):
        await until(lambda: scheduler.active or refused in caplog.text)

    assert (decided.last > before) is (decision is None)
    assert (refused in caplog.text) is (decision is not None)
    if decision is None:
        stored = decided.messages[before]
        frame, _ = codec.decode_decision(stored.subject, stored.data)
        assert isinstance(frame.events[0], SchedulerClaimed)


@pytest.mark.parametrize(
    ("make", "cluster"),
    [
        (FollowedLedger.of_target, "c1"),
        (FollowedLedger.of_target, "c2"),
        (FollowedLedger.of_source, "c1"),
        (TargetLedger, "c2"),
    ],
)
async def test_executors_and_feedback_go_on(history, make, cluster):
    ledgers = []
    newer = Newer(history, decision=DOUBTED, observation=MELTED)
    for broker in Newer([]).broker(), newer.broker():
        if not broker.streams[Stream.DECISIONS].messages:
            for stream, stored in history:
                broker.streams[stream].add(stored.subject, stored.data, stored.time_ns)
        followed = make(broker.connect(), cluster)
        async with at_work(followed), asyncio.timeout(10):
            await followed.caught_up()
        ledgers.append(followed)

    before, after = ledgers
    assert after.ledger.placements == before.ledger.placements
    assert after.ledger.placements
    assert after.decisions.parked > before.decisions.parked == 0
    assert after.decisions.last.sequence == before.decisions.last.sequence


def test_people_read_on(history):
    newer = Newer(history, decision=DOUBTED, observation=MELTED)
    teller, before = Teller(), Teller()

    told = [line for _, stored in newer.log for line in teller.lines(stored)]
    known = [line for _, stored in history for line in before.lines(stored)]

    assert sum(line.event is not None for line in told) == sum(
        line.event is not None for line in known
    )
    assert sum("placement.doubted" in str(line.words) for line in told) > 20
