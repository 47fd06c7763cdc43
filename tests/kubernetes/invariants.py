"""Checkers of the numbered invariants: over a whole log, and over all pods that a test saw.

``check_log`` folds both streams in the order of history as a stranger would, and checks each cycle
in the state in which it was decided. ``check_lives`` compares what API servers showed with the log.
Each assertion names its invariant and the object that breaks it.
"""

import contextlib

from mcs.adapters.jetstream import connect
from mcs.events.decisions import (
    PlacementWithdrawn,
    ProxyEvicted,
    ProxyReleased,
    SchedulerClaimed,
)
from mcs.services.history import History
from mcs.services.reading import Ends
from tests.kubernetes.pictures import Replayed


class Audited(Replayed):
    """A state that checks each decision (the rules of the log are the simulator's), and notes them.

    ``ordered``: by proxy uid, the decisions that allow its deletion; by placement id, those that
    allow its delegate's. ``reigns``: how many schedulers claimed.
    """

    def __init__(self):
        super().__init__()
        self.ordered = {}
        self.reigns = 0

    @property
    def placements(self):
        """Proxy uid of each placement ever decided."""
        return {id: placed.uid for id, placed in self.accounts.placed.items()}

    def decide(self, sequence, subject, data, frame):
        super().decide(sequence, subject, data, frame)
        for event in frame.events:
            self._note(event)

    def _note(self, event):
        match event:
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
    found = sum(each.count for each in state.parked.values())
    assert found == parked, f"I6: parked frames {state.parked}"
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
