"""Checkers of the numbered invariants: over a whole log, and over all pods that a test saw.

``check_log`` folds both streams in the order of history as a stranger would, and checks each cycle
in the state in which it was decided. ``check_lives`` compares what API servers showed with the log.
Each assertion names its invariant and the object that breaks it.
"""

import contextlib

from mcs.adapters.jetstream import connect
from mcs.events.decisions import (
    PlacementWithdrawn,
    PodPlaced,
    ProxyEvicted,
    ProxyReleased,
    SchedulerClaimed,
)
from mcs.projections.state import RULES
from mcs.quantities import PODS
from mcs.services.history import History
from mcs.services.reading import Ends
from tests.kubernetes.pictures import Replayed


class Audited(Replayed):
    """A state that checks each decision before it folds it (I3 and I4 by ``Replayed``).

    ``ordered``: by proxy uid, the decisions that allow its deletion; by placement id, those that
    allow its delegate's. ``placements``: proxy uid of each placement ever decided. ``reigns``: how
    many schedulers claimed.
    """

    def __init__(self):
        super().__init__()
        self.ordered = {}
        self.placements = {}
        self.reigns = 0

    def decide(self, sequence, subject, data, frame):
        if frame.index == 0:
            if self.rules == RULES:
                assert frame.state == self.digest(), f"I3: cycle {frame.cycle} in another state"
            assert frame.observed == self.observed.digest, f"I6: cycle {frame.cycle} saw another"
        booked, uids = {}, set()
        for event in frame.events:
            if isinstance(event, PodPlaced):
                assert event.uid not in uids, f"I1: {event.placement} in the frame of another"
                uids.add(event.uid)
                self._check_placed(event, booked)
        super().decide(sequence, subject, data, frame)
        for event in frame.events:
            self._note(event)

    def _check_placed(self, event, frame):
        """``frame``: what earlier events of this frame booked, by node; earlier frames are folded,
        as charges.
        """
        assert event.placement not in self.placements, f"I1: {event.placement} is placed twice"
        live = self.ledger.live(event.uid)
        assert live is None, f"I1: {event.placement} while {live.id} is live"
        wanted = {**event.requests, PODS: 1}
        place = event.target, event.node
        allocatable = self.inventory.nodes[event.target][event.node].allocatable
        booked = frame.setdefault(place, {})
        for resource, amount in wanted.items():
            booked[resource] = booked.get(resource, 0) + amount
            used = self.inventory.used(*place).get(resource, 0) + booked[resource]
            total = allocatable.get(resource, 0)
            assert amount == 0 or used <= total, (
                f"I5: {event.placement} books {resource} on {place}: {used} of {total}"
            )

    def _note(self, event):
        match event:
            case PodPlaced():
                self.placements[event.placement] = event.uid
            case PlacementWithdrawn() | ProxyReleased() | ProxyEvicted():
                for key in (event.uid, event.placement):
                    self.ordered.setdefault(key, []).append(type(event).__name__)
            case SchedulerClaimed():
                self.reigns += 1
            case _:
                pass


async def check_log(federation, *, parked=0):
    """Fold the whole log, checking; the audited state at its end. ``parked``: how many bad frames
    somebody has put there.
    """
    async with _history(federation) as (log, history):
        ends = await Ends.of(log)
        while history.state.decided.sequence < ends.decisions:
            await history.follow(timeout_s=1.0)
        await history.observe_to(ends.observations)
    state = history.state
    assert state.cycles, "nothing was decided again: the check of I4 was empty"
    assert sum(state.parked.values()) == parked, f"I6: parked frames {state.parked}"
    assert not state.membership.broken(), f"I6: gaps in {state.membership.broken()}"
    return state


def check_lives(sightings, state, *, namespace, deleted=()):
    """What was seen of pods, against the log: I1 and I7; ``deleted``: uids of the proxies that the
    test itself deleted.
    """
    proxies = {life.uid: life for life in sightings.proxies(namespace)}
    delegates = [each for each in sightings.delegates() if each.proxy_uid in proxies]
    by_placement, could_run = {}, {}
    for delegate in delegates:
        by_placement.setdefault(delegate.placement, []).append(delegate)
        if delegate.node:
            could_run.setdefault(delegate.proxy_uid, []).append(delegate)
        assert delegate.placement in state.placements, f"I7: nobody placed {delegate}"
    for placement, lives in by_placement.items():
        assert len(lives) == 1, f"I1: {placement} was created {len(lives)} times"
    for uid, lives in could_run.items():
        # Once a delegate has a node its placement is never tried again: so one, over all time.
        names = [str(life) for life in lives]
        assert len(lives) == 1, f"I1: {proxies[uid]} could run more than once: {names}"
    for delegate in delegates:
        if delegate.deleting or delegate.gone:
            assert delegate.placement in state.ordered, f"I7: {delegate} deleted without a decision"
    for uid, proxy in proxies.items():
        if proxy.deleting or proxy.gone:
            known = uid in deleted or uid in state.ordered
            assert known, f"I7: {proxy} deleted, and nobody asked for it"
        if proxy.phase == "Running":
            # A witness whose API server was away may have seen its end only.
            running = [each for each in could_run.get(uid, ()) if {*each.phases} - {"Pending"}]
            assert running, f"I2: {proxy} says Running, and nothing ran"
    for life in (*proxies.values(), *delegates):
        assert not life.restarts, f"I7: {life} was restarted"


def unfinished(sightings, namespace):
    """The proxies of which I2 is not true yet, in words; empty once all is settled.

    A proxy has ended, or is gone, or runs and so does its delegate; a delegate is gone once its
    proxy is.
    """
    problems = []
    proxies = {life.uid: life for life in sightings.proxies(namespace)}
    for uid, proxy in proxies.items():
        delegates = [each for each in sightings.delegates(uid) if not each.gone]
        running = [each for each in delegates if each.phase == "Running" and not each.deleting]
        if proxy.gone:
            problems += [f"I2: {each} outlives its proxy" for each in delegates]
        elif proxy.deleting:
            problems.append(f"I2: {proxy} is still being deleted")
        elif not proxy.ended and not (proxy.phase == "Running" and len(running) == 1):
            shown = [f"{each} {each.phase}" for each in delegates]
            problems.append(f"I2: {proxy} is {proxy.phase}, with {shown}")
    return problems


@contextlib.asynccontextmanager
async def _history(federation):
    log = await connect(federation.nats.url, name="invariants")
    history = History(log, Audited())
    try:
        await history.open()
        yield log, history
    finally:
        await history.close()
        await log.close()
