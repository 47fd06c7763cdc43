"""Records the history of today's schema, and the states that today's rules fold from each history.

    python -m tests.histories.record            the state digests of today's RULES, where missing
    python -m tests.histories.record --history  the history of today's SCHEMA and RULES, too

A history that was committed is never written again: it stands for the logs that people have. So a
new schema gets a new file, told by ``story`` below with whatever that schema added. New rules get
one too, with whatever they decide otherwise, since only what they decided can be derived again by
them, and a new file of states beside each history.
"""

import base64
import json
import sys
from pathlib import Path

import msgspec

from mcs.decisions.framing import frame_cycle
from mcs.events import codec, subjects
from mcs.events.constraints import (
    Constraints,
    Dependency,
    Group,
    Requirement,
    Taint,
    Term,
    Toleration,
)
from mcs.events.decisions import Policy, PolicyActivated, SchedulerClaimed
from mcs.events.event import Last
from mcs.events.frames import SCHEMA, digest
from mcs.events.observations import (
    ClusterLeft,
    DelegateGone,
    DelegateRejected,
    End,
    NodeGone,
    NodePoolGone,
    NodePoolObserved,
    Phase,
    PodGone,
    ProxyGone,
    Verb,
    VirtualNodeObserved,
)
from mcs.ports import Stored, Stream
from mcs.projections.state import RULES, State
from tests.building import World, delegate, deleted, node, pod, pods, proxy

FOLDER = Path(__file__).parent


class Recording(World):
    """A world that also remembers when each decision was stored."""

    def __init__(self, policy=None):
        self.log = []  # (stream, Stored), as they were stored
        super().__init__(policy)

    def store(self, subject, data):
        sequence = super().store(subject, data)
        self.log.append((Stream.OBSERVATIONS, Stored(sequence, subject, self.now_ns, data)))
        return sequence

    def _append(self, events):
        before = len(self.decisions)
        super()._append(events)
        for sequence, subject, data, _ in self.decisions[before:]:
            self.log.append((Stream.DECISIONS, Stored(sequence, subject, self.now_ns, data)))

    def reign(self, number, policy):
        """Another scheduler claims the log, and activates what it was told."""
        events = (
            SchedulerClaimed(reign=number, id=f"claim-{number}", version="test"),
            PolicyActivated(rules=RULES, schema=SCHEMA, version="test", policy=policy),
        )
        cycle = frame_cycle(self.state, number, events)
        for frame, (subject, data) in zip(cycle.frames, cycle.messages, strict=True):
            sequence = self.state.decided.sequence + 1
            self.decisions.append((sequence, subject, data, frame))
            self.log.append((Stream.DECISIONS, Stored(sequence, subject, self.now_ns, data)))
            self.state.decide(sequence, subject, data, frame)

    def gone(self, uid):
        self.proxies("c1", ProxyGone(uid=uid, namespace="default", name=f"pod-{uid}"))

    def ended(self, placement, target, end):
        said = {"placement": placement, "namespace": "default", "name": "d"}
        self.delegates(target, "c1", DelegateGone(end=end, **said))

    def read(self):
        """The last decision, as heartbeats name it."""
        return Last(sequence=self.state.decided.sequence, digest=self.state.decided.digest)


def story():
    """Everything that can be said, in one federation's life."""
    world = Recording(Policy(cycle_frames=3))
    _join_and_place(world)
    _run_and_end(world)
    _fail_and_mend(world)
    world.reign(2, Policy(score="most-replicas", lost_after_s=20, unschedulable_after_s=5))
    _lose_and_remove(world)
    world.mark()
    return world


def _join_and_place(world):
    tainted = node("n2", cpu=4000, taints=(Taint(key="gpu", effect="NoSchedule"),), pool="gpu")
    world.join("c1", node("n1", cpu=500, labels={"zone": "a"}))
    world.join("c2", node("n1", cpu=1000, labels={"zone": "b"}), tainted)
    world.capacity("c2", NodePoolObserved(name="gpu", nodes=1), pod("p1", "n1", 100))
    world.capacity("c2", pods(("p3", "n1", 10), ("p4", "n2", 20), ("p5", "n1", 10)))
    world.capacity("c2", node("n3", ready=False), NodeGone(name="n3"), NodePoolGone(name="gpu"))
    world.join("c3", node("n1", cpu=300, cordoned=True))
    world.join("c4", roles=("source",))
    world.proxies("c1", VirtualNodeObserved(target="c3", cordoned=True))
    wanted = Constraints(
        selector={"zone": "b"},
        affinity=(Term(labels=(Requirement(key="zone", operator="In", values=("a", "b")),)),),
        tolerations=(Toleration(key="gpu", operator="Exists"),),
    )
    world.proxies(
        "c1",
        proxy("u1"),
        proxy("u2", constraints=wanted, dependencies=(Dependency(kind="Secret", name="s"),)),
        proxy("u3", cpu=9000, priority=7),
        proxy("u4", gates=("example.com/wait",)),
        proxy("u5", cluster="c3"),
        proxy("u6", cluster="c2"),
        proxy("u7", cpu=100, cluster="c1"),
        proxy("u8", cpu=9000, group=Group(name="g", size=2, spread=True)),
    )
    for _ in range(4):  # three frames a cycle: the rest is decided in the next one
        world.cycle()
    world.proxies("c1", proxy("u4"))
    world.cycle()


def _run_and_end(world):
    shown = {"status": msgspec.Raw(b'{"phase":"Running"}'), "annotations": {"example.com/a": "b"}}
    for placement in list(world.state.ledger.placements.values()):
        seen = delegate(placement.id, node=placement.node, phase=Phase.RUNNING, **shown)
        world.delegates(placement.target, "c1", delegate(placement.id), seen)
    world.heartbeat("c2", totals={"cpu": 5000}, free={"cpu": 100}, decision=world.read())
    world.tick(1, times=3)
    world.mark()
    u1, u2 = (world.state.ledger.latest(uid) for uid in ("u1", "u2"))
    done = delegate("u1.1", node=u1.node, phase=Phase.SUCCEEDED, requests={})
    world.delegates(u1.target, "c1", done)
    world.proxies("c1", proxy("u1", ended=True), deleted("u1", grace_s=None))
    world.cycle()
    world.ended("u1.1", u1.target, End.SUCCEEDED)
    world.cycle()
    world.gone("u1")
    world.delegates(u2.target, "c1", delegate("u2.1", node=u2.node, deleting=True))
    world.cycle()  # its delegate is deleted by others: evicted
    world.proxies("c1", deleted("u2"))
    world.ended("u2.1", u2.target, End.DELETED)
    world.cycle()
    world.gone("u2")
    world.cycle()


def _fail_and_mend(world):
    world.proxies("c1", proxy("u8", cluster="c2"), proxy("u9", cpu=50), proxy("u10", cpu=50))
    world.cycle()
    u8 = world.state.ledger.latest("u8")
    said = {"placement": u8.id, "namespace": "default", "name": "d"}
    rejected = DelegateRejected(reason="QuotaExceeded", message="too much", **said)
    world.delegates("c2", "c1", rejected)
    world.cycle()
    world.store("mcs.obs.c2.capacity", b"\xff not JSON")
    world.store("mcs.obs.c1.capacity", world.observations[-2][3])  # another's subject
    last, previous = world.channels["c2", subjects.CAPACITY]
    newer = (
        f'{{"schema":2,"source":"c2","epoch":{world.epochs["c2"]},"channel":"capacity",'
        f'"number":{last + 1},"previous":"{previous}","at":"","mood":"new","events":['
        '{"type":"node.melted","name":"n1"},{"type":"pod.gone","uid":"p1","why":"new"}]}'
    ).encode()
    world.store("mcs.obs.c2.capacity", newer)
    world.channels["c2", subjects.CAPACITY] = (last + 1, digest("mcs.obs.c2.capacity", newer))
    world.capacity("c2", PodGone(uid="p1"))
    world.cycle()
    number = world.channels["c1", subjects.CAPACITY][0] + 3
    world.observe("c1", subjects.CAPACITY, pod("p2", "n1", 100), number=number)  # a gap
    world.cycle()
    world.resync("c1", subjects.CAPACITY, node("n1", cpu=600), pod("p2", "n1", 100))
    _, subject, _, data = world.observations[-1]
    world.store(subject, data)  # sent twice
    world.cycle()
    world.join("c1", id="another", uid="another-cluster")  # a stranger, under a known name
    world.epochs["c1"] = world.state.membership.members["c1"].epoch
    for key in [key for key in world.channels if key[0] == "c1"]:
        channel = world.state.membership.members["c1"].channels[key[1]]
        world.channels[key] = (channel.number, channel.digest)


def _lose_and_remove(world):
    world.command(id="1", verb=Verb.CORDON, cluster="c1", by="alice")
    world.command(id="1", verb=Verb.UNCORDON, cluster="c1", by="alice")  # taken once: ignored
    world.command(id="2", verb=Verb.UNCORDON, cluster="c1", by="alice")
    world.proxies("c1", proxy("u11", cpu=10), proxy("u12", cpu=10, cluster="c2"))
    world.cycle()
    u11 = world.state.ledger.latest("u11")
    world.delegates(u11.target, "c1", delegate("u11.1", unschedulable="0/2 nodes"))
    for _ in range(4):
        world.tick(4)
        for name in ("c1", "c2", "c4"):
            world.heartbeat(name, decision=world.read())
        world.cycle()  # c3 is silent; u11 found no node
    world.ended("u11.1", u11.target, End.NEVER_CREATED)
    world.cycle()
    world.observe("c4", subjects.CLUSTER, ClusterLeft(reason="stopped"))
    for _ in range(4):
        world.tick(4)
        for name in ("c1", "c2"):
            world.heartbeat(name, decision=world.read())
        world.cycle()
    world.heartbeat("c3")
    world.cycle()
    world.command(id="3", verb=Verb.RELEASE, cluster="c1", namespace="default", name="pod-u12")
    world.proxies("c1", deleted("u12"))
    world.cycle()
    world.cycle()
    world.command(id="4", verb=Verb.REMOVE, cluster="c2", by="bob")
    for _ in range(4):
        world.cycle()
    world.join("c2", node("n1", cpu=1000), id="again")
    world.cycle()
    world.proxies("c1", proxy("u13", cluster="c2"))
    world.cycle()
    world.command(id="5", verb=Verb.REMOVE, cluster="c2", by="bob")
    world.cycle()
    world.join("c2", node("n1", cpu=1000), id="at once")  # before anything was let go of
    world.proxies("c1", proxy("u14", cluster="c2"))
    world.cycle()


def fold(history, before_cycle=None):
    """A state folded from a history in its order; ``before_cycle(state, stored, frame)`` sees it
    as each cycle was decided.
    """
    state = State()
    for stream, stored in history:
        if stream is Stream.OBSERVATIONS:
            state.observe(stored.sequence, stored.subject, stored.time_ns, stored.data)
            continue
        frame, unknown = codec.decode_decision(stored.subject, stored.data)
        if frame.index == 0 and before_cycle is not None:
            before_cycle(state, stored, frame)
        state.pass_over(stored.sequence, stored.subject, unknown)
        state.decide(stored.sequence, stored.subject, stored.data, frame)
    return state


def states(history):
    """The digest of the state in which each cycle was decided, and of the last one."""
    digests = {}
    state = fold(history, lambda s, _, frame: digests.update({str(frame.cycle): s.digest()}))
    return digests | {"end": state.digest()}


def lines(log):
    """A log as text, a message a line: bytes as text where they are, else in base64."""
    for stream, stored in log:
        try:
            data = {"data": stored.data.decode()}
        except UnicodeDecodeError:
            data = {"base64": base64.b64encode(stored.data).decode()}
        message = {
            "stream": stream,
            "sequence": stored.sequence,
            "time_ns": stored.time_ns,
            "subject": stored.subject,
            "digest": digest(stored.subject, stored.data),
            **data,
        }
        yield json.dumps(message)


def read(path):
    """A history as it was recorded: (stream, message, the digest it had then)."""
    for line in path.read_text().splitlines():
        message = json.loads(line)
        data = message["data"].encode() if "data" in message else None
        stored = Stored(
            message["sequence"],
            message["subject"],
            message["time_ns"],
            data if data is not None else base64.b64decode(message["base64"]),
        )
        yield Stream(message["stream"]), stored, message["digest"]


def histories():
    """Every history there is, oldest first."""
    return sorted(FOLDER.glob("schema-*.jsonl"), key=numbers)


def numbers(path):
    """The schema and the rules under which a history was written: its first claim says."""
    claim = next(stored for stream, stored, _ in read(path) if stream is Stream.DECISIONS)
    frame, _ = codec.decode_decision(claim.subject, claim.data)
    (policy,) = (event for event in frame.events if isinstance(event, PolicyActivated))
    return policy.schema, policy.rules


def states_of(path, rules=RULES):
    """Where the states are recorded that some rules fold from a history."""
    return path.with_name(f"{path.stem}.rules-{rules}.json")


def main(arguments):
    if "--history" in arguments:
        known = [numbers(path) for path in histories()]
        if (SCHEMA, RULES) in known:
            sys.exit(f"that of schema {SCHEMA} and rules {RULES} is there, and stays as it is")
        again = any(schema == SCHEMA for schema, _ in known)
        path = FOLDER / f"schema-{SCHEMA}{f'-rules-{RULES}' if again else ''}.jsonl"
        path.write_text("".join(line + "\n" for line in lines(story().log)))
    for history in histories():
        if not states_of(history).exists():
            log = [(stream, stored) for stream, stored, _ in read(history)]
            states_of(history).write_text(json.dumps(states(log), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
