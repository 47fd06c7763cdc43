"""The fast placement and the plain one agree, whatever the state."""

import random

import msgspec
import pytest

from mcs.decisions.budget import Budget
from mcs.decisions.placing import place
from mcs.events.constraints import Constraints, Requirement, Taint, Term, Toleration
from mcs.events.decisions import PodDeferred, PodPlaced, Policy
from mcs.events.observations import NodeGone, Phase, PodGone
from mcs.names import Keys
from tests.building import World, delegate, node, pod, proxy
from tests.decisions.plain import Plain
from tests.histories_at_random import RandomWorld

UNBOUNDED = Policy(cycle_bytes=1 << 40, cycle_frames=1 << 40)
SCORES = (
    "most-replicas",
    "binpack",
    "spread",
    "prefer:c2,c0",
    "2*most-replicas+spread",
)


def agree(state):
    """Placing a state both ways gives the same, event for event."""
    budget = Budget(UNBOUNDED)
    assert place(state, Keys(), budget)
    plain = Plain(state)

    placed = {e.uid: (e.target, e.node) for e in budget.taken if isinstance(e, PodPlaced)}
    told = {e.uid: e.reasons for e in budget.taken if isinstance(e, PodDeferred)}
    assert placed == plain.placed
    proxies = state.backlog.proxies
    news = {uid: why for uid, why in plain.reasons.items() if why != proxies[uid].deferred}
    assert told == news


@pytest.mark.parametrize("seed", range(30))
def test_histories_at_random_are_placed_as_plainly(seed):
    RandomWorld(seed, lambda state, _: agree(state)).run(60)


class Market:
    """Clusters of many kinds of nodes, and pods of many shapes that come and go."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.world = World(Policy(score=self.random.choice(SCORES)))
        self.clusters = [f"c{number}" for number in range(self.random.randint(1, 6))]
        self.pods, self.serial, self.bound = [], 0, []
        for name in self.clusters:
            self.world.join(name, *[self.node(n) for n in range(self.random.randint(0, 30))])

    def node(self, number):
        chance = self.random
        gpus = {"more": {"nvidia.com/gpu": chance.choice((1, 4))}} if chance.random() < 0.3 else {}
        taints = (Taint(key="gpu", effect="NoSchedule"),) if gpus and chance.random() < 0.5 else ()
        labels = {"zone": chance.choice("ab"), "kubernetes.io/hostname": f"n{number}"}
        return node(
            f"n{number}",
            cpu=chance.choice((500, 1000, 4000)),
            pods=chance.choice((3, 110)),
            labels=labels,
            taints=taints,
            ready=chance.random() < 0.9,
            cordoned=chance.random() < 0.1,
            **gpus,
        )

    def proxy(self):
        chance = self.random
        self.serial += 1
        requests = {"cpu": chance.choice((0, 100, 300, 900))}
        if chance.random() < 0.2:
            requests["nvidia.com/gpu"] = 1
        if chance.random() < 0.3:
            requests["memory"] = chance.choice((1 << 20, 1 << 33))
        constraints = Constraints()
        if chance.random() < 0.4:
            zones = Term(labels=(Requirement(key="zone", operator="In", values=("a", "c")),))
            by_name = Term(
                fields=(Requirement(key="metadata.name", operator="In", values=("n3",)),)
            )
            constraints = Constraints(
                selector=chance.choice(({}, {"zone": "b"}, {"kubernetes.io/hostname": "n2"})),
                affinity=chance.choice((None, (zones,), (by_name, zones))),
                tolerations=chance.choice(((), (Toleration(key="gpu", operator="Exists"),))),
            )
        return proxy(
            f"u{self.serial:05d}",
            requests=requests,
            constraints=constraints,
            priority=chance.choice((0, 0, 5)),
            cluster=chance.choice(("", "", "", "c0", "c9")),
        )

    def churn(self):
        """Pods and nodes come, change and go, and more pods wait."""
        chance, world = self.random, self.world
        for name in self.clusters:
            for _ in range(chance.randint(0, 4)):
                self.serial += 1
                event = pod(f"p{self.serial}", f"n{chance.randrange(32)}", chance.choice((50, 400)))
                world.capacity(name, event)
                self.pods.append((name, event.uid))
            for _ in range(chance.randint(0, 2)):
                world.capacity(name, self.node(chance.randrange(32)))
            if chance.random() < 0.3:
                world.capacity(name, NodeGone(name=f"n{chance.randrange(32)}"))
        for name, uid in chance.sample(self.pods, min(len(self.pods), chance.randint(0, 6))):
            world.capacity(name, PodGone(uid=uid))
        source = chance.choice(self.clusters)
        world.proxies(source, *[self.proxy() for _ in range(chance.randint(1, 12))])

    def bind(self, events):
        for event in events:
            if isinstance(event, PodPlaced) and self.random.random() < 0.6:
                chosen = self.random.choice((event.node, f"n{self.random.randrange(32)}"))
                seen = delegate(
                    event.placement, node=chosen, phase=Phase.RUNNING, requests=event.requests
                )
                self.world.delegates(event.target, event.source, seen)


@pytest.mark.parametrize("seed", range(40))
def test_markets_at_random_are_placed_as_plainly_under_every_policy(seed):
    market = Market(seed)
    for _ in range(12):
        market.churn()
        agree(market.world.state)
        market.bind(market.world.cycle())
        agree(market.world.state)
    assert market.world.replay().digest() == market.world.state.digest()


def test_what_was_decided_and_not_folded_is_forgotten():
    world = World()
    world.join("c1", node(cpu=400))
    world.proxies("c1", proxy("u1"), proxy("u2"), proxy("u3"))
    twice = [Budget(UNBOUNDED), Budget(UNBOUNDED)]
    for budget in twice:
        place(world.state, Keys(), budget)

    assert twice[0].taken == twice[1].taken
    assert [type(event) for event in twice[0].taken] == [PodPlaced, PodPlaced, PodDeferred]


def placed(events):
    return [event.uid for event in events if isinstance(event, PodPlaced)]


def in_namespace(namespace, count, **fields):
    each = [proxy(f"{namespace}-{number:04d}", **fields) for number in range(count)]
    return [msgspec.structs.replace(event, namespace=namespace) for event in each]


def test_each_namespace_has_its_share_of_a_cycle_however_much_others_submit():
    world = World(Policy(cycle_bytes=20_000))
    world.join("c1", node(cpu=1_000_000, pods=10_000))
    early, late = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    for flood in ("a", "b"):
        world.proxies("c1", *in_namespace(flood, 400, created=early))
    world.proxies("c1", *in_namespace("quiet", 3, created=late))
    first = placed(world.cycle())

    assert {"quiet-0000", "quiet-0001", "quiet-0002"} <= set(first)
    assert {uid[0] for uid in first} == {"a", "b", "q"}
    assert len(first) > 20  # what is left of the quiet one's share is used


def test_a_cycle_places_so_many_bytes_whatever_its_append_could_hold(monkeypatch):
    monkeypatch.setattr("mcs.decisions.placing.PLACING_BYTES", 20_000)
    small, large = World(Policy(cycle_bytes=20_000)), World()
    for world in (small, large):
        world.join("c1", node(cpu=1_000_000, pods=10_000))
        world.proxies("c1", *in_namespace("a", 400), *in_namespace("z", 40, cpu=9_000_000))
    cycles = [large.cycle() for _ in range(40)]

    assert abs(len(placed(cycles[0])) - len(placed(small.cycle()))) <= 1
    assert max(map(len, cycles)) < 400
    assert len({uid for events in cycles for uid in placed(events)}) == 400
    told = [event.uid for events in cycles for event in events if isinstance(event, PodDeferred)]
    assert len(told) == len(set(told)) == 40


def test_a_share_that_nobody_uses_is_nobodys_loss():
    world = World(Policy(cycle_bytes=20_000))
    world.join("c1", node(cpu=1_000_000, pods=10_000))
    world.proxies("c1", *in_namespace("a", 400))
    alone = len(placed(world.cycle()))
    other = World(Policy(cycle_bytes=20_000))
    other.join("c1", node(cpu=1_000_000, pods=10_000))
    other.proxies("c1", *in_namespace("a", 400), *in_namespace("z", 1, cpu=9_000_000))

    assert len(placed(other.cycle())) == alone


def test_a_cluster_that_changes_all_the_time_delays_no_pod_of_another():
    world = World()
    world.join("c1", node(cpu=300))
    world.join("c2", node(cpu=1000))
    world.proxies("c1", *in_namespace("waits", 50, cpu=900, cluster="c1"))
    world.cycle()
    for number in range(20):
        event = pod(f"p{number}", "n1", 10) if number % 2 else PodGone(uid=f"p{number - 1}")
        world.capacity("c1", event)
        world.proxies("c2", proxy(f"u{number}", cpu=10, created=f"2026-02-01T00:00:{number:02d}Z"))
        assert placed(world.cycle()) == [f"u{number}"]


def test_a_thousand_kinds_of_pods_delay_no_pod_of_another_namespace(monkeypatch):
    monkeypatch.setattr("mcs.decisions.placing.LINES_MOST", 10)
    world = World()
    world.join("c1", node(cpu=100_000, pods=1000))
    kinds = [in_namespace("many", 1, cpu=100 + number)[0] for number in range(30)]
    kinds = [
        msgspec.structs.replace(each, uid=f"m{number:02d}", name=f"m{number:02d}")
        for number, each in enumerate(kinds)
    ]
    late = "2026-01-02T00:00:00Z"
    world.proxies("c1", *kinds, *in_namespace("quiet", 1, created=late))

    first = placed(world.cycle())
    assert "quiet-0000" in first
    assert len(first) == 6
    rest = [uid for _ in range(20) for uid in placed(world.cycle())]
    assert sorted(rest) == sorted({each.uid for each in kinds} - set(first))
    assert world.replay().digest() == world.state.digest()
