"""The whole size on one scheduler's state: its memory, and its longest pauses.

    python -m bench.scale [--short] [--clusters 100] [--nodes 5000] [--pods 2000000] [--shapes 32]

One process writes what agents would and sends it down a pipe; the other folds it, decides, and
measures itself: resident memory, and how long each thing takes that nothing may interrupt. These
are one frame, one cycle (deciding, framing, digest, folding what was decided) and one look at the
snapshot, by the wall's clock and with the garbage collector as the product sets it. In between, the
scheduler's loop answers its connection.

First the full account of everything, as when a federation's agents all start at once; then as many
seconds of changes, ten cycles a second, with pods of each shape waiting that fit nowhere.
"""

from __future__ import annotations

import asyncio
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle as around
from pathlib import Path
from typing import IO, Final

import msgspec

from bench.cases import columned
from bench.cycles import Core
from bench.feeding import Feed, chunks, cluster_names, local_pod, proxy
from bench.reporting import Report, arguments, percentile, say
from bench.shapes import Shape, node, node_name, shapes
from mcs.adapters.branching import ForkBranch
from mcs.adapters.clock import SystemClock
from mcs.adapters.memory_snapshots import MemorySnapshots
from mcs.events import subjects
from mcs.events.observations import PodGone
from mcs.ports import Stored, Stream, StreamInfo
from mcs.services.snapshots import Keeper
from mcs.settings import SchedulerSettings

_HEAD: Final = struct.Struct("!QQHI")
_CYCLE, _SNAPSHOT = "cycle", "snapshot"
_STREAMS: Final = {stream: StreamInfo(1, 1, stream.value) for stream in Stream}


class Took(msgspec.Struct):
    """What the folding process measured: milliseconds of each piece of work, by kind."""

    milliseconds: dict[str, list[float]] = {}
    rss_mib: float = 0.0
    peak_mib: float = 0.0
    waiting: int = 0

    def add(self, kind: str, began_s: float) -> None:
        """Something ended that began then."""
        took = 1000 * (time.perf_counter() - began_s)
        self.milliseconds.setdefault(kind, []).append(took)


class _Store(MemorySnapshots):
    """Keeps one snapshot only, and tells when it has it."""

    def __init__(self) -> None:
        super().__init__()
        self.stored = asyncio.Event()

    async def names(self) -> list[str]:
        """Asked for when a snapshot was stored, read back and compared."""
        self.bucket.clear()
        self.stored.set()
        return await super().names()


class Sizes(msgspec.Struct, frozen=True):
    """How much of everything."""

    clusters: int
    nodes: int
    pods: int
    shapes: int
    seconds: int
    columns: bool


def write(pipe: IO[bytes], sizes: Sizes) -> None:
    """All messages, and words that ask for cycles in between."""
    feed = Feed(lambda stored: _send(pipe, stored))
    names = cluster_names(sizes.clusters)
    for name in names:
        feed.join(name)
    each = sizes.pods // sizes.clusters
    for place, name in enumerate(names):
        feed.account(name, subjects.CAPACITY, (node(number) for number in range(sizes.nodes)))
        found = (
            local_pod(place * each + number, node_name(number % sizes.nodes))
            for number in range(each)
        )
        if sizes.columns:
            for event in columned(found):
                feed.observe(name, subjects.CAPACITY, event)
        else:
            for part in chunks(found, 1000):
                feed.observe(name, subjects.CAPACITY, *part)
        _ask(pipe, _CYCLE)
    for number, shape in enumerate(shapes(sizes.shapes)):
        too_much = {resource: 1000 * amount for resource, amount in shape.requests.items()}
        feed.observe(names[0], subjects.PROXY, proxy(number, Shape(too_much)))
    _ask(pipe, _CYCLE)
    _ask(pipe, _SNAPSHOT)
    _ask(pipe, "steady")
    for _ in _changes(feed, names, sizes, each):
        _ask(pipe, _CYCLE)
    _ask(pipe, _SNAPSHOT)
    pipe.close()


def _changes(feed: Feed, names: list[str], sizes: Sizes, each: int) -> Iterator[None]:
    """A tenth of a second: a thousandth of the nodes, and as many pods that go and come."""
    serial, turn = sizes.pods, around(names)
    gone = [place * each for place in range(sizes.clusters)]
    count = max(1, sizes.clusters * sizes.nodes // 1000)
    for generation in range(10 * sizes.seconds):
        for number in range(0, count, 5):
            name = next(turn)
            place = names.index(name)
            changed = [node((number + at) % sizes.nodes, generation=generation) for at in range(5)]
            serial += 1
            pod = local_pod(serial, node_name(serial % sizes.nodes))
            left = PodGone(uid=local_pod(gone[place], "").uid)
            gone[place] += 1
            feed.observe(name, subjects.CAPACITY, *changed, left, pod)
        if generation % 50 == 0:
            feed.heartbeats()
        yield


def _send(pipe: IO[bytes], stored: Stored) -> None:
    subject = stored.subject.encode()
    head = _HEAD.pack(stored.sequence, stored.time_ns, len(subject), len(stored.data))
    pipe.write(head + subject + stored.data)


def _ask(pipe: IO[bytes], word: str) -> None:
    pipe.write(_HEAD.pack(0, 0, len(word), 0) + word.encode())


async def fold(pipe: IO[bytes]) -> Took:
    """Fold what comes, and measure."""
    core, took, prefix = Core(clock=time.perf_counter), Took(), "account"
    store = _Store()
    keeper = Keeper(store, ForkBranch(), SystemClock(), SchedulerSettings(snapshot_messages=1))
    keeper.begin(core.state, _STREAMS)
    while head := pipe.read(_HEAD.size):
        sequence, time_ns, subject_size, size = _HEAD.unpack(head)
        subject, data = pipe.read(subject_size).decode(), pipe.read(size)
        began = time.perf_counter()
        if sequence:
            core.take(Stored(sequence, subject, time_ns, data))
            took.add(f"{prefix}: frame", began)
        elif subject == _CYCLE:
            core.settle()
            took.add(f"{prefix}: cycle", began)
        elif subject == _SNAPSHOT:
            took.rss_mib = _rss_mib()
            keeper.consider(core.state)
            took.add(f"{prefix}: snapshot", began)
            await store.stored.wait()
            store.stored.clear()
            await asyncio.sleep(0.01)  # the keeper's last words about it
        else:
            prefix = subject
    with suppress(asyncio.CancelledError):
        await keeper.close()
    took.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    took.waiting = core.state.backlog.count
    return took


def _rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def run(sizes: Sizes) -> tuple[Took, float]:
    """Both processes; what was measured, and seconds until everything was folded."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "bench.scale", "--child", "yes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        write(child.stdin, sizes)
        took = msgspec.json.decode(child.stdout.read(), type=Took)
    assert child.returncode == 0, "the folding process failed"
    return took, time.perf_counter() - began


def main() -> None:
    """Measure with accounts in columns, and pod by pod as versions before schema 2 told them."""
    options = arguments(
        __doc__, clusters=100, nodes=5000, pods=2_000_000, shapes=32, seconds=30, child=""
    )
    if options.child:
        sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(fold(sys.stdin.buffer))))
        return
    size = (options.clusters, options.nodes, options.pods)
    seconds = options.seconds
    if options.short:
        size, seconds = (10, 100, 10_000), 2
    report = Report("scale")
    for columns in (True, False):
        sizes = Sizes(*size, options.shapes, seconds, columns)
        say(str(sizes))
        report_run(report, "" if columns else ", pod by pod", *run(sizes))
    report.show()


def report_run(report: Report, suffix: str, took: Took, seconds: float) -> None:
    """All figures of one run."""
    report.add(f"memory{suffix}", took.rss_mib, "MiB")
    report.add(f"memory, highest{suffix}", took.peak_mib, "MiB")
    report.add(f"everything folded and decided{suffix}", seconds, "s")
    report.add(f"pods that wait at the end{suffix}", took.waiting, "pods")
    for kind, values in took.milliseconds.items():
        if len(values) > 100:
            report.add(f"{kind}, p50{suffix}", percentile(values, 50), "ms")
            report.add(f"{kind}, p99{suffix}", percentile(values, 99), "ms")
        report.add(f"{kind}, longest{suffix}", max(values), "ms")


if __name__ == "__main__":
    main()
