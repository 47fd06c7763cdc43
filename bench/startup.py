"""How long a scheduler takes to begin: from a snapshot and a tail, beside only decoding the tail.

    python -m bench.startup [--short] [--tail 100000] [--pods 15000]

The log is that of ``bench.replay``; the snapshot is of the cycle after which about ``--tail``
events follow. Folding is measured in seconds of the processor, on the in-memory log, since nothing
waits there; saving and loading in seconds of the clock, on a real nats-server. Then the same for a
big state: what a snapshot weighs, and for how long the scheduler stops to take it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
import zlib
from collections.abc import Callable
from typing import TypeVar

from bench.recorded import _CLUSTERS, Recording, _Federation, _Writer, recorded
from bench.replay import decode
from bench.reporting import Report, arguments, median, say
from mcs.adapters.clock import SystemClock
from mcs.adapters.jetstream import connect
from mcs.adapters.jetstream_snapshots import JetStreamSnapshots
from mcs.adapters.memory_snapshots import MemorySnapshots
from mcs.adapters.nats_server import embedded_server
from mcs.adapters.streams import apply_streams
from mcs.events import codec
from mcs.events.frames import DecisionFrame
from mcs.ports import EventLog, Stream, StreamInfo
from mcs.projections.state import State
from mcs.services.reading import Ends, Witness, fold
from mcs.services.snapshots import newest, pack, unpack

T = TypeVar("T")
_MIB = 1 << 20


class _Taken(Exception):
    """Ends a fold."""


def timed(work: Callable[[], T], clock: Callable[[], float] = time.process_time) -> tuple[float, T]:
    """Seconds that some work took, and its result."""
    gc.collect()
    began = clock()
    result = work()
    return clock() - began, result


async def infos_of(log: EventLog) -> dict[Stream, StreamInfo]:
    return {stream: await log.info(stream) for stream in Stream}


async def snapshot_before(recording: Recording, tail: int) -> tuple[bytes, Recording]:
    """A snapshot of the first cycle with at most ``tail`` events after it, and those messages."""
    log = recording.broker().connect()
    infos, ends = await infos_of(log), await Ends.of(log)
    total = sum(len(messages) for messages in recording.messages.values())
    behind = total - int(total * tail / recording.events)
    taken: list[bytes] = []

    def before_cycle(state: State, _: DecisionFrame) -> None:
        if state.position >= behind:
            taken.append(pack(state, infos, time.time()))
            raise _Taken

    with contextlib.suppress(_Taken):
        await fold(log, Witness(before_cycle), ends)
    head, _ = unpack(taken[0])
    rest = Recording()
    rest.messages = {
        Stream.DECISIONS: recording.messages[Stream.DECISIONS][head.decided.sequence :],
        Stream.OBSERVATIONS: recording.messages[Stream.OBSERVATIONS][head.observed.sequence :],
    }
    rest.events = sum(_events(rest))
    return taken[0], rest


def _events(recording: Recording) -> list[int]:
    observed = recording.messages[Stream.OBSERVATIONS]
    decided = recording.messages[Stream.DECISIONS]
    return [
        *(len(codec.decode_observation(m.subject, m.data)[0].events) for m in observed),
        *(len(codec.decode_decision(m.subject, m.data)[0].events) for m in decided),
    ]


async def start(recording: Recording, packed: bytes) -> tuple[float, float]:
    """Seconds to take the snapshot, and seconds to fold the tail."""
    log = recording.broker().connect()
    infos, ends = await infos_of(log), await Ends.of(log)
    snapshots = MemorySnapshots({"a": packed})
    gc.collect()
    began = time.process_time()
    begun = await newest(snapshots, log, SystemClock(), infos)
    taken = time.process_time()
    assert begun.state.position > 0, begun.told
    await fold(log, begun.state, ends)
    return taken - began, time.process_time() - taken


def big_state(pods: int) -> State:
    """A federation that runs so many proxies' delegates at once."""
    say(f"placing {pods:,} pods")
    writer = _Writer(seed=4)
    federation = _Federation(writer)
    while len(writer.state.ledger.placements) < pods:
        federation._arrive(writer.chance.choice(_CLUSTERS), 250)  # noqa: SLF001 (of this bench)
        federation._act(writer.cycle())  # noqa: SLF001 (as above)
    return writer.state


async def stored(report: Report, case: str, packed: bytes) -> None:
    """Save and load on a real server."""
    async with embedded_server() as server:
        log = await connect(server.url)
        await apply_streams(log)
        store = JetStreamSnapshots(log.connection)
        began = time.perf_counter()
        await store.save("a", packed)
        saved = time.perf_counter()
        assert await store.load("a") == packed
        loaded = time.perf_counter()
        await log.close()
    report.add(f"{case}: save in NATS", (saved - began) * 1e3, "ms")
    report.add(f"{case}: load from NATS", (loaded - saved) * 1e3, "ms")


def weighed(report: Report, case: str, state: State) -> bytes:
    """Size, and what a copy of the process takes to write it (the pause: ``bench.scale``)."""
    infos = {stream: StreamInfo(1, 1, "bench") for stream in Stream}
    writing = [timed(lambda: pack(state, infos, 0.0)) for _ in range(3)]
    packed = writing[-1][1]
    small = zlib.compress(packed, 1)
    report.add(f"{case}: size", len(packed) / _MIB, "MiB")
    report.add(f"{case}: size stored", len(small) / _MIB, "MiB")
    report.add(f"{case}: write", median([took for took, _ in writing]) * 1e3, "ms")
    restored = median([timed(lambda: unpack(packed))[0] for _ in range(3)])
    report.add(f"{case}: restore and check", restored * 1e3, "ms")
    return packed


def main() -> None:
    """Measure, print."""
    options = arguments(__doc__, tail=100_000, pods=15_000, rounds=3)
    tail = 20_000 if options.short else options.tail
    recording = recorded(100_000 if options.short else 1_000_000)
    report = Report("startup")
    packed, rest = asyncio.run(snapshot_before(recording, tail))
    rounds = range(options.rounds)
    runs = [(decode(rest), *asyncio.run(start(recording, packed))) for _ in rounds]
    floor, taking, folding = (median(times) for times in zip(*runs, strict=True))
    case = f"tail of {rest.events:,} events"
    report.add(f"{case}: snapshot and fold", taking + folding, "s", floor)
    report.add(f"{case}: fold", rest.events / folding, "events/s", rest.events / floor)
    weighed(report, "state of this log", unpack(packed)[1])
    asyncio.run(stored(report, "state of this log", packed))
    pods = 2_000 if options.short else options.pods
    big = weighed(report, f"{pods:,} pods", big_state(pods))
    asyncio.run(stored(report, f"{pods:,} pods", big))
    report.show()


if __name__ == "__main__":
    main()
