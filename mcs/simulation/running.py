"""One run from a seed: act one under accidents, act two in which everything is healed.

Act one asks for safety only. Then all accidents end and nothing new begins; within a generous time
every pod must reach its end, and everything outside must agree with the log.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections import Counter
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import msgspec

from mcs.adapters.memory_registry import Request
from mcs.errors import LogLost, McsError
from mcs.objects.kinds import LEASES, PODS
from mcs.ports import Stored, Stream
from mcs.simulation.accidents import Accidents
from mcs.simulation.act_one import ActOne
from mcs.simulation.checkers import Violation
from mcs.simulation.loop import run_virtually
from mcs.simulation.losses import Loss
from mcs.simulation.people import ENDED, People
from mcs.simulation.plan import Plan
from mcs.simulation.processes import Crash
from mcs.simulation.world import Told, World

LOOK_S: Final = 1.0
COMPARE: Final = 2
"""Each so many looks, states of live schedulers are compared with the replay."""

SETTLE_S: Final = 400.0
"""Act two lasts so long at most: eviction, back-off and the longest waits of all parts in turn."""

BEGUN_S: Final = 4.0
"""By then a scheduler is active, if nothing is done to it."""

ANSWER_S: Final = 10.0
"""A pod of an unharmed cluster is placed, or told why not, within so long: its gate's five seconds,
and what a cycle, a full account and an ordinary retry take.
"""

REST_S: Final = 12.0
"""After everything has settled: heartbeats and leases are renewed, and nothing may move."""

SAID_S: Final = 30.0
"""So much longer it may take to find a loss: a killed process is down for twenty seconds, and who
starts anew waits until the Lease of the dead one has run out (15 s).
"""


class Outcome(msgspec.Struct, kw_only=True):
    """How a run went. ``failure``: the violated rule's text, or nothing; ``digest``: of both logs
    and of all objects at the end.
    """

    plan: Plan
    failure: str = ""
    invariant: str = ""
    digest: str = ""
    lasted_s: float = 0.0
    events: int = 0
    pods: int = 0
    happened: dict[str, int] = {}
    story: list[Told] = []
    log: list[Stored] = []


def run(plan: Plan, *, whole: bool = False) -> Outcome:
    """Run a plan to its end. ``whole``: keep the story and the log, for people."""
    return run_virtually(_run(plan, whole=whole))


async def _run(plan: Plan, *, whole: bool) -> Outcome:
    world = World(plan)
    if whole:
        world.witness = _Retold(world)
    outcome = Outcome(plan=plan)
    try:
        await _play(world)
    except BaseExceptionGroup as group:
        error = _first(group)
        if not isinstance(error, Violation | Crash):
            raise
        outcome.failure = str(error)
        outcome.invariant = error.invariant if isinstance(error, Violation) else "crash"
    outcome.lasted_s = world.clock.monotonic()
    outcome.happened = dict(sorted(world.weather.happened.items()))
    outcome.digest = _digest(world)
    outcome.events = sum(stream.last for stream in world.broker.streams.values())
    outcome.pods = world.checkers.pods
    world.checkers.close()
    if whole or outcome.failure:
        outcome.story = world.story
        outcome.log = sorted(
            (stored for stream in world.broker.streams.values() for stored in stream.messages),
            key=lambda stored: stored.time_ns,
        )
    return outcome


class _Retold:
    """A witness that tells of each write to an API server, beside passing everything on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.read, self.acknowledged = world.checkers.read, world.checkers.acknowledged
        self.wrote_over_loss = world.checkers.wrote_over_loss

    def act(self, process: str, cluster: str, request: Request) -> None:
        """See ``Witness``."""
        self._world.checkers.act(process, cluster, request)
        if request.kind is LEASES:
            return
        body = request.body or {}
        metadata: dict[str, Any] = body.get("metadata") or {}
        name = request.name or metadata.get("name", "")
        kind = f"{request.kind.plural}/{request.subresource}".rstrip("/")
        self._world.tell(process, f"{request.verb} {kind} {name} in {cluster}")


async def _play(world: World) -> None:
    plan, act_one, checkers = world.plan, ActOne(), world.checkers
    people, misfortune = People(world, act_one), Accidents(world, act_one)
    async with asyncio.TaskGroup() as tasks:
        living = tasks.create_task(world.run())
        looking = tasks.create_task(_look(world))
        work = [
            tasks.create_task(_at(item.at_s, people.do(item), world, item)) for item in plan.work
        ]
        accidents = [
            tasks.create_task(_at(item.at_s, misfortune.happen(item), world, item))
            for item in plan.accidents
        ]
        await asyncio.sleep(plan.act_one_s)
        world.tell("", "act two: everything is healed")
        act_one.over.set()
        await asyncio.wait(accidents) if accidents else None
        world.heal()
        if plan.damaging:
            await _until_damage_is_said(world, misfortune.losses)
            _harmed_nobody(world)
        else:
            await _settle(world, people)
            looking.cancel()
            _nobody_said_loss(world)
            _nobody_was_delayed(world)
            checkers.check_end()
        for task in [*work, looking, living]:
            task.cancel()


async def _at(at_s: float, work: Coroutine[Any, Any, None], world: World, item: object) -> None:
    try:
        await asyncio.sleep(at_s)
    except asyncio.CancelledError:
        work.close()
        raise
    world.tell("", str(item))
    await work


async def _look(world: World) -> None:
    checkers = world.checkers
    for look in itertools.count():
        await asyncio.sleep(LOOK_S)
        if checkers.journal.damaged:
            _harmed_nobody(world)
            continue
        for name, scheduler in world.schedulers.items() if look % COMPARE == 0 else ():
            if scheduler.active:
                checkers.folded(name, scheduler.state)
        checkers.check()


def _harmed_nobody(world: World) -> None:
    """What must hold even over a log that lost its end: I1, I7, I10, and of I6 that nobody who knew
    of what is lost writes in its place.
    """
    for violation in world.checkers.findings.found:
        if violation.invariant in {"I1", "I6", "I7", "I10"}:
            raise violation


async def _settle(world: World, people: People) -> None:
    """Wait until nothing moves. Raises Violation (I2)."""
    end_s = world.clock.monotonic() + SETTLE_S
    quiet_s = 0.0
    while quiet_s < REST_S:
        await asyncio.sleep(LOOK_S)
        moving = world.leaderless() + _moving(world)
        if people.jobs and not world.checkers.forged():  # else its pods may wait for ever, told why
            moving += sorted(people.jobs)
        quiet_s = 0.0 if moving else quiet_s + LOOK_S
        if world.clock.monotonic() > end_s:
            raise Violation(
                "I2", f"has not come to an end: {', '.join(moving)}", world.clock.monotonic()
            )


def _moving(world: World) -> list[str]:
    """The pods that have not come to an end; a waiting proxy has, for now, and so has a pod that
    was not elected and finds no node.
    """
    found = []
    for place in world.places.values():
        for pod in place.cluster.objects(PODS):
            metadata = pod["metadata"]
            ended = pod.get("status", {}).get("phase") in ENDED
            delegate = world.keys.proxy_uid in (metadata.get("labels") or {})
            waits = not pod["spec"].get("nodeName") and not delegate
            if waits and world.keys.finalizer in (metadata.get("finalizers") or ()):
                # One of a cluster that returned goes when its delegate elsewhere has (seed 1367),
                # or is known never to come, whatever it says of the time before (seed 2089).
                told = bool(pod["spec"].get("schedulingGates") or _told(pod))
                waits = told and not world.checkers.orders.awaits(metadata["uid"])
            if "deletionTimestamp" in metadata or not (ended or waits):
                found.append(f"{place.name}/{metadata['name']}")
    return found


def _told(pod: Mapping[str, Any]) -> bool:
    """Whether the proxy says why it waits; a gate that is open now is no reason (seed 3517)."""
    conditions = pod.get("status", {}).get("conditions") or ()
    said = [each.get("reason") for each in conditions if each["type"] == "PodScheduled"]
    return bool(said) and said != ["SchedulingGated"]


def _said(world: World) -> list[McsError]:
    return [error for process in world.processes.values() for error in process.said]


def _nobody_said_loss(world: World) -> None:
    for error in _said(world):
        if isinstance(error, LogLost):
            text = f"said to be lost, and it is not: {error}"
            raise Violation("I6", text, world.clock.monotonic())


def _nobody_was_delayed(world: World) -> None:
    """I8, where all that goes wrong goes wrong elsewhere."""
    unharmed = {
        each.name: each.begins_s for each in world.plan.clusters if each.name in world.plan.unharmed
    }
    for name, begins_s in unharmed.items():
        proxies = world.checkers.sightings.proxies.values()
        uids = [life.uid for life in proxies if life.cluster == name]
        since_s = max(begins_s, BEGUN_S)
        world.checkers.check_answers(ANSWER_S, uids, since_s=since_s)


async def _until_damage_is_said(world: World, losses: list[Loss]) -> None:
    """By whoever can know of it, in good time. Raises Violation (I6)."""
    await asyncio.sleep(REST_S)
    end_s = world.clock.monotonic() + SAID_S
    while witnesses := [each for loss in losses for each in loss.witnesses]:
        if any(isinstance(error, LogLost) for error in _said(world)):
            return
        if world.clock.monotonic() > end_s:
            text = "acknowledged messages were lost, and nobody has said so, though known to "
            raise Violation("I6", text + ", ".join(witnesses[:5]), world.clock.monotonic())
        await asyncio.sleep(LOOK_S)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that began it: a violation before a crash before anything else."""
    leaves: list[BaseException] = []
    todo: list[BaseException] = [group]
    while todo:
        error = todo.pop(0)
        if isinstance(error, BaseExceptionGroup):
            todo += error.exceptions
        else:
            leaves.append(error)
    return min(leaves, key=lambda e: (not isinstance(e, Violation), not isinstance(e, Crash)))


def _digest(world: World) -> str:
    told = hashlib.blake2b(digest_size=16)
    for name in Stream:
        for stored in world.broker.streams[name].messages:
            told.update(f"{stored.sequence} {stored.subject} {stored.time_ns}\n".encode())
            told.update(stored.data)
    for place in world.places.values():
        for data in place.cluster.dump():
            told.update(data)
    return told.hexdigest()


def counted(outcomes: list[Outcome]) -> Counter[str]:
    """What happened in many runs, by kind."""
    total: Counter[str] = Counter()
    for outcome in outcomes:
        total.update(outcome.happened)
    return total
