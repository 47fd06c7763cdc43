"""The event log beside bare NATS: one JSON line per figure.

    python -m bench.log [--short]

Every floor is the same bytes sent by nats-py without mcs, on the same server in the same run; the
runs alternate in small blocks, so that a busy machine slows both alike. Latencies in microseconds.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from nats.aio.client import Client
from nats.aio.msg import Msg

from bench.reporting import Report, arguments, percentile
from mcs.adapters.jetstream import JetStream, connect
from mcs.adapters.nats_server import embedded_server
from mcs.adapters.streams import apply_streams
from mcs.ports import Stream

PAYLOAD = b"x" * 300
FRAME = b"x" * 64 * 300
SUBJECT = "mcs.dec.a.b"
_BLOCK = 50
_WARM_UP = 100
_PULL = 1000
_REPEATS = 3


def microseconds(values: list[float], percent: float) -> float:
    """A percentile of seconds."""
    return percentile(values, percent) * 1e6


async def alternate(
    rounds: int, ours: Callable[[], Awaitable[float]], bare: Callable[[], Awaitable[float]]
) -> tuple[list[float], list[float]]:
    """Seconds of each call of both, in turn, after a warm-up."""
    for _ in range(_WARM_UP):
        await ours()
        await bare()
    mine: list[float] = []
    theirs: list[float] = []
    for _ in range(0, rounds, _BLOCK):
        mine += [await ours() for _ in range(_BLOCK)]
        theirs += [await bare() for _ in range(_BLOCK)]
    return mine, theirs


def report_latencies(report: Report, case: str, mine: list[float], theirs: list[float]) -> None:
    for percent in (50, 99):
        value, floor = microseconds(mine, percent), microseconds(theirs, percent)
        report.add(f"{case} p{percent}", value, "us", floor)


async def appends(report: Report, log: JetStream, client: Client, rounds: int) -> None:
    """One append, with and without the fence, against a bare awaited publish."""
    bare_log = client.jetstream()
    for name, payload in (("300 B", PAYLOAD), ("64 events", FRAME)):

        async def bare(payload: bytes = payload) -> float:
            start = time.perf_counter()
            await bare_log.publish("bench.a", payload)
            return time.perf_counter() - start

        async def plain(payload: bytes = payload) -> float:
            start = time.perf_counter()
            await log.append([(SUBJECT, payload)])
            return time.perf_counter() - start

        report_latencies(report, f"append {name}", *await alternate(rounds, plain, bare))
        last = (await log.info(Stream.DECISIONS)).last

        async def fenced(payload: bytes = payload) -> float:
            nonlocal last
            start = time.perf_counter()
            last = await log.append([(SUBJECT, payload)], expected_last=last)
            return time.perf_counter() - start

        report_latencies(report, f"append {name} fenced", *await alternate(rounds, fenced, bare))


async def deliveries(
    report: Report, log: JetStream, other: JetStream, client: Client, rounds: int
) -> None:
    """From the append to ``next()`` of another connection, against a bare publish and pull."""
    reader = await other.read(Stream.DECISIONS, after=(await log.info(Stream.DECISIONS)).last)
    arrived: asyncio.Queue[Msg] = asyncio.Queue()
    pull = await bare_consumer(client, "BENCH", arrived.put, new=True)
    await pull(rounds + _WARM_UP + _BLOCK)

    async def ours() -> float:
        start = time.perf_counter()
        sending = asyncio.create_task(log.append([(SUBJECT, PAYLOAD)]))
        await reader.next()
        took = time.perf_counter() - start
        await sending
        return took

    async def bare() -> float:
        start = time.perf_counter()
        await log.connection.publish("bench.a", PAYLOAD)
        await arrived.get()
        return time.perf_counter() - start

    report_latencies(report, "publish to next", *await alternate(rounds, ours, bare))
    await reader.close()


async def bare_consumer(
    client: Client, stream: str, take: Callable[[Msg], Awaitable[None]], *, new: bool = False
) -> Callable[[int], Awaitable[None]]:
    """A consumer without mcs: a core subscription, and a function that pulls."""
    inbox = client.new_inbox()
    await client.subscribe(inbox, cb=take, pending_msgs_limit=0, pending_bytes_limit=0)
    config = {"ack_policy": "none", "deliver_policy": "new" if new else "all", "name": "bench"}
    request = {"stream_name": stream, "config": config}
    subject = f"$JS.API.CONSUMER.CREATE.{stream}.bench"
    await client.request(subject, json.dumps(request).encode(), timeout=5)

    async def pull(batch: int) -> None:
        ask = json.dumps({"batch": batch, "expires": 600_000_000_000}).encode()
        await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.bench", ask, reply=inbox)

    return pull


async def throughput(report: Report, log: JetStream, client: Client, messages: int) -> None:
    """Stored messages read from the beginning, against the bare subscription with three pulls.

    Decisions carry the headers of their batches, which nats-py parses slowly; observations none.
    """
    await fill(log, messages)
    for stream, subject in (
        (Stream.OBSERVATIONS, "mcs.obs.a.*"),
        (Stream.DECISIONS, "mcs.dec.a.*"),
    ):
        bare, whole, filtered = [], [], []
        for _ in range(_REPEATS):
            bare.append(await read_bare(client, stream, messages))
            whole.append(await read(log, stream, "", messages))
            filtered.append(await read(log, stream, subject, messages))
        report.add(f"read {stream}", max(whole), "messages/s", max(bare))
        report.add(f"read {stream} filtered", max(filtered), "messages/s", max(bare))


async def fill(log: JetStream, messages: int) -> None:
    """At least ``messages`` in both streams."""
    for _ in range(0, messages, 500):
        frames = [[("mcs.obs.a.cluster", PAYLOAD)]] * 500
        await asyncio.gather(*(log.append(frame) for frame in frames))
    while (await log.info(Stream.DECISIONS)).last < messages:
        await log.append([(SUBJECT, PAYLOAD)] * 1000)


async def read(log: JetStream, stream: Stream, subject: str, messages: int) -> float:
    """Messages a second."""
    start, count = time.perf_counter(), 0
    reader = await log.read(stream, subject=subject)
    while count < messages:
        count += len(await reader.next())
    took = time.perf_counter() - start
    await reader.close()
    return messages / took


async def read_bare(client: Client, stream: str, messages: int) -> float:
    """Messages a second, without mcs."""
    finished = asyncio.Event()
    count = 0

    async def take(_: Msg) -> None:
        nonlocal count
        count += 1
        if count % _PULL == 0:
            await pull(_PULL)
        if count == messages:
            finished.set()

    start = time.perf_counter()
    pull = await bare_consumer(client, stream, take)
    for _ in range(3):
        await pull(_PULL)
    await finished.wait()
    took = time.perf_counter() - start
    await client.request(f"$JS.API.CONSUMER.DELETE.{stream}.bench", timeout=5)
    return messages / took


async def main() -> None:
    """All figures, on a server of their own."""
    short = arguments(__doc__).short
    report, rounds = Report("log"), 500 if short else 2000
    async with embedded_server() as server:
        log, other = await connect(server.url), await connect(server.url)
        client = Client()
        await client.connect(server.url)
        await apply_streams(log)
        await client.jetstream().add_stream(name="BENCH", subjects=["bench.>"])
        await throughput(
            report, log, client, 10_000 if short else 50_000
        )  # first: of small messages only
        await appends(report, log, client, rounds)
        await deliveries(report, log, other, client, rounds)
        await client.close()
        await other.close()
        await log.close()
    report.show()


if __name__ == "__main__":
    asyncio.run(main())
