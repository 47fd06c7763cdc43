"""Logs at random: everything agents, people and the scheduler may write, in any order, for tests
that must hold for every history.
"""

import random

from mcs.decisions.scheduling import schedule
from mcs.events import subjects
from mcs.events.decisions import CycleMarked, Policy
from mcs.events.event import Last
from mcs.events.observations import (
    DelegateGone,
    DelegateRejected,
    End,
    NodeGone,
    Phase,
    PodGone,
    ProxyGone,
    Verb,
    VirtualNodeObserved,
)
from mcs.projections.ledger import Stage
from tests.building import GIB, World, delegate, deleted, node, pod, proxy

CLUSTERS = ("c1", "c2", "c3")


class RandomWorld(World):
    """A world that does what its seed says; ``before_cycle(state, events)`` sees each cycle."""

    def __init__(self, seed, before_cycle=None):
        self.random = random.Random(seed)
        self.before_cycle = before_cycle
        self.uids = 0
        policy = Policy(
            lost_after_s=10, unschedulable_after_s=2, backoff_s=2, jump_s=3, cycle_frames=3
        )
        super().__init__(policy)
        self.joined = []
        self.acts = [
            *(
                [self.new_proxies] * 4,
                [self.some_delegate] * 8,
                [self.a_delegate_lingers],
                [self.a_pod] * 2,
                [self.a_node] * 3,
            ),
            *([self.let_time_pass] * 3, [self.a_proxy_changes] * 3, [self.a_heartbeat] * 2),
            *([self.a_join], [self.a_command], [self.a_resync], [self.a_gap], [self.nonsense]),
        ]
        self.acts = [act for acts in self.acts for act in acts]

    def run(self, steps):
        for cluster in CLUSTERS[:2]:
            self.joins(cluster)
        for _ in range(steps):
            self.random.choice(self.acts)()
            if self.random.random() < 0.5:
                self.cycle() if self.random.random() < 0.8 else self.mark()
        self.mark()
        return self

    def _append(self, events):
        if self.before_cycle is not None:
            self.before_cycle(self.state, tuple(events))
        super()._append(events)

    def mark(self):
        self._append(schedule(self.state, self.keys) or (CycleMarked(),))

    def joins(self, cluster, **fields):
        nodes = [node(f"n{i}", cpu=self.random.choice((400, 1000)), more={"gpu": i % 2})
                 for i in range(self.random.randint(0, 3))]  # fmt: skip
        self.join(cluster, *nodes, id=f"join-{len(self.observations)}", **fields)
        if cluster not in self.joined:
            self.joined.append(cluster)

    def a_join(self):
        self.joins(self.random.choice(CLUSTERS))

    def new_proxies(self):
        found = []
        for _ in range(self.random.randint(1, 3)):
            self.uids += 1
            fields = {"requests": {"cpu": 200, "gpu": 1}} if self.random.random() < 0.2 else {}
            gates = ("g",) if self.random.random() < 0.1 else ()
            created = f"2026-01-01T00:00:{self.random.randint(0, 59):02}Z"
            found.append(
                proxy(
                    f"u{self.uids}",
                    created=created,
                    gates=gates,
                    priority=self.random.choice((0, 0, 5)),
                    **fields,
                )
            )
        self.proxies(self.random.choice(self.joined), *found)

    def a_proxy_changes(self):
        known = list(self.state.backlog.proxies.values())
        if not known:
            return
        chosen = self.random.choice(known)
        gone = ProxyGone(uid=chosen.uid, namespace="default", name=chosen.name)
        event = self.random.choice((deleted(chosen.uid), gone, proxy(chosen.uid, cpu=100)))
        self.proxies(chosen.source, event)

    def some_delegate(self):
        known = [p for p in self.state.ledger.placements.values() if p.decided]
        if not known:
            return
        chosen = self.random.choice(known)
        if chosen.target not in self.epochs:
            return
        named = {"namespace": "default", "name": "d"}
        spot = self.random.choice(("n0", "n1", chosen.node))
        event = self.random.choice(
            (
                delegate(chosen.id),
                delegate(chosen.id, node=spot, phase=Phase.RUNNING),
                delegate(chosen.id, node=spot, phase=Phase.RUNNING, deleting=True),
                delegate(chosen.id, node=spot, phase=Phase.SUCCEEDED),
                DelegateGone(placement=chosen.id, **named, end=self.random.choice(list(End))),
                DelegateRejected(placement=chosen.id, **named, reason="quota", message="no"),
            )
        )
        self.delegates(chosen.target, chosen.source, event)

    def a_delegate_lingers(self):
        """Without a node, until it is tried elsewhere."""
        known = [p for p in self.state.ledger.placements.values() if p.stage is Stage.DECIDED]
        known = [p for p in known if p.live and p.decided and p.target in self.epochs]
        if not known:
            return
        chosen = self.random.choice(known)
        self.delegates(chosen.target, chosen.source, delegate(chosen.id, unschedulable="no node"))
        self.tick(2, times=2)
        self.cycle()

    def a_pod(self):
        cluster, uid = self.random.choice(self.joined), f"p{self.random.randint(1, 6)}"
        gone = PodGone(uid=uid)
        spot = self.random.choice(("n0", "n1", "n2"))
        self.capacity(cluster, self.random.choice((pod(uid, spot, 100), gone)))

    def a_node(self):
        name = self.random.choice(("n0", "n1", "n2"))
        seen = node(
            name,
            cpu=self.random.choice((0, 500, 2000)),
            memory=GIB,
            cordoned=self.random.random() < 0.2,
            more={"gpu": 1} if self.random.random() < 0.5 else {},
        )
        event = self.random.choice((seen, seen, NodeGone(name=name)))
        self.capacity(self.random.choice(self.joined), event)

    def a_heartbeat(self):
        cluster = self.random.choice(self.joined)
        self.heartbeat(cluster, decision=self.state.decided if self.decisions else Last())
        self.capacity(
            cluster, VirtualNodeObserved(target="c2", cordoned=self.random.random() < 0.3)
        )

    def let_time_pass(self):
        self.tick(self.random.choice((0.0004, 1, 2, 40)), times=self.random.randint(1, 5))

    def a_command(self):
        verb = self.random.choice(list(Verb))
        named = {}
        if verb is Verb.RELEASE and self.state.backlog.proxies:
            chosen = self.random.choice(list(self.state.backlog.proxies.values()))
            named = {"namespace": chosen.namespace, "name": chosen.name}
        cluster = self.random.choice(self.joined)
        self.command(
            id=f"command-{self.random.randint(1, 30)}", verb=verb, cluster=cluster, **named
        )

    def a_resync(self):
        cluster = self.random.choice(self.joined)
        if self.random.random() < 0.5:
            self.resync(cluster, subjects.PROXY, *[proxy(f"u{self.random.randint(1, 9)}")])
        else:
            self.resync(cluster, subjects.CAPACITY, node("n1"), pod("p1", "n1", 50))

    def a_gap(self):
        self.observe(self.random.choice(self.joined), subjects.CAPACITY, node("n0"), number=9_999)

    def nonsense(self):
        cluster = self.random.choice(self.joined)
        self.store(
            subjects.observation(cluster, subjects.CLUSTER), b"{" * self.random.randint(1, 9)
        )


def fold_tail(state, world):
    """Fold what ``state`` has not, in the order of history, with I3 checked at every cycle."""
    for sequence, subject, data, frame in world.decisions[state.decided.sequence :]:
        while state.observed.sequence < frame.based_on:
            state.observe(*world.observations[state.observed.sequence])
        if frame.index == 0:
            assert state.digest() == frame.state, f"I3 at cycle {frame.cycle}"
            assert state.observed.digest == frame.observed
        state.decide(sequence, subject, data, frame)
    while state.observed.sequence < len(world.observations):
        state.observe(*world.observations[state.observed.sequence])
    return state
