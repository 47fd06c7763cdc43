"""Draws a plan from a seed: small worlds, much variety, accidents close to each other.

Each kind of thing has its own stream of chance, so a change in how one is drawn does not make all
old seeds mean something else.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from mcs.simulation.plan import (
    Accident,
    ApiDown,
    ApiErrors,
    BadAppends,
    BadFrame,
    BadRequests,
    BreakWatches,
    Burst,
    ClusterPlan,
    CordonCluster,
    CordonNode,
    DeleteDelegate,
    DeletePod,
    Job,
    Kill,
    Leave,
    LoseTail,
    NatsDown,
    Partition,
    Pause,
    Plan,
    RemoveNode,
    SlowDelivery,
    Work,
)

_SETTLED_S: Final = 4.0  # by now everybody has joined, unless something happens to them
_DAMAGED: Final = 40  # one plan in so many loses acknowledged messages
_CALM: Final = 25  # one in so many has no accidents


def draw(seed: int) -> Plan:
    """The plan of ``seed``; the same one for ever, as long as the simulator is the same."""
    shape = _random(seed, "shape")
    clusters = _clusters(shape)
    schedulers = shape.choice((1, 2, 2, 3))
    act_one_s = shape.uniform(20, 45)
    work = _work(_random(seed, "work"), clusters, act_one_s)
    accidents: tuple[Accident, ...] = ()
    if seed % _CALM:
        accidents = _accidents(
            _random(seed, "accidents"), clusters, schedulers, act_one_s, lost=not seed % _DAMAGED
        )
    return Plan(
        seed=seed,
        clusters=clusters,
        schedulers=schedulers,
        lost_after_s=shape.choice((12, 20, 40)),
        act_one_s=act_one_s,
        work=work,
        accidents=accidents,
    )


def processes(clusters: tuple[ClusterPlan, ...], schedulers: int) -> list[str]:
    """Names of all processes of a plan."""
    agents = [f"agent-{c.name}-{n + 1}" for c in clusters for n in range(c.agents)]
    return [f"scheduler-{n + 1}" for n in range(schedulers)] + agents


def _random(seed: int, what: str) -> Random:
    return Random(f"{seed}/{what}")  # noqa: S311 (repeatable chance is the point)


def _clusters(random: Random) -> tuple[ClusterPlan, ...]:
    found = []
    for number in range(random.choice((1, 2, 2, 2, 3))):
        roles: tuple[str, ...] = ("source", "target")
        if number:
            roles = random.choice((roles, roles, ("target",), ("source",)))
        found.append(
            ClusterPlan(
                name=f"c{number + 1}",
                nodes=tuple(random.choice((500, 1000, 2000)) for _ in range(random.randint(1, 3))),
                agents=random.choice((1, 1, 1, 2)),
                roles=roles,
                begins_s=random.uniform(5, 15) if number and random.random() < 0.15 else 0.0,
            )
        )
    return tuple(found)


def _work(random: Random, clusters: tuple[ClusterPlan, ...], act_s: float) -> tuple[Work, ...]:
    sources = [cluster.name for cluster in clusters if "source" in cluster.roles]
    names = [cluster.name for cluster in clusters]

    def at_s() -> float:
        return round(random.uniform(_SETTLED_S, act_s * 0.8), 2)

    def burst(number: int) -> Work:
        return Burst(
            at_s=at_s(),
            cluster=random.choice(sources),
            name=f"b{number}",
            count=random.choice((1, 1, 2, 4, 8)),
            milli=random.choice((100, 200, 400, 600)),
            run_s=random.choice((0.5, 2.0, 5.0, 15.0)),
            exit_code=random.choice((0, 0, 0, 1)),
            pin=random.choice(("", "", "", random.choice(names), "nowhere")),
            selector=random.random() < 0.08,
            gate_s=random.choice((0.0, 0.0, 0.0, 5.0)),
            stay_s=random.choice((5, 300)),
        )

    def job(number: int) -> Work:
        return Job(
            at_s=at_s(),
            cluster=random.choice(sources),
            name=f"j{number}",
            completions=random.randint(1, 3),
            failures=random.randint(0, 2),
            milli=random.choice((100, 300)),
            run_s=random.choice((0.5, 3.0)),
        )

    def grace() -> int | None:
        return random.choice((None, 0, 1, 5))

    def number() -> int:
        return random.randrange(1000)

    others: list[Callable[[], Work]] = [
        lambda: DeletePod(at_s=at_s(), number=number(), grace_s=grace()),
        lambda: DeletePod(at_s=at_s(), number=number(), grace_s=grace()),
        lambda: DeleteDelegate(at_s=at_s(), number=number(), grace_s=grace()),
        lambda: CordonNode(
            at_s=at_s(),
            cluster=random.choice(names),
            number=number(),
            for_s=random.uniform(2, 10),
            virtual=random.random() < 0.4,
        ),
        lambda: RemoveNode(
            at_s=at_s(), cluster=random.choice(names), number=number(), for_s=random.uniform(2, 15)
        ),
        lambda: CordonCluster(
            at_s=at_s(), cluster=random.choice(names), for_s=random.uniform(2, 15)
        ),
        lambda: Leave(at_s=at_s(), cluster=random.choice(names), for_s=random.uniform(1, 20)),
    ]
    work = [burst(number) for number in range(random.randint(1, 4))]
    work += [job(number) for number in range(random.choice((0, 0, 1, 2)))]
    work += [random.choice(others)() for _ in range(random.randint(0, 5))]
    return tuple(sorted(work, key=lambda item: item.at_s))


def _accidents(
    random: Random,
    clusters: tuple[ClusterPlan, ...],
    schedulers: int,
    act_s: float,
    *,
    lost: bool,
) -> tuple[Accident, ...]:
    names = [cluster.name for cluster in clusters]
    everybody = processes(clusters, schedulers)

    def at_s() -> float:
        return round(random.uniform(0.5, act_s * 0.95), 2)

    def for_s() -> float:
        return round(random.choice((0.3, 2.0, 6.0, 12.0)) * random.uniform(0.5, 2.0), 2)

    def process() -> str:
        return random.choice(everybody)

    def cluster() -> str:
        return random.choice(names)

    def kill() -> Accident:
        down_s = round(random.choice((0.1, 1.0, 10.0)) * random.uniform(0.5, 2), 2)
        return Kill(at_s=at_s(), process=process(), calls=random.randint(0, 12), down_s=down_s)

    def partition() -> Accident:
        return Partition(at_s=at_s(), who=random.choice((process(), cluster())), for_s=for_s())

    kinds: list[Callable[[], Accident]] = [
        kill,
        kill,
        kill,
        lambda: Pause(at_s=at_s(), process=process(), for_s=for_s()),
        partition,
        partition,
        lambda: NatsDown(at_s=at_s(), for_s=for_s()),
        lambda: BadAppends(
            at_s=at_s(), process=process(), for_s=2 * for_s(), rate=random.choice((5, 20, 60))
        ),
        lambda: BadAppends(
            at_s=at_s(), process=process(), for_s=2 * for_s(), rate=random.choice((5, 20, 60))
        ),
        lambda: SlowDelivery(
            at_s=at_s(), process=process(), for_s=for_s(), delay_s=random.choice((0.05, 0.5, 3.0))
        ),
        lambda: BadRequests(at_s=at_s(), for_s=for_s(), rate=random.choice((20, 60))),
        lambda: BadFrame(at_s=at_s(), cluster=cluster(), kind=random.randrange(6)),
        lambda: ApiErrors(
            at_s=at_s(), cluster=cluster(), for_s=for_s(), rate=random.choice((5, 20, 50))
        ),
        lambda: ApiErrors(
            at_s=at_s(), cluster=cluster(), for_s=for_s(), rate=random.choice((5, 20, 50))
        ),
        lambda: ApiDown(at_s=at_s(), cluster=cluster(), for_s=for_s()),
        lambda: BreakWatches(at_s=at_s(), cluster=cluster(), compact=random.random() < 0.5),
    ]
    found = [random.choice(kinds)() for _ in range(random.choice((1, 3, 6, 12, 20)))]
    if lost:
        found.append(
            LoseTail(
                at_s=round(random.uniform(act_s * 0.4, act_s * 0.9), 2),
                stream=random.choice(("OBSERVATIONS", "DECISIONS")),
                count=random.randint(1, 5),
                for_s=random.uniform(0.1, 3.0),
            )
        )
    return tuple(sorted(found, key=lambda item: item.at_s))
