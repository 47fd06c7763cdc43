"""What a chaos run does, drawn from its seed before it begins: faults, pods, and bad frames.

When each thing happens to the system is up to the machine; what is done to it, and when, is here,
so that a run can be told and tried again.
"""

from dataclasses import dataclass, field
from random import Random

QUIET_S = 2.0  # before the first fault: pods are on their way by then

# How often each kind of part is hit, beside each other. An API server's start costs seconds of CPU.
WEIGHTS = {"nats": 4, "scheduler": 4, "agent": 4, "api": 2, "all nats": 1}
LENGTHS = ((0.05, 1.0), (1.0, 4.0), (4.0, 9.0))  # a blink; a restart; longer than any time-out
SHARES = (4, 4, 2)
LONG = (10.0, 25.0)  # only in long runs: beyond a Lease's and a reign's end


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One part is away for a while: ``killed`` (kill -9) or ``paused`` (SIGSTOP)."""

    at_s: float
    part: str
    how: str
    for_s: float

    def __str__(self):
        return f"{self.at_s:6.1f} s  {self.part} {self.how} for {self.for_s:.1f} s"


@dataclass(frozen=True, kw_only=True)
class Birth:
    """One elected pod of c1, and when its author deletes it (0: never)."""

    at_s: float
    name: str
    kind: str
    cluster: str = ""
    run_for: str = ""
    delete_after_s: float = 0.0
    notes: dict = field(default_factory=dict)
    cpu: str = "300m"
    secret: bool = False

    @property
    def impossible(self):
        """Whether nobody will ever have room for it."""
        return self.kind == "impossible"


@dataclass(frozen=True, kw_only=True)
class Poison:
    """A bad frame that somebody puts into OBSERVATIONS."""

    at_s: float
    kind: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything, in the order of time."""

    seed: str
    duration_s: float
    faults: list
    births: list
    poisons: list

    def __str__(self):
        head = (
            f"seed {self.seed!r}, {self.duration_s:g} s: {len(self.faults)} faults, "
            f"{len(self.births)} pods, {len(self.poisons)} bad frames"
        )
        poisons = (f"{each.at_s:6.1f} s  a bad frame: {each.kind}" for each in self.poisons)
        return "\n  ".join([head, *map(str, self.faults), *poisons])


def draw(seed, parts, duration_s, *, pods_per_s=2.0, faults_per_s=0.7):
    """A plan over ``parts`` (see ``kind_of``); no part is hit while it is away."""
    # Three sources of chance, so that a change of one kind of thing leaves the others as they were.
    return Plan(
        seed=seed,
        duration_s=duration_s,
        faults=_faults(Random(f"{seed} faults"), parts, duration_s, faults_per_s),
        births=_births(Random(f"{seed} pods"), duration_s, pods_per_s),
        poisons=_poisons(Random(f"{seed} poison"), duration_s),
    )


def kind_of(part):
    """Which kind a part is, by its name: nats-0, scheduler, agent-c1-2, api-c2, all nats."""
    return part if part in WEIGHTS else part.partition("-")[0]


def _faults(chance, parts, duration_s, per_s):
    kinds = sorted({kind_of(part) for part in parts})
    free_at = dict.fromkeys(parts, 0.0)
    faults, now_s = [], QUIET_S
    while True:
        now_s += chance.expovariate(per_s)
        if now_s >= duration_s:
            return faults
        kind = chance.choices(kinds, [WEIGHTS[each] for each in kinds])[0]
        part = chance.choice(sorted(each for each in parts if kind_of(each) == kind))
        how = chance.choice(["killed", "killed", "paused"])
        lengths = [*LENGTHS, LONG] if duration_s >= 90 else LENGTHS
        for_s = chance.uniform(*chance.choices(lengths, [*SHARES, 1][: len(lengths)])[0])
        busy = [part] if kind != "all nats" else [p for p in parts if kind_of(p).endswith("nats")]
        if any(free_at[each] > now_s for each in busy):
            continue
        for each in busy:
            free_at[each] = now_s + for_s + 0.5
        if kind == "nats" and "all nats" in parts:
            free_at["all nats"] = max(free_at["all nats"], now_s + for_s + 0.5)
        faults.append(Fault(at_s=now_s, part=part, how=how, for_s=for_s))


def _births(chance, duration_s, per_s):
    births, now_s = [], 0.0
    while now_s < duration_s:
        births.append(_birth(chance, f"p{len(births) + 1}", now_s))
        now_s += chance.expovariate(per_s)
    return births


def _birth(chance, name, at_s):
    kind = chance.choices(
        ["short", "failing", "long", "deleted early", "slow to stop", "impossible"],
        [8, 2, 2, 4, 2, 1],
    )[0]
    birth = {"at_s": at_s, "name": name, "kind": kind}
    birth["cluster"] = chance.choice(["", "", "c1", "c2"])
    birth["secret"] = chance.random() < 0.3
    seconds = chance.randint(1, 6)
    match kind:
        case "short":
            birth["run_for"] = f"{seconds}s"
        case "failing":
            birth |= {"run_for": f"{seconds}s", "notes": {"kwok.mcs/exit-code": "3"}}
        case "long":
            birth["delete_after_s"] = chance.uniform(10, 20)
        case "deleted early":
            birth["delete_after_s"] = chance.uniform(0, 4)
        case "slow to stop":
            birth |= {
                "delete_after_s": chance.uniform(2, 6),
                "notes": {"kwok.mcs/stop-after": f"{seconds}s"},
            }
        case "impossible":
            birth |= chance.choice([{"cluster": "nowhere"}, {"cpu": "64"}])
    return Birth(**birth)


def _poisons(chance, duration_s):
    kinds = ["garbage", "misrouted", "replayed"]
    return sorted(
        (
            Poison(at_s=chance.uniform(QUIET_S, duration_s), kind=kinds[number % 3])
            for number in range(max(3, int(duration_s / 8)))
        ),
        key=lambda poison: poison.at_s,
    )
