"""Bad input put straight into a real NATS: it is parked and counted, and nobody else is delayed."""

import asyncio
import contextlib
import random
import socket
from urllib.parse import urlsplit

import msgspec
import pytest

from mcs.adapters.clock import SystemClock
from mcs.adapters.jetstream import connect
from mcs.adapters.nats_server import embedded_server
from mcs.adapters.streams import apply_streams
from mcs.errors import LogLost, Unavailable
from mcs.events import codec, subjects
from mcs.events.decisions import CycleMarked, PodPlaced
from mcs.events.event import Last
from mcs.events.frames import DecisionFrame, digest
from mcs.events.observations import ClusterHeartbeat, ClusterJoined, ResyncCompleted, ResyncStarted
from mcs.ports import Stream
from mcs.services.followed_ledger import FollowedLedger
from mcs.services.membership import answer_resyncs, join
from mcs.services.publisher import Publisher
from mcs.services.reading import Ends, Witness, chronicle, fold
from mcs.services.scheduler import Scheduler
from mcs.services.standing import Standing
from mcs.services.targets import Targets
from mcs.settings import SchedulerSettings
from mcs.views.lines import Teller, as_json
from mcs.views.overview import overview
from mcs.views.tables import status_view
from tests.building import delegate, node, proxy

pytestmark = pytest.mark.live

QUICK = SchedulerSettings(silence_s=0.3, mark_s=0.1, retry_s=0.05, resync_ask_s=0.2)
BOUND_S = 60.0
PODS = 40
HEAD = b'{"schema":1,"source":"bad","epoch":%d,"channel":"capacity","number":%d,"previous":"",'
HEADERS = [b"", b"", b"\r\nNats-Odd: \xff", b" 404 \xff\xfe", b" 409 Leadership Change"]
OTHERS = [
    *["mcs.obs._clock", "mcs.obs._clock.x", "mcs.obs._operator.cordon", "mcs.obs._operator.remove"],
    *["mcs.obs._operator", "mcs.obs.bad.capacity", "mcs.obs.bad.cluster", "mcs.obs.bad.proxy"],
    *["mcs.obs.bad.delegate.good", "mcs.obs.bad.delegate.", "mcs.obs.bad", "mcs.obs.bad.new"],
    *["mcs.obs.BAD.cluster", "mcs.obs._.cluster", "mcs.obs.good.capacity", "mcs.obs.good.x.y.z"],
    *["mcs.obs.good.cluster", "mcs.obs.good.delegate.bad", "mcs.obs.é.cluster"],
]


async def until(condition):
    async with asyncio.timeout(BOUND_S):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def working(*coroutines):
    """Run these; what ends one of them fails the test."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        yield tasks
        for task in tasks:
            assert not task.done(), task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Cluster:
    """A cluster's agent in small: it joins, and tells what it is told to tell."""

    def __init__(self, log, name):
        self.log, self.name = log, name

    async def join(self):
        event = ClusterJoined(id=f"id-{self.name}", uid=f"uid-{self.name}")
        clock, append = SystemClock(), self.log.append
        epoch = await join(self.log, clock, self.name, event)
        self.epoch = epoch.number
        self.words = Publisher(append, clock, self.name, epoch.number, joined=epoch.digest)
        return self.words.run()

    async def account(self, channel, *events):
        started = await self.words.publish(channel, ResyncStarted())
        return await self.words.publish(channel, *events, ResyncCompleted(started=started))


class Intruder:
    """Somebody with credentials and no manners: it speaks NATS by hand."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port))
        self.socket.sendall(b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n')

    def put(self, subject, data, headers=b""):
        name = subject if isinstance(subject, bytes) else subject.encode()
        if headers:
            head = b"NATS/1.0" + headers + b"\r\n\r\n"
            sizes = b"%d %d" % (len(head), len(head) + len(data))
            self.socket.sendall(b"HPUB %s %s\r\n%s%s\r\n" % (name, sizes, head, data))
        else:
            self.socket.sendall(b"PUB %s %d\r\n%s\r\n" % (name, len(data), data))

    async def settle(self):
        """Return when the server has read all that was put: what is still on its way gets lost when
        a socket is closed that holds something unread, such as the server's greeting.
        """
        self.socket.sendall(b"PING\r\n")
        await asyncio.to_thread(self._read_to_pong)

    def close(self):
        self.socket.close()

    def _read_to_pong(self):
        self.socket.settimeout(BOUND_S)
        heard = b""
        while b"PONG\r\n" not in heard:
            some = self.socket.recv(65_536)
            assert some, f"the server has hung up: {heard}"
            heard += some


def bad_frames(good, epoch, most):
    """Every kind of wrong bytes for a subject of the cluster ``bad``; ``good`` is a right frame."""
    deep = b"[" * 100_000 + b"]" * 100_000
    event = b'{"type":"node.observed","name":"n","allocatable":{"cpu":%s}}'
    yield from (b"", b"{", b"null", b"[]", b'"x"', b"\x00" * 100, b"\xff\xfe{}", b"not JSON")
    yield from (good[: len(good) // 2], good[:-1], good + b"}", good.replace(b"bad", b"good"))
    yield good.replace(b'"schema":1', b'"schema":"one"')
    yield good.replace(b'"events":[', b'"events":{')
    yield b" " * (most - 10)
    yield deep
    yield HEAD % (epoch, 2**62) + b'"events":[{"type":"pod.teleported","uid":"1"}]}'
    yield HEAD % (2**62, 0) + b'"events":[{"type":"resync.started"}]}'
    yield HEAD % (epoch + 1, 0) + b'"events":[{"type":"node.gone","name":"n1"}]}'
    yield HEAD % (epoch, -1) + b'"events":[]}'
    yield HEAD % (epoch, 10**400) + b'"events":[]}'
    for number in (b"1" * 400, b"NaN", b"1e400", b"-5", b"18446744073709551616", b'"7"', deep):
        yield HEAD % (epoch, 2) + b'"events":[' + event % number + b"]}"
    yield HEAD % (epoch, 2) + b'"events":[' + b'{"type":"clock.ticked"},' * 5000 + b"{}]}"
    yield HEAD % (epoch, 2) + b'"epoch":1,"epoch":2,"source":"bad","events":[],"events":[]}'
    yield HEAD % (epoch, 2) + b'"new":' + deep + b',"events":[]}'
    yield HEAD % (epoch, 2) + b'"at":"\xff","events":[]}'
    yield HEAD % (epoch, 2) + b'"at":"\\ud800","events":[]}'


async def test_bad_observations_are_parked_and_the_pods_of_others_placed_meanwhile_i8(tmp_path):
    async with embedded_server(tmp_path) as server, contextlib.AsyncExitStack() as open_:
        log = await connect(server.url)
        open_.push_async_callback(log.close)
        await apply_streams(log)
        scheduler = Scheduler(log, log, SystemClock(), QUICK, draw_id=lambda: "s")
        good, bad = Cluster(log, "good"), Cluster(log, "bad")
        words = [await good.join(), await bad.join()]
        readers = [
            FollowedLedger.of_source(log, "good"),
            FollowedLedger.of_target(log, "good"),
            Standing(log),
            Targets(log),
        ]
        services = [scheduler.run(), *words, *[reader.run() for reader in readers]]
        async with working(*services):
            await until(lambda: scheduler.active)
            await good.account("capacity", node("n1", cpu=100_000))
            await good.account("proxy")
            await bad.account("capacity", node("n1", cpu=0))
            await good.words.publish("cluster", ClusterHeartbeat(nodes=1))
            sent = await _intrude(server.url, log, good, bad)
            await until(lambda: len(scheduler.state.ledger.placements) == PODS)
            end = (await log.info(Stream.OBSERVATIONS)).last
            await until(lambda: scheduler.state.observed.sequence >= end)
            for number in range(3):
                said = delegate(f"u{number}.1", node="n1")
                await good.words.publish("delegate.good", said)
            for reader in readers[:2]:  # each reads by itself
                await until(lambda each=reader: seen(each.ledger, "u2.1"))
            await until(lambda: scheduler.state.cycle > 5)  # it marks that it lives

            parked = sum(entry.count for entry in scheduler.state.parked.values())
            assert parked >= sent * 0.8
            assert not scheduler.state.membership.members["good"].channels["proxy"].broken
        await _people_read_it(log, scheduler.state)


def seen(ledger, placement):
    return placement in ledger.placements and ledger.placements[placement].seen


async def _intrude(url, log, good, bad):
    """Everything bad on every subject, and between it the pods of the good cluster."""
    first = await log.get(Stream.OBSERVATIONS, bad.epoch)
    frames = list(bad_frames(first.data, bad.epoch, most=log.connection.most_bytes))
    plan = [(subject, data) for data in frames for subject in OTHERS if len(data) < 10**5]
    plan += [("mcs.obs.bad.proxy", data) for data in frames]
    plan += [(b"mcs.obs.bad.\xff\xfe", b"{}"), (b"mcs.obs.\xc3.cluster", b"{}")]
    random.Random(4).shuffle(plan)
    intruder = Intruder(url)
    try:
        for number in range(PODS):
            good.words.offer("proxy", proxy(f"u{number}", cpu=10))
            for subject, data in plan[number::PODS]:
                intruder.put(subject, data, headers=HEADERS[len(data) % len(HEADERS)])
            await asyncio.sleep(0.01)
        await stored_all(intruder, good)
        for sequence in range(1, 20):  # old frames again
            stored = await log.get(Stream.OBSERVATIONS, sequence)
            intruder.put(stored.subject, stored.data)
        await stored_all(intruder, good)
    finally:
        await good.words.flush()
        intruder.close()
    return len(plan)


async def stored_all(intruder, good):
    """Return when the log holds all that the intruder has put: the server has read it, and has
    stored what came later.
    """
    await intruder.settle()
    await good.words.publish("cluster", ClusterHeartbeat(nodes=1))


async def _people_read_it(log, live):
    """``mcs status``, ``mcs log`` and a replay: each cycle in the state it was decided in."""
    cycles = []

    def same(state, frame):
        assert state.digest() == frame.state, f"I3 at cycle {frame.cycle}"
        cycles.append(frame.cycle)

    state = Witness(same)
    ends = await Ends.of(log)
    await fold(log, state, ends)
    assert len(cycles) > 5
    assert {**live.parked} == {kind: state.parked[kind] for kind in live.parked}
    assert status_view(overview(state, now_s=0))
    teller, told = Teller(), 0
    async for stored in chronicle(log, ends):
        told += len([as_json(line) for line in teller.lines(stored)])
    assert told > PODS


@contextlib.asynccontextmanager
async def decided_log(tmp_path):
    """A log with a reign in it, and a ledger that has read it."""
    async with embedded_server(tmp_path) as server, contextlib.AsyncExitStack() as open_:
        log = await connect(server.url)
        open_.push_async_callback(log.close)
        await apply_streams(log)
        scheduler = Scheduler(log, log, SystemClock(), QUICK, draw_id=lambda: "s")
        good = Cluster(log, "good")
        async with working(scheduler.run(), await good.join()):
            await good.account("capacity", node("n1"))
            await good.account("proxy", proxy("u1"))
            await until(lambda: scheduler.state.ledger.placements)
        yield log


def foreign(last, **wrong):
    """A decision that no scheduler made."""
    frame = DecisionFrame(
        reign=1,
        cycle=99,
        based_on=1,
        previous=last.digest,
        observed="",
        state="",
        events=(CycleMarked(),),
    )
    return codec.encode(msgspec.structs.replace(frame, **wrong))


FOREIGN = {
    "not JSON": lambda _: b"{",
    "deep": lambda _: b"[" * 100_000,
    "not chained": lambda last: foreign(last, previous="x"),
    "of no observations": lambda last: foreign(last, based_on=10**9),
    "of other observations": lambda last: foreign(last, based_on=2, observed="x"),
    "huge": lambda last: foreign(last).replace(b'"cycle":99', b'"cycle":' + b"9" * 400),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
async def test_a_foreign_decision_stops_schedulers_which_say_so(make, tmp_path):
    async with decided_log(tmp_path) as log:
        end = await log.info(Stream.DECISIONS)
        stored = await log.get(Stream.DECISIONS, end.last)
        last = Last(sequence=end.last, digest=digest(stored.subject, stored.data))
        await log.append([(subjects.EVERYBODY, make(last))])
        scheduler = Scheduler(log, log, SystemClock(), QUICK, draw_id=lambda: "s2")

        async with asyncio.timeout(BOUND_S):
            with pytest.raises(LogLost):
                await scheduler.run()
        assert (await log.info(Stream.DECISIONS)).last == end.last + 1


async def test_a_foreign_decision_stops_those_whom_it_concerns(tmp_path):
    async with decided_log(tmp_path) as log:
        placed = await log.last(Stream.DECISIONS, "mcs.dec.good.good")
        frame, _ = codec.decode_decision(placed.subject, placed.data)
        assert isinstance(frame.events[0], PodPlaced)
        again = msgspec.structs.replace(frame, previous="x")
        await log.append([(placed.subject, codec.encode(again))])

        with pytest.raises(ExceptionGroup) as caught:
            await FollowedLedger.of_target(log, "good").run()
        assert caught.group_contains(LogLost, match="follows")


async def test_requests_of_any_bytes_are_answered_and_the_next_one_too(tmp_path):
    async with embedded_server(tmp_path) as server:
        log = await connect(server.url)
        asked = []
        intruder = Intruder(server.url)

        def ask(channel):
            asked.append(channel)
            return channel == "proxy"

        async with working(answer_resyncs(log, "good", ask)):
            with contextlib.suppress(Unavailable):
                while not await log.ask("mcs.ctl.good._scheduler.resync", b"x", timeout_s=1):
                    pass
            for data in (b"", b"\xff\xfe", b"\x00" * 10_000, b"[" * 100_000, b"proxy" * 1000):
                intruder.put("mcs.ctl.good.bad.resync", data)  # wants no answer
                answer = await log.ask("mcs.ctl.good.bad.resync", data, timeout_s=BOUND_S)
                assert answer == b"later"
            intruder.put(b"mcs.ctl.good.\xff.resync", b"{}", headers=b" 503 \xff")
            answer = await log.ask("mcs.ctl.good._scheduler.resync", b"proxy", timeout_s=BOUND_S)
            assert answer == b"accepted"
        intruder.close()
        await log.close()
