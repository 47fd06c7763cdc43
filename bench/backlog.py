"""A long queue: what it costs while nothing changes, what moves when room comes, who is delayed.

    python -m bench.backlog [--short] [--waiting 100000] [--clusters 100] [--nodes 50]

The federation is full: every node's processors are taken by pods of its own, and the queue asks for
more than is left. Then a cluster frees room for some pods, and those that move must be the first of
the queue, in its order.

Fair sharing is told in cycles and milliseconds until a stranger's pod, which has room in a cluster
of its own, is placed, when it arrives right behind somebody else's nuisance. The loop is that of
the scheduler: a slice is folded, a cycle decided. Floors are the same pod's with nobody before it.
Milliseconds are the processor's.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from bench.cycles import Core, Cycle
from bench.feeding import Feed, chunks, cluster_names, proxy, uid
from bench.reporting import Report, arguments
from bench.shapes import MANIFEST, Shape, node, node_name, shapes
from mcs.events import subjects
from mcs.events.constraints import Constraints, Requirement, Term
from mcs.events.observations import NodeObserved, PodGone, PodObserved, ProxyObserved
from mcs.ports import Stored
from mcs.settings import SchedulerSettings

_FRAME: Final = 100
_FULL: Final = {"cpu": 63_000, "memory": 1 << 30}
_ASKED: Final = Shape({"cpu": 33_000, "memory": 1 << 28})  # one to a node
_STRANGER: Final = Shape({"cpu": 500, "strangers.example/device": 1})
_SLICE: Final = SchedulerSettings().slice_messages
_MOST_STEPS: Final = 10_000
_STRANGER_SERIAL: Final = 0xF0000000  # beyond all others, so it is the youngest


class Freed(NamedTuple):
    """What followed when room came; ``first``: uids of the pods that waited longest."""

    first: list[str]
    cycles: list[Cycle]


class Delay(NamedTuple):
    """Until a stranger's pod was placed; ``longest_s`` of one step."""

    cycles: int
    seconds: float
    longest_s: float


class Queue:
    """A full federation, and pods that wait. The last cluster is the stranger's. What is told lies
    in an inbox until it is folded.
    """

    def __init__(self, clusters: int, nodes: int) -> None:
        self.core = Core()
        self._inbox: deque[Stored] = deque()
        self.feed = Feed(self._inbox.append)
        self.names = cluster_names(clusters)
        self.nodes = nodes
        self._submitted = self._freed = self._flaps = 0
        for place, name in enumerate(self.names):
            self.feed.join(name)
            self._tell(place, ready=True)
        self.settle()

    def settle(self) -> list[Cycle]:
        """Fold everything, and decide until nothing is left to decide."""
        self._fold(len(self._inbox))
        return self.core.settle()

    def step(self) -> Cycle:
        """What the scheduler does: a slice is folded, a cycle decided."""
        self._fold(_SLICE)
        return self.core.cycle()

    def submit(
        self, pods: int, asked: list[Shape], *, settled: bool = False, **changed: str
    ) -> None:
        """Pods of the first cluster, shapes in turn, all at once; ``settled``: and decided on."""
        told = []
        for number in range(pods):
            event = proxy(self._submitted, asked[number % len(asked)])
            self._submitted += 1
            told.append(_changed(event, changed) if changed else event)
        for part in chunks(told, _FRAME):
            self.feed.observe(self.names[0], subjects.PROXY, *part)
        if settled:
            self.settle()

    def free(self, pods: int) -> Freed:
        """So many nodes of the second cluster lose their own pod, each with room for one."""
        first = self._freed
        gone = [PodGone(uid=uid(self.nodes + first + number)) for number in range(pods)]
        self._freed += pods
        self.feed.observe(self.names[1], subjects.CAPACITY, *gone)
        return Freed([uid(first + number) for number in range(pods)], self.settle())

    def stranger(self, nuisance: Callable[[], None]) -> Delay:
        """A stranger's pod arrives behind what lies in the inbox, and is placed at last.
        ``nuisance`` happens before each step.
        """
        event = proxy(_STRANGER_SERIAL, _STRANGER, namespace="stranger")
        self.feed.observe(self.names[-1], subjects.PROXY, event)
        longest_s, began = 0.0, time.process_time()
        for number in range(1, _MOST_STEPS):
            nuisance()
            stepped = time.process_time()
            cycle = self.step()
            longest_s = max(longest_s, time.process_time() - stepped)
            if any(placed.uid == event.uid for placed in cycle.placed):
                return Delay(number, time.process_time() - began, longest_s)
        raise AssertionError(f"the stranger's pod was not placed in {_MOST_STEPS} steps")

    def flap(self) -> None:
        """All nodes of the third cluster change their mind."""
        self._flaps += 1
        self._tell(2, ready=self._flaps % 2 == 0)

    def _fold(self, most: int) -> None:
        for _ in range(min(most, len(self._inbox))):
            self.core.take(self._inbox.popleft())

    def _tell(self, place: int, *, ready: bool) -> None:
        """A cluster's full account: its nodes, and the pod that fills each."""
        last = place == len(self.names) - 1
        nodes = (_node(number, last=last, ready=ready) for number in range(self.nodes))
        fill = (_filler(place * self.nodes + number, number) for number in range(self.nodes))
        self.feed.account(self.names[place], subjects.CAPACITY, (*nodes, *fill))


def _node(number: int, *, last: bool = False, ready: bool = True) -> NodeObserved:
    offered = node(number, ready=ready)
    more = {"strangers.example/device": 4} if last else {}
    return NodeObserved(
        name=offered.name,
        allocatable=offered.allocatable | more,
        labels=offered.labels,
        ready=ready,
    )


def _filler(serial: int, number: int) -> PodObserved:
    name = f"filler-{serial}"
    return PodObserved(
        uid=uid(serial), namespace="own", name=name, node=node_name(number), requests=_FULL
    )


def _changed(event: ProxyObserved, fields: dict[str, str]) -> ProxyObserved:
    kept = {name: getattr(event, name) for name in event.__struct_fields__}
    return ProxyObserved(**{**kept, **fields})


def unchanged(report: Report, queue: Queue, count: int) -> None:
    """Cycles in which nothing happens but a heartbeat, and none at all."""
    for what, happens in (("nothing changes", _nothing), ("heartbeats", queue.feed.heartbeats)):
        cycles = []
        gc.collect()
        for _ in range(5):
            happens()
            cycles.append(queue.step())
        assert not any(cycle.events for cycle in cycles), "nothing is decided anew"
        took = min(cycle.schedule_s for cycle in cycles)
        report.add(f"queue of {count}, {what}: a cycle", 1000 * took, "ms")


def freed(report: Report, queue: Queue, count: int, pods: int) -> None:
    """A cluster frees room: the first ones move, in order."""
    found = queue.free(pods)
    moved = [placed.uid for cycle in found.cycles for placed in cycle.placed]
    assert moved == found.first, "the first of the queue move, in its order"
    name = f"queue of {count}, room for {pods}"
    took = sum(cycle.schedule_s for cycle in found.cycles)
    report.add(f"{name}: deciding", 1000 * took, "ms")
    report.add(f"{name}: deciding, each", 1e6 * took / pods, "us")
    told = sum(cycle.deferred for cycle in found.cycles)
    report.add(f"{name}: others told another reason", told, "pods")


def sharing(report: Report, make: Callable[[], Queue], pods: int) -> None:
    """A stranger's pod behind nobody, and behind each nuisance."""
    small, tenth = Shape({"cpu": 10, "memory": 1 << 20}), pods // 10
    unreadable = MANIFEST[:-5]
    alone = make().stranger(_nothing)
    nuisances: dict[str, Callable[[Queue], None]] = {
        "a cluster flaps": lambda _: None,
        f"a cluster flaps, {pods} wait": lambda q: q.submit(pods, [_ASKED], settled=True),
        f"{pods} pods of one namespace that fit nowhere": lambda q: q.submit(pods, [_ASKED]),
        f"{pods} pods of one namespace that fit": lambda q: q.submit(pods, [small]),
        f"{tenth} distinct shapes": lambda q: q.submit(tenth, shapes(tenth)),
        f"{tenth} pods with 1,000 terms": lambda q: q.submit(tenth, [_poison()]),
        f"{tenth} unreadable pods": lambda q: q.submit(tenth, [small], manifest=unreadable),
    }
    for name, begin in nuisances.items():
        queue = make()
        begin(queue)
        delay = queue.stranger(queue.flap if "flaps" in name else _nothing)
        report.add(f"stranger, {name}: steps", delay.cycles, "cycles", alone.cycles)
        report.add(f"stranger, {name}: delay", 1000 * delay.seconds, "ms", 1000 * alone.seconds)
        longest_ms, floor_ms = 1000 * delay.longest_s, 1000 * alone.longest_s
        report.add(f"stranger, {name}: longest step", longest_ms, "ms", floor_ms)


def _poison() -> Shape:
    """An affinity as long as one may be, that no node satisfies."""
    terms = tuple(
        Term(labels=(Requirement(key=f"key-{number}", operator="In", values=("a", "b", "c")),))
        for number in range(1000)
    )
    return Shape({"cpu": 10}, Constraints(affinity=terms))


def _nothing() -> None:
    pass


def main() -> None:
    """The queue at several lengths, then who waits for whom."""
    options = arguments(__doc__, waiting=100_000, clusters=100, nodes=50)
    size, most = (options.clusters, options.nodes), options.waiting
    assert options.nodes >= 41, "room for 1, 10 and 30 pods is freed"
    if options.short:
        size, most = (10, 50), 5000
    report = Report("backlog")
    for count in (most // 100, most // 10, most):
        queue = Queue(*size)
        queue.submit(count, [_ASKED])
        cycles = queue.settle()
        told, took = sum(c.deferred for c in cycles), sum(c.whole_s for c in cycles)
        assert told == count, "everybody is told once"
        report.add(f"queue of {count}: telling each why", 1e6 * took / told, "us")
        unchanged(report, queue, count)
        for pods in (1, 10, 30):
            freed(report, queue, count, pods)
    sharing(report, lambda: Queue(*size), most)
    report.show()


if __name__ == "__main__":
    main()
