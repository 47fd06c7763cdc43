"""Draws a plan from a seed: small worlds, much variety, accidents close to each other.

Each kind of thing has its own stream of chance, so a change in how one is drawn does not make all
old seeds mean something else.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

import msgspec

from mcs.simulation.crowding import Crowd
from mcs.simulation.plan import (
    BAD_FRAMES,
    FORGED,
    Accident,
    ApiDown,
    ApiErrors,
    BadAppends,
    BadFrame,
    BadRequests,
    BreakWatches,
    Burst,
    CloseNamespace,
    ClusterPlan,
    CordonCluster,
    CordonNode,
    DeleteDelegate,
    DeletePod,
    Gang,
    Job,
    Kill,
    Leave,
    LoseTail,
    LossyWay,
    NatsDown,
    Partition,
    Pause,
    Plan,
    ReleasePod,
    RemoveCluster,
    RemoveNode,
    SlowDelivery,
    Work,
)

_SETTLED_S: Final = 4.0  # by now everybody has joined, unless something happens to them
_DAMAGED: Final = 40  # one plan in so many loses acknowledged messages
_CALM: Final = 25  # one in so many has no accidents
_CROWDED: Final = 0.4  # of the plans, things happen close to each other
_ADAPTER: Final = 0.05  # of the plans, processes use the adapter for NATS
_MIXED: Final = 0.1  # of the plans, members of a gang ask for different things
_BAD_FIRST: Final = 0.1  # of the processes, appends fail from their first start on
_BAD_AGAIN: Final = 0.4  # of those that were killed, from their next one


def draw(seed: int) -> Plan:
    """The plan of ``seed``; the same one for ever, as long as the simulator is the same."""
    shape = _random(seed, "shape")
    clusters = _clusters(shape, _random(seed, "pods"))
    schedulers = shape.choice((1, 2, 2, 3))
    act_one_s = shape.uniform(20, 45)
    work = [
        *_Work(_random(seed, "work"), clusters, act_one_s).all(),
        *_mixed(_random(seed, "gang shapes"), _Work(_random(seed, "gangs"), clusters, act_one_s)),
        *_Work(_random(seed, "grouped jobs"), clusters, act_one_s).grouped(),
    ]
    crowd = _crowd(_random(seed, "crowd"), act_one_s)
    if crowd is not None:
        work = crowd.gather(work)
    accidents: tuple[Accident, ...] = ()
    adapter = _random(seed, "wires")
    through_adapter = adapter.random() < _ADAPTER
    if seed % _CALM:
        chance = _random(seed, "accidents")
        drawn = _Accidents(chance, clusters, schedulers, act_one_s)
        found = drawn.all()
        if crowd is not None:
            found = crowd.gather(found)
        if not seed % _DAMAGED:
            found.append(drawn.lose_tail())
        if through_adapter:
            found += _Accidents(adapter, clusters, schedulers, act_one_s).lossy_ways()
        found += _bad_starts(_random(seed, "starts"), found, drawn.processes, act_one_s)
        accidents = tuple(sorted(found, key=lambda item: item.at_s))
    return Plan(
        seed=seed,
        clusters=clusters,
        schedulers=schedulers,
        lost_after_s=shape.choice((12, 20, 40)),
        act_one_s=act_one_s,
        work=tuple(sorted(work, key=lambda item: item.at_s)),
        accidents=accidents,
        adapter=through_adapter,
    )


def processes(clusters: tuple[ClusterPlan, ...], schedulers: int) -> list[str]:
    """Names of all processes of a plan."""
    agents = [f"agent-{c.name}-{n + 1}" for c in clusters for n in range(c.agents)]
    return [f"scheduler-{n + 1}" for n in range(schedulers)] + agents


def _random(seed: int, what: str) -> Random:
    return Random(f"{seed}/{what}")  # noqa: S311 (repeatable chance is the point)


def _mixed(random: Random, work: _Work) -> tuple[Work, ...]:
    """The gangs of ``work``, of two shapes if it comes to that."""
    gangs = work.gangs()
    if random.random() >= _MIXED:
        return gangs
    asks = random.choice((100, 300, 800))
    return tuple(msgspec.structs.replace(gang, other_milli=asks) for gang in gangs)


def _crowd(random: Random, act_s: float) -> Crowd | None:
    return Crowd(random, act_s) if random.random() < _CROWDED else None


def _clusters(random: Random, limits: Random) -> tuple[ClusterPlan, ...]:
    found = []
    for number in range(random.choice((1, 2, 2, 2, 3))):
        roles: tuple[str, ...] = ("source", "target")
        if number:
            roles = random.choice((roles, roles, ("target",), ("source",)))
        found.append(
            ClusterPlan(
                name=f"c{number + 1}",
                nodes=tuple(random.choice((500, 1000, 2000)) for _ in range(random.randint(1, 3))),
                pods=limits.choice((20, 20, 20, 3)),
                agents=random.choice((1, 1, 1, 2)),
                roles=roles,
                begins_s=random.uniform(5, 15) if number and random.random() < 0.15 else 0.0,
            )
        )
    return tuple(found)


def _bad_starts(
    random: Random, accidents: list[Accident], processes: list[str], act_s: float
) -> list[Accident]:
    """Appends that fail when a process starts: what it says first is what all others build on."""
    starts = [(process, 0.0) for process in processes if random.random() < _BAD_FIRST]
    kills = (item for item in accidents if isinstance(item, Kill))
    starts += [(k.process, k.at_s + k.down_s) for k in kills if random.random() < _BAD_AGAIN]
    return [
        BadAppends(
            at_s=round(at_s, 2),
            process=process,
            for_s=round(random.uniform(3, 25), 2),
            rate=random.choice((40, 80)),
        )
        for process, at_s in starts
        if at_s < act_s * 0.95
    ]


class _Work:
    """Draws what people do, before the last part of act one."""

    def __init__(self, random: Random, clusters: tuple[ClusterPlan, ...], act_s: float) -> None:
        self._random, self._act_s = random, act_s
        self._sources = [cluster.name for cluster in clusters if "source" in cluster.roles]
        self._names = [cluster.name for cluster in clusters]

    def all(self) -> tuple[Work, ...]:
        """Bursts, perhaps Jobs, and a few other things."""
        random = self._random
        kinds: list[Callable[[], Work]] = [
            *(self._delete_pod, self._delete_pod, self._delete_delegate, self._cordon_node),
            *(self._remove_node, self._cordon_cluster, self._leave, self._release),
            *(self._remove_cluster, self._close_namespace),
        ]
        work = [self._burst(number) for number in range(random.randint(1, 4))]
        work += [self._job(number) for number in range(random.choice((0, 0, 1, 2)))]
        work += [random.choice(kinds)() for _ in range(random.randint(0, 5))]
        return tuple(work)

    def gangs(self) -> tuple[Work, ...]:
        """In every third plan: of any size, also larger than all there is, and never complete."""
        return tuple(
            self._gang(number) for number in range(self._random.choice((0, 0, 0, 0, 1, 2)))
        )

    def grouped(self) -> tuple[Work, ...]:
        """In every sixth plan a Job whose pods are a group."""
        if self._random.random() > 1 / 6:
            return ()
        job = self._job(0)
        return (msgspec.structs.replace(job, name="k0", size=job.completions),)

    def _at_s(self) -> float:
        return round(self._random.uniform(_SETTLED_S, self._act_s * 0.8), 2)

    def _for_s(self, most_s: float) -> float:
        return round(self._random.uniform(1, most_s), 2)

    def _grace_s(self) -> int | None:
        return self._random.choice((None, 0, 1, 5))

    def _number(self) -> int:
        return self._random.randrange(1000)

    def _cluster(self) -> str:
        return self._random.choice(self._names)

    def _burst(self, number: int) -> Work:
        random = self._random
        return Burst(
            at_s=self._at_s(),
            cluster=random.choice(self._sources),
            name=f"b{number}",
            count=random.choice((1, 1, 2, 4, 8)),
            milli=random.choice((100, 200, 400, 600)),
            run_s=random.choice((0.5, 2.0, 5.0, 15.0)),
            exit_code=random.choice((0, 0, 0, 1)),
            pin=random.choice(("", "", "", self._cluster(), "nowhere")),
            selector=random.random() < 0.08,
            gate_s=random.choice((0.0, 0.0, 0.0, 5.0)),
            stay_s=random.choice((5, 300)),
        )

    def _gang(self, number: int) -> Work:
        random = self._random
        size = random.choice((2, 3, 4, 6, 10))
        count = size + random.choice((-1, 0, 0, 0, 1, 3))
        late = random.choice((0, 0, 1, count // 2))
        return Gang(
            at_s=self._at_s(),
            cluster=random.choice(self._sources),
            name=f"g{number}",
            count=count,
            size=size,
            spread=random.random() < 0.3,
            late=late,
            late_s=self._for_s(12),
            milli=random.choice((100, 200, 300, 600)),
            run_s=random.choice((0.5, 5.0, 15.0)),
            exit_code=random.choice((0, 0, 0, 1)),
            pin=random.choice(("", "", "", "", self._cluster())),
            gate_s=0.0 if late else random.choice((0.0, 5.0)),
            stay_s=random.choice((5, 300)),
        )

    def _job(self, number: int) -> Job:
        random = self._random
        return Job(
            at_s=self._at_s(),
            cluster=random.choice(self._sources),
            name=f"j{number}",
            completions=random.randint(1, 3),
            failures=random.randint(0, 2),
            milli=random.choice((100, 300)),
            run_s=random.choice((0.5, 3.0)),
        )

    def _delete_pod(self) -> Work:
        return DeletePod(at_s=self._at_s(), number=self._number(), grace_s=self._grace_s())

    def _delete_delegate(self) -> Work:
        return DeleteDelegate(at_s=self._at_s(), number=self._number(), grace_s=self._grace_s())

    def _cordon_node(self) -> Work:
        return CordonNode(
            at_s=self._at_s(),
            cluster=self._cluster(),
            number=self._number(),
            for_s=self._for_s(10),
            virtual=self._random.random() < 0.4,
        )

    def _remove_node(self) -> Work:
        return RemoveNode(
            at_s=self._at_s(),
            cluster=self._cluster(),
            number=self._number(),
            for_s=self._for_s(15),
        )

    def _cordon_cluster(self) -> Work:
        return CordonCluster(at_s=self._at_s(), cluster=self._cluster(), for_s=self._for_s(15))

    def _leave(self) -> Work:
        return Leave(at_s=self._at_s(), cluster=self._cluster(), for_s=self._for_s(20))

    def _close_namespace(self) -> Work:
        return CloseNamespace(at_s=self._at_s(), cluster=self._cluster(), for_s=self._for_s(15))

    def _release(self) -> Work:
        return ReleasePod(at_s=self._at_s(), number=self._number())

    def _remove_cluster(self) -> Work:
        random = self._random
        return RemoveCluster(
            at_s=self._at_s(),
            cluster=self._cluster(),
            for_s=random.choice((self._for_s(20), round(random.uniform(0, 1.5), 2))),
            silent_s=random.choice((1.0, 10.0)),
            cut=random.random() < 0.5,
        )


class _Accidents:
    """Draws what goes wrong: few things or many, short or longer than every patience."""

    def __init__(
        self, random: Random, clusters: tuple[ClusterPlan, ...], schedulers: int, act_s: float
    ) -> None:
        self._random, self._act_s = random, act_s
        self._names = [cluster.name for cluster in clusters]
        self.processes = processes(clusters, schedulers)

    def all(self) -> list[Accident]:
        """Some of all kinds, but for a loss of acknowledged messages."""
        random = self._random
        kinds: list[Callable[[], Accident]] = [
            *(self._kill, self._kill, self._kill, self._pause, self._partition, self._partition),
            *(self._nats_down, self._bad_appends, self._bad_appends, self._slow_delivery),
            *(self._bad_requests, self._bad_frame, self._bad_frame, self._api_errors),
            *(self._api_errors, self._api_down, self._break_watches),
        ]
        return [random.choice(kinds)() for _ in range(random.choice((1, 3, 6, 12, 20)))]

    def lose_tail(self) -> Accident:
        """A loss of acknowledged messages, late in act one."""
        random = self._random
        return LoseTail(
            at_s=round(random.uniform(self._act_s * 0.4, self._act_s * 0.9), 2),
            stream=random.choice(("OBSERVATIONS", "DECISIONS")),
            count=random.randint(1, 5),
            for_s=round(random.uniform(0.1, 3.0), 2),
        )

    def lossy_ways(self) -> list[Accident]:
        """Some that lose single messages between a process and NATS."""
        return [self._lossy_way() for _ in range(self._random.choice((1, 2, 4)))]

    def _at_s(self) -> float:
        return round(self._random.uniform(0.5, self._act_s * 0.95), 2)

    def _for_s(self) -> float:
        random = self._random
        return round(random.choice((0.3, 2.0, 6.0, 12.0)) * random.uniform(0.5, 2.0), 2)

    def _process(self) -> str:
        return self._random.choice(self.processes)

    def _cluster(self) -> str:
        return self._random.choice(self._names)

    def _kill(self) -> Accident:
        random = self._random
        down_s = round(random.choice((0.1, 1.0, 10.0)) * random.uniform(0.5, 2), 2)
        calls = random.randint(0, 12)
        return Kill(at_s=self._at_s(), process=self._process(), calls=calls, down_s=down_s)

    def _pause(self) -> Accident:
        return Pause(at_s=self._at_s(), process=self._process(), for_s=self._for_s())

    def _partition(self) -> Accident:
        who = self._random.choice((self._process(), self._cluster()))
        return Partition(at_s=self._at_s(), who=who, for_s=self._for_s())

    def _nats_down(self) -> Accident:
        return NatsDown(at_s=self._at_s(), for_s=self._for_s())

    def _bad_appends(self) -> Accident:
        rate = self._random.choice((5, 20, 60))
        who = self._process()
        return BadAppends(at_s=self._at_s(), process=who, for_s=2 * self._for_s(), rate=rate)

    def _slow_delivery(self) -> Accident:
        delay_s = self._random.choice((0.05, 0.5, 3.0))
        who = self._process()
        return SlowDelivery(at_s=self._at_s(), process=who, for_s=self._for_s(), delay_s=delay_s)

    def _lossy_way(self) -> Accident:
        rate = self._random.choice((2, 10, 40))
        who = self._process()
        return LossyWay(at_s=self._at_s(), process=who, for_s=2 * self._for_s(), rate=rate)

    def _bad_requests(self) -> Accident:
        rate = self._random.choice((20, 60))
        return BadRequests(at_s=self._at_s(), for_s=self._for_s(), rate=rate)

    def _bad_frame(self) -> Accident:
        # Forged frames more often: they get further than those that nobody can read.
        kind = self._random.choice((*range(BAD_FRAMES), *FORGED, *FORGED))
        return BadFrame(at_s=self._at_s(), cluster=self._cluster(), kind=kind)

    def _api_errors(self) -> Accident:
        rate = self._random.choice((5, 20, 50))
        where = self._cluster()
        return ApiErrors(at_s=self._at_s(), cluster=where, for_s=self._for_s(), rate=rate)

    def _api_down(self) -> Accident:
        return ApiDown(at_s=self._at_s(), cluster=self._cluster(), for_s=self._for_s())

    def _break_watches(self) -> Accident:
        compact = self._random.random() < 0.5
        return BreakWatches(at_s=self._at_s(), cluster=self._cluster(), compact=compact)
